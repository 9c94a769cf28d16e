"""The shapes of track events: layouts, paths, and which columns hold them; and the columns of frames made.

Pure, and known to both sides: sources ask which columns to read, the transform which column holds a path.
Names of columns are matched exactly in the ``segment`` layout and case-insensitively in the ``warehouse``
layout, where Snowflake shows upper case and Redshift lower case (Segment's documentation of warehouse schemas).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from etl.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

#: How a table of track events is laid out: ``segment`` = nested, camelCase, as Segment's API has it
#: (``properties`` and ``context`` as struct, map or JSON text); ``warehouse`` = flat, snake_case, one column
#: per property.
Layout = Literal["segment", "warehouse"]

#: A path into a track event: ``("properties", "jobId")`` for ``$.properties.jobId``; ``()``: the whole event.
Path = tuple[str, ...]

#: The one column of a table whose rows are whole events as JSON text (raw logs), type ``pa.json_()``.
WHOLE_EVENT = "$"

#: What windows are cut on by default: when Segment's API received the event.
DEFAULT_CURSOR: dict[Layout, str] = {"segment": "receivedAt", "warehouse": "received_at"}

#: Columns of the ``segment`` layout that hold an object; as plain strings they are JSON text.
OBJECTS = ("properties", "context", "traits", "integrations")

#: Columns of a warehouse's event table that are not properties, in lower case (S-docs, warehouses/schema).
RESERVED = frozenset(
    {
        *("id", "event", "event_text", "user_id", "anonymous_id"),
        *("timestamp", "original_timestamp", "sent_at", "received_at", "uuid_ts", "loaded_at"),
        *("_partitiontime", "_partitiondate"),
    }
)

#: Further ones in a data lake, which keeps the whole envelope and is known by having no ``event_text``.
#: In a warehouse ``type`` or ``version`` is a property like any other.
LAKE_RESERVED = frozenset({"channel", "message_id", "project_id", "type", "version"})
LAKE_PREFIXES = ("metadata_", "integrations_")

#: Top-level fields whose column is not just their snake-cased name, the preferred column first.
_RENAMED = {"messageId": ("id", "message_id"), "event": ("event_text", "event")}

_API_NAMES = frozenset(
    {
        *("messageId", "receivedAt", "sentAt", "originalTimestamp", "userId", "anonymousId"),
        *("properties", WHOLE_EVENT),
    }
)

#: Columns that pandas and dask write for an index that nobody named: no part of any event.
_INDEX = re.compile(r"__index_level_\d+__|__null_dask_index__")

_WORD = re.compile(r"[A-Z0-9]+[a-z0-9]*|[a-z0-9]+")


def snake_case(name: str) -> str:
    """The column Segment's warehouses make of a property name: ``jobId`` → ``job_id``.

    Source: the behaviour of segmentio/go-snakecase. A word is a run of capitals and digits and the small
    letters and digits after it; everything else, non-ASCII included, only separates words.
    """
    return "_".join(_WORD.findall(name)).lower()


def detect_layout(schema: pa.Schema) -> Layout:
    """``segment`` if a column has a name only Segment's API uses, or ``properties``; else ``warehouse``."""
    return "warehouse" if _API_NAMES.isdisjoint(schema.names) else "segment"


