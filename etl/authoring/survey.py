"""A survey of a source's track events: batches in, out a line for each path, with its types and how often it is filled.

Memory is bounded, however many events there are: for each path types and filled cells are counted, and different values
are estimated. A path is written as Segment's mapping editor writes it; for a warehouse table, as the event had it. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.core.layouts import OBJECTS, WHOLE_EVENT, Layout, Path, flat_column, properties_columns
from etl.transform.columns import typed
from etl.transform.javascript.values import UNDEFINED, split_path
from etl.transform.json.text import canonical_column, parse_column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.transform.javascript.values import Value

#: Objects inside so many others are not looked into.
_DEEPEST = 12
#: Up to so many different values the count is exact; above it is off by about 1.6 % (one over the root of this).
EXACT = 4096
SAMPLES = 3
_LONGEST_SAMPLE = 120
#: Paths beyond so many are not kept: keys that are ids of something would fill any memory.
MOST_PATHS = 2_000
#: Objects that Segment's context is specified to have (Segment's Spec, Common Fields), by their column's prefix.
_CONTEXT_OBJECTS = {
    "user_agent_data": "userAgentData",
    **{
        name: name
        for name in (
            "app campaign device library location network os page referrer screen traits".split()  # noqa: SIM905
        )
    },
}
_RENAMED = {"id": "messageId", "event_text": "event"}


def written(path: Path) -> tuple[str, bool]:
    """``$.properties.jobId``, and whether that is where Segment looks for the value: it splits keys at dots and brackets."""
    text = "$." + ".".join(path)
    if split_path(text[2:]) == path:
        return text, True
    return "$" + "".join(
        f"[{key!r}]" if set(".[]'\"") & set(key) or not key else f".{key}" for key in path
    ), False


def flat_paths(names: Sequence[str]) -> dict[str, Path | None]:
    """The path of each column of a warehouse table; None for one that is no part of the event, as its slug.

    Properties are called as their columns: how the event spelt them is lost, and either spelling leads to them.
    """
    properties = {column: ("properties", name) for name, column in properties_columns(names).items()}
    paths = {name: properties.get(name) or _envelope(name.lower()) for name in names}
    leads = {name: flat_column(path, names) == name for name, path in paths.items()}
    return {name: path if leads[name] or name in properties else None for name, path in paths.items()}


def _envelope(column: str) -> Path:
    """The path of a column that is no property."""
    for whole in ("context", "integrations", "metadata"):
        if column.startswith(f"{whole}_") and len(column) > len(whole) + 1:
            rest = column.removeprefix(f"{whole}_")
            return (whole, *_in_context(rest)) if whole == "context" else (whole, rest)
    if column == "message_id":
        return ("messageId",)
    return (_RENAMED.get(column) or _camel(column),)


def _in_context(rest: str) -> Path:
    for prefix, name in _CONTEXT_OBJECTS.items():
        if rest.startswith(f"{prefix}_") and len(rest) > len(prefix) + 1:
            inner = rest.removeprefix(f"{prefix}_")
            return (name, inner if name == "traits" else _camel(inner))
    return (_camel(rest),)


def _camel(column: str) -> str:
    first, *more = column.split("_")
    return first + "".join(word.capitalize() for word in more) if first else column


@dataclass(frozen=True)
class PathCells:
    """What is at ``path``: the present cells, as an Arrow array with its type (nulls are absent) or JSON values.

    ``column``: of a warehouse, where no path leads to it alone; ``path`` then says which object includes it, if any.
    """

    path: Path
    cells: pa.Array | Sequence[Value]
    column: str | None = None


def walk(table: pa.Table, layout: Layout) -> Iterator[PathCells]:
    """Every path of the events in ``table``; what holds other things comes before what it holds."""
    table = table.combine_chunks()
    paths = flat_paths(table.column_names) if layout == "warehouse" else {}
    for name, chunked in zip(table.column_names, table.columns, strict=True):
        array = _combined(chunked)
        if name == WHOLE_EVENT:
            yield from _values((), _parsed(array))
        elif layout == "warehouse":
            path = paths[name]
            if path is not None and flat_column(path, table.column_names) == name:
                yield from _array(path, array)
            else:
                yield PathCells(path or (), array, name)
        elif name in OBJECTS and pa.types.is_string(typed.plain(array).type):
            yield from _values((name,), _parsed(typed.plain(array)))
        else:
            yield from _array((name,), array)


def _combined(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.nulls(0)])


def _parsed(array: pa.Array) -> list[Value]:
    return parse_column(array.storage if isinstance(array.type, pa.JsonType) else array)


def _array(path: Path, array: pa.Array) -> Iterator[PathCells]:
    """A typed column; structs are gone into column by column, maps and JSON value by value."""
    held = typed.plain(array)
    if pa.types.is_struct(held.type):
        yield PathCells(path, held)
        for index, field in enumerate(held.type):
            yield from _array((*path, field.name), pc.struct_field(held, [index]))
    elif pa.types.is_nested(held.type) or isinstance(held.type, pa.JsonType):
        yield from _values(path, typed.values(held))
    else:
        yield PathCells(path, array)


def _values(path: Path, cells: Sequence[Value]) -> Iterator[PathCells]:
    """JSON values, level by level."""
    present = [cell for cell in cells if cell is not UNDEFINED]
    if path:
        yield PathCells(path, present)
    if len(path) > _DEEPEST:
        return
    members: dict[str, list[Value]] = defaultdict(list)
    for cell in present:
        if isinstance(cell, dict):
            for key, value in cell.items():
                members[key].append(value)
    for key, inner in members.items():
        yield from _values((*path, key), inner)


class Distinct:
    """How many different texts there were: the smallest of their hashes are kept, and show how dense hashes lie.

    The estimate of Bar-Yossef et al., "Counting distinct elements in a data stream" (2002): of n values spread
    evenly, the k-th smallest lies at about k/n.
    """

    def __init__(self) -> None:
        self._smallest = np.empty(0, np.uint64)
        self._more = False

    def add(self, hashes: np.ndarray) -> None:
        """Count these too."""
        hashes = np.unique(np.concatenate([self._smallest, hashes]))
        self._more = self._more or len(hashes) > EXACT
        self._smallest = hashes[:EXACT]

    @property
    def exact(self) -> bool:
        """Whether ``count`` is no estimate."""
        return not self._more

    @property
    def count(self) -> int:
        """How many."""
        if self.exact:
            return len(self._smallest)
        return round((EXACT - 1) / (float(self._smallest[-1]) / 2**64))


class Tally:
    """``types``: how many cells of each JSON type (times apart from strings, where the column's type says so)."""

    def __init__(self, *, samples: bool = True) -> None:
        self.filled = 0
        self.types: Counter[str] = Counter()
        self.distinct = Distinct()
        self._samples: dict[int, str] | None = {} if samples else None

    @property
    def samples(self) -> list[str]:
        """A few values as JSON text, drawn at random from the different ones, the same each time."""
        return sorted((self._samples or {}).values())

    @property
    def counted(self) -> bool:
        """Whether different values are counted: objects are not compared."""
        return any(kind not in ("object", "null") for kind in self.types)

    def add(self, cells: pa.Array | Sequence[Value]) -> None:
        """Count the cells of a batch."""
        if isinstance(cells, pa.Array):
            self._add_array(cells)
        else:
            self._add_values(cells)

    def _add_array(self, array: pa.Array) -> None:
        present = len(array) - array.null_count
        self.filled += present
        kind = _kind_of_type(array.type)
        if present:
            self.types[kind] += present
        if kind != "object" and present:
            self._add_distinct(_texts(pc.unique(typed.plain(array).drop_null())))

    def _add_values(self, cells: Sequence[Value]) -> None:
        kinds = Counter(map(_kind, cells))
        self.types += kinds
        self.filled += len(cells) - kinds["null"]
        scalars = [cell for cell in cells if cell is not None and not isinstance(cell, dict)]
        if scalars:
            self._add_distinct(pc.unique(canonical_column(scalars)))

    def _add_distinct(self, texts: pa.Array) -> None:
        values = texts.to_numpy(zero_copy_only=False)
        hashes = pd.util.hash_array(values, categorize=False)
        self.distinct.add(hashes)
        if self._samples is not None:
            for at in np.argsort(hashes)[:SAMPLES]:
                self._samples[int(hashes[at])] = _shortened(values[at])
            self._samples = dict(sorted(self._samples.items())[:SAMPLES])


def _texts(array: pa.Array) -> pa.Array:
    """Each value as JSON text; decimals without the zeros at their end, as they stand in JSON."""
    if not pa.types.is_decimal(array.type):
        return canonical_column(typed.values(array))
    digits = pc.replace_substring_regex(array.cast(pa.string()), r"(\.[0-9]*?)0+$", r"\1")
    return pc.utf8_rtrim(digits, characters=".")


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SAMPLE else f"{text[:_LONGEST_SAMPLE]}…"


_KINDS: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    Decimal: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}


