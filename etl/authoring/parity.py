"""The parity check of people who move in: recorded usage events are read, and ours compared with them field by field.

Recorded ones are what Segment delivered, or what Metronome has.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from etl.authoring.event_files import tables
from etl.core.errors import ConfigError
from etl.core.subscription import FIELDS
from etl.core.windows import rfc3339
from etl.transform.json.text import canonical
from etl.transform.json.text import parse as parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Notes on values that are written differently and mean the same.
DOUBLES, INSTANT = "the same as doubles", "the same instant"
_COLUMNS = ("transaction_id", "difference", "path", "ours", "expected", "note")
_TEXT = pd.ArrowDtype(pa.string())
_ABSENT = object()
#: Where a record keeps the usage event, or several: a delivery log's request, Metronome's answer.
_WRAPPERS = ("payload", "body", "data")


@dataclass(frozen=True)
class Comparison:
    """``ours``, ``expected``: how many usage events there are on each side; ``equal``: how many agree.

    ``differences``, Arrow strings: ``transaction_id``; ``difference`` (``differs``, ``missing``: only recorded,
    ``extra``: only ours); ``path`` of the value inside the usage event (null for missing and extra ones); ``ours``
    and ``expected``, the values as JSON text (null where there is none); ``note`` (``the same as doubles``, ``the
    same instant``, or what became of the event of a missing one; else null).
    """

    ours: int
    expected: int
    equal: int
    differences: pd.DataFrame

    @property
    def agree(self) -> bool:
        """Whether nothing differs."""
        return not len(self.differences)

    def by_field(self) -> Counter[tuple[str, str, str]]:
        """(difference, path, note) → how many; for missing and extra ones the path is empty."""
        rows = self.differences[["difference", "path", "note"]].fillna("").itertuples(index=False, name=None)
        return Counter(rows)


def compare(
    ours: Mapping[str, Any],
    expected: Mapping[str, Any],
    unmade: Mapping[str, str],
    *,
    by_value: bool = False,
) -> Comparison:
    """Bodies by transaction_id, as JSON values with every digit; numbers are compared exactly, texts as they stand.

    ``unmade``: messageId → why no usage event was made of an event. ``by_value``: numbers that agree as doubles and
    timestamps that are the same instant do not differ.
    """
    rows: list[tuple[str | None, ...]] = []
    equal = 0
    for key, theirs in expected.items():
        if key not in ours:
            note = unmade.get(key, "no usage event of ours has this id")
            rows.append((key, "missing", None, None, canonical(theirs), note))
            continue
        differing = [row for row in _differences((), ours[key], theirs) if not (by_value and row[-1])]
        rows += [(key, "differs", *row) for row in differing]
        equal += not differing
    rows += [(key, "extra", None, canonical(ours[key]), None, None) for key in ours if key not in expected]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_TEXT)
    return Comparison(len(ours), len(expected), equal, frame)


_Row = tuple[str, str | None, str | None, str | None]


def _differences(path: tuple[str, ...], ours: Any, theirs: Any) -> Iterator[_Row]:
    """Path, both values and a note, for each place where two JSON values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            yield from _differences((*path, key), ours.get(key, _ABSENT), theirs.get(key, _ABSENT))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences((*path, str(index)), one, other)
    elif not _equal(ours, theirs):
        yield ".".join(["$", *path]), _text(ours), _text(theirs), _note(path, ours, theirs)


def _equal(ours: Any, theirs: Any) -> bool:
    if _is_number(ours) and _is_number(theirs):
        return _exact(ours) == _exact(theirs)
    return type(ours) is type(theirs) and bool(ours == theirs)


def _note(path: tuple[str, ...], ours: Any, theirs: Any) -> str | None:
    if _is_number(ours) and _is_number(theirs):
        return DOUBLES if float(ours) == float(theirs) else None
    if path == ("timestamp",) and isinstance(ours, str) and isinstance(theirs, str):
        return INSTANT if _instant(ours) == _instant(theirs) is not None else None
    return None


def _instant(text: str) -> pd.Timestamp | None:
    try:
        stamp = pd.Timestamp(text)
    except ValueError:
        return None
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _exact(number: float | Decimal) -> Decimal:
    """The number as it was written: the shortest text that is this double."""
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


def _text(value: Any) -> str | None:
    return None if value is _ABSENT else canonical(value)


# ---------------------------------------------------------------------------------------------- recorded


@dataclass(frozen=True)
class Recorded:
    """A usage event; ``updated``: for exports that hold several states of one, the newest of which counts."""

    transaction_id: str
    body: dict[str, Any]
    updated: str = ""


def read_recorded(source: str | Sequence[Any]) -> dict[str, Recorded]:
    """transaction_id → the usage event, from a file or from JSON values.

    A file is JSON lines (gzipped or not), one JSON document, or Parquet; a record is a usage event, an object that
    holds one or several under ``payload``, ``body`` or ``data`` (as JSON or as its text), or a row of Metronome's
    ``events`` export. Of records with the same id the first counts, or the one with the newest ``updated_at``.

    Raises:
        ConfigError: the file cannot be read; a record holds no usage event, naming where it is.
    """
    newest: dict[str, Recorded] = {}
    for where, record in _records(source):
        for one in _usage_events(where, record):
            known = newest.get(one.transaction_id)
            if known is None or one.updated > known.updated:
                newest[one.transaction_id] = one
    return newest


def _records(source: str | Sequence[Any]) -> Iterator[tuple[str, Any]]:
    if not isinstance(source, str):
        yield from ((f"record {number}", record) for number, record in enumerate(source, 1))
        return
    document = _document(source)
    rows = [document] if document is not None else _rows(source)
    yield from ((f"{source}: record {number}", record) for number, record in enumerate(rows, 1))


def _document(path: str) -> Any:
    """The value of a file that is one JSON document; None if it is none."""
    try:
        return parse_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _rows(path: str) -> Iterator[Any]:
    for batch in tables(path):
        yield from batch.to_pylist() if isinstance(batch, pa.Table) else batch


def _usage_events(where: str, record: Any, *, wrapped: bool = False) -> Iterator[Recorded]:
    record = _parsed(record)
    if isinstance(record, list):
        for one in record:
            yield from _usage_events(where, one, wrapped=wrapped)
        return
    if not isinstance(record, dict):
        raise ConfigError(f"{where} holds no usage event: it is no object")
    inner = next((record[name] for name in _WRAPPERS if record.get(name) is not None), None)
    if isinstance(record.get("transaction_id"), str):
        yield _recorded(record, every_key=wrapped)
    elif inner is not None:
        yield from _usage_events(where, inner, wrapped=True)
    else:
        raise ConfigError(f"{where} holds no usage event: it has neither transaction_id nor payload")


def _recorded(record: dict[str, Any], *, every_key: bool) -> Recorded:
    """Keys that Metronome adds to what it shows are left out; a payload counts whole."""
    body = {key: _plain(value) for key, value in record.items() if every_key or key in FIELDS}
    body["properties"] = _parsed(body.get("properties"))
    if body["properties"] is None:
        del body["properties"]
    return Recorded(record["transaction_id"], body, str(_plain(record.get("updated_at")) or ""))


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def _parsed(value: Any) -> Any:
    """JSON text as its value; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value