def find_column(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that is ``name``, else the one that differs from it only in case.

    Raises ``ConfigError`` where several differ from it only in case: nothing says which is meant.
    """
    return _only(name, [known for known in dict.fromkeys(names) if known.lower() == name.lower()], (name,))


def flat_column(path: Path, names: Iterable[str]) -> str | None:
    """The column of a ``warehouse`` table that holds ``path``, as it is written in ``names``; None: no such.

    ``$.messageId`` → ``id`` (else ``message_id``), ``$.event`` → ``event_text`` (else ``event``),
    ``$.context.groupId`` → ``context_group_id``, ``$.properties.data.jobId`` → ``data_job_id``. A property
    with the name of a reserved column is looked for as ``_name``; lakes may prefix properties with
    ``properties_``. ``$.properties`` and ``$.context`` are held by many columns: see ``object_columns``.
    Of columns that differ only in case, the one spelt like the path is meant, else the one in lower case; raises
    ``ConfigError`` where neither is there.
    """
    by_lower = _by_lower(names)
    return next(
        (
            _only(f"$.{'.'.join(path)}", by_lower[name], (path[-1], name))
            for name in _candidates(path, by_lower)
            if name in by_lower
        ),
        None,
    )


def flat_holder(path: Path, schema: pa.Schema) -> tuple[str, Path] | None:
    """The column of a ``warehouse`` table that ``path`` leads into, and the rest of the path inside it.

    The path's own column (nothing is left then), else the nearest one above it that is nested or JSON.
    """
    for length in range(len(path), 0, -1):
        column = flat_column(path[:length], schema.names)
        if column is not None and (length == len(path) or _is_nested(schema.field(column).type)):
            return column, path[length:]
    return None


def properties_columns(names: Iterable[str]) -> dict[str, str]:
    """Property name → column, for ``$.properties`` of a ``warehouse`` table: all but reserved and context.

    The names are the columns' own, in lower case (how the event spelt them is lost), less the ``_`` of a
    reserved name or of a leading digit and less the ``properties_`` of a lake. Columns that would get the same name
    keep their own.
    """
    by_lower = _by_lower(names)
    return _keyed(
        {
            lower: (_property_name(lower, by_lower), spellings)
            for lower, spellings in by_lower.items()
            if not _is_envelope(lower, by_lower)
        }
    )


def object_columns(field: str, names: Iterable[str]) -> dict[str, str]:
    """Key → column, for a whole object of a ``warehouse`` table: ``properties``, ``context`` and so on.

    ``context`` has its keys as flattened (``context_page_url`` → ``page_url``): how they nest is not known.
    """
    if field == "properties":
        return properties_columns(names)
    prefix = snake_case(field) + "_"
    by_lower = _by_lower(names)
    return _keyed(
        {
            lower: (lower.removeprefix(prefix), spellings)
            for lower, spellings in by_lower.items()
            if lower.startswith(prefix) and len(lower) > len(prefix) and _is_envelope(lower, by_lower)
        }
    )


def needed_columns(
    schema: pa.Schema, layout: Layout, paths: Collection[Path] | None, cursor: str | None
) -> list[str]:
    """The columns of ``schema`` to read for ``paths`` (None = all), in its order.

    Always with the message id, the event's name (by which a lake is told), the ``integrations`` opt-out and
    the cursor. In the ``segment`` layout a part of a struct is named with dots (``context.groupId``), as
    Parquet readers take it.
    """
    names = [name for name in schema.names if not _INDEX.fullmatch(name)]
    if paths is None or () in paths or WHOLE_EVENT in names:
        return names
    pick = _segment_columns if layout == "segment" else _warehouse_columns
    asked = {("messageId",), ("event",), ("integrations",), *paths}
    wanted = {column for path in asked for column in pick(path, schema)} | ({cursor} if cursor else set())
    return [column for name in names for column in _selected(name, wanted)]


# -------------------------------------------------------------------------------------------- the rules


def _by_lower(names: Iterable[str]) -> dict[str, list[str]]:
    """Lower-cased name → the names that differ from it only in case."""
    by_lower: dict[str, list[str]] = {}
    for name in names:
        by_lower.setdefault(name.lower(), []).append(name)
    return by_lower


def _only(asked: str, spellings: Sequence[str], preferred: Collection[str]) -> str | None:
    """The one spelling there is, else the first of ``preferred`` that is one; None: there is none at all."""
    if len(spellings) < 2:
        return next(iter(spellings), None)
    if (spelt := next((name for name in preferred if name in spellings), None)) is None:
        raise ConfigError(
            f"{asked} may be {' or '.join(sorted(spellings))}, whose names differ only in case: rename one of them, "
            f"or write the name as it is spelt"
        )
    return spelt


def _keyed(held: Mapping[str, tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Key → column, of lower-cased name → its key and the columns that differ from it only in case."""
    keyed: dict[str, str] = {}
    for lower, (key, spellings) in held.items():
        for column in spellings:
            own = key if len(spellings) == 1 else column[len(lower) - len(key) :]
            keyed[own if own not in keyed else column] = column
    return keyed


def _candidates(path: Path, known: Collection[str]) -> Iterator[str]:
    if not path or path in (("properties",), ("context",)):
        return
    if path[0] == "properties":
        yield from _property_candidates(_flattened(path[1:]), known)
    elif len(path) == 1 and path[0] in _RENAMED:
        yield from _RENAMED[path[0]]
    else:
        yield from (c for c in [_flattened(path)] if _is_envelope(c, known))


def _flattened(path: Path) -> str:
    return "_".join(word for word in map(snake_case, path) if word)


def _property_candidates(name: str, known: Collection[str]) -> Iterator[str]:
    if not _is_envelope(name, known):
        yield name
    yield f"_{name}"
    yield f"properties_{name}"


def _is_envelope(name: str, known: Collection[str]) -> bool:
    """Whether a column is part of the event but no property; ``known``: the table's lower-cased names."""
    if name in RESERVED or name.startswith("context_") or _INDEX.fullmatch(name):
        return True
    return _is_lake(known) and (name in LAKE_RESERVED or name.startswith(LAKE_PREFIXES))


def _is_lake(known: Collection[str]) -> bool:
    return "event_text" not in known


def _property_name(column: str, known: Collection[str]) -> str:
    bare = column.removeprefix("_")
    if bare != column and (bare[:1].isdigit() or _is_envelope(bare, known)):
        return bare
    bare = column.removeprefix("properties_")
    if bare and _is_lake(known) and (bare not in known or _is_envelope(bare, known)):
        return bare
    return column


def _segment_columns(path: Path, schema: pa.Schema) -> Iterator[str]:
    if path[0] not in schema.names:
        return
    selector, held = path[0], schema.field(path[0]).type
    for key in path[1:]:
        if not pa.types.is_struct(held):
            break
        index = held.get_field_index(key)
        if index < 0:
            return
        selector, held = f"{selector}.{key}", held.field(index).type
    yield selector


def _warehouse_columns(path: Path, schema: pa.Schema) -> Iterator[str]:
    if len(path) == 1:
        yield from object_columns(path[0], schema.names).values()
    if holder := flat_holder(path, schema):
        yield holder[0]


def _is_nested(held: pa.DataType) -> bool:
    return bool(pa.types.is_nested(held)) or isinstance(held, pa.JsonType)


def _selected(name: str, wanted: Collection[str]) -> list[str]:
    """What is wanted of one column: all of it, or parts of a struct without those inside another part."""
    if name in wanted:
        return [name]
    parts = sorted(column for column in wanted if column.startswith(f"{name}."))
    return [part for part in parts if not any(part.startswith(f"{other}.") for other in parts)]