def _kind(cell: Value) -> str:
    return _KINDS[type(cell)]


_TYPES = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_integer, "integer"),
    (pa.types.is_decimal, "decimal"),
    (pa.types.is_floating, "number"),
    (pa.types.is_timestamp, "time"),
    (pa.types.is_date, "date"),
    (pa.types.is_struct, "object"),
)


def _kind_of_type(held: pa.DataType) -> str:
    return next((name for matches, name in _TYPES if matches(held)), "string")


_Key = tuple["Path", "str | None"]
#: The columns and their types; None: Python lists.
_LINE: dict[str, pa.DataType | None] = {
    "path": pa.string(),
    "reachable": pa.bool_(),
    "types": None,
    "filled": pa.int64(),
    "fill": pa.float64(),
    "distinct": pa.int64(),
    "exact": pa.bool_(),
    "samples": None,
}


class Survey:
    """``rows``: the events looked at. ``more``: whether there were more paths than are kept."""

    def __init__(self, *, samples: bool = True) -> None:
        self.rows = 0
        self.more = False
        self._samples = samples
        self._tallies: dict[_Key, Tally] = {}

    def add(self, table: pa.Table, layout: Layout) -> None:
        """Look at a batch."""
        self.rows += table.num_rows
        for one in walk(table, layout):
            tally = self._tally(one)
            if tally is not None:
                tally.add(one.cells)

    def _tally(self, one: PathCells) -> Tally | None:
        key = (one.path, one.column)
        if key not in self._tallies and len(self._tallies) >= MOST_PATHS:
            self.more = True
            return None
        return self._tallies.setdefault(key, Tally(samples=self._samples))

    def frame(self) -> pd.DataFrame:
        """A row per path, the event's own fields first; ``etl.fields`` documents the columns."""
        lines = [_line(key, self._tallies[key], self.rows) for key in sorted(self._tallies, key=_order)]
        return pd.DataFrame({name: _column(name, [line[name] for line in lines]) for name in _LINE})


def _column(name: str, cells: list[Any]) -> pd.Series:
    held = _LINE[name]
    return pd.Series(cells, dtype=object) if held is None else pd.Series(cells, dtype=pd.ArrowDtype(held))


def _order(key: _Key) -> tuple[bool, bool, Path]:
    path, column = key
    return column is not None, len(path) > 1, path


def _line(key: _Key, tally: Tally, rows: int) -> dict[str, Any]:
    path, column = key
    text, reachable = written(path) if path else (column, False)
    reachable = reachable and column is None
    return {
        "path": text,
        "reachable": reachable,
        "types": [name for name, _ in tally.types.most_common()],
        "filled": tally.filled,
        "fill": tally.filled / rows if rows else 0.0,
        "distinct": tally.distinct.count if tally.counted else None,
        "exact": tally.distinct.exact if tally.counted else None,
        "samples": tally.samples,
    }
