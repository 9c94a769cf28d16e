"""From a batch of track events to the columns inside it, each under its path. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from etl.events import OBJECTS, WHOLE_EVENT, Layout, Path
from etl.survey.paths import flat_paths
from etl.transform import typed
from etl.transform.jsontext import parse_column
from etl.transform.values import UNDEFINED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.transform.values import Value

#: Objects inside so many others are not looked into.
_DEEPEST = 12


@dataclass(frozen=True)
class Found:
    """What is at ``path``: the present cells, as an Arrow array with its type (nulls are absent) or JSON values.

    ``column``: named instead of a path, for a warehouse's column that no path leads to.
    """

    path: Path
    cells: pa.Array | Sequence[Value]
    column: str | None = None


def walk(table: pa.Table, layout: Layout) -> Iterator[Found]:
    """Every path of the events in ``table``; what holds other things comes before what it holds."""
    table = table.combine_chunks()
    paths = flat_paths(table.column_names) if layout == "warehouse" else {}
    for name, chunked in zip(table.column_names, table.columns, strict=True):
        array = _combined(chunked)
        if name == WHOLE_EVENT:
            yield from _values((), _parsed(array))
        elif layout == "warehouse":
            path = paths[name]
            yield from _array(path, array) if path is not None else [Found((), array, name)]
        elif name in OBJECTS and pa.types.is_string(typed.plain(array).type):
            yield from _values((name,), _parsed(typed.plain(array)))
        else:
            yield from _array((name,), array)


def _combined(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.nulls(0)])


def _parsed(array: pa.Array) -> list[Value]:
    return parse_column(array.storage if isinstance(array.type, pa.JsonType) else array)


def _array(path: Path, array: pa.Array) -> Iterator[Found]:
    """A typed column; structs are gone into column by column, maps and JSON value by value."""
    held = typed.plain(array)
    if pa.types.is_struct(held.type):
        yield Found(path, held)
        for index, field in enumerate(held.type):
            yield from _array((*path, field.name), pc.struct_field(held, [index]))
    elif pa.types.is_nested(held.type) or isinstance(held.type, pa.JsonType):
        yield from _values(path, typed.values(held))
    else:
        yield Found(path, array)


def _values(path: Path, cells: Sequence[Value]) -> Iterator[Found]:
    """JSON values, level by level."""
    present = [cell for cell in cells if cell is not UNDEFINED]
    if path:
        yield Found(path, present)
    if len(path) > _DEEPEST:
        return
    members: dict[str, list[Value]] = defaultdict(list)
    for cell in present:
        if isinstance(cell, dict):
            for key, value in cell.items():
                members[key].append(value)
    for key, inner in members.items():
        yield from _values((*path, key), inner)
