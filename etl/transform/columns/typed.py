"""Typed Arrow columns: their types narrowed to a few, and read as JSON values. Pure.

A null means undefined. Timestamps read as Segment writes times: ISO text with milliseconds and ``Z`` (a naive one is
UTC, finer parts are cut off). Binary is UTF-8 text, as old Parquet writers leave strings unmarked. What cannot be
read exactly was refused before (``etl.core.stored``).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.core.stored import is_binary
from etl.transform.javascript import has_surrogate
from etl.transform.javascript.values import UNDEFINED, Value
from etl.transform.json.text import parse_column

if TYPE_CHECKING:
    from collections.abc import Callable


def plain(array: pa.Array) -> pa.Array:
    """The array as string, bool, integer, float64, decimal, JSON, struct, list or map; nested parts as they are."""
    held = array.type
    for narrows, narrow in _NARROWINGS:
        if narrows(held):
            return plain(narrow(array))
    return array


def values(array: pa.Array) -> list[Value]:
    """Each cell as a JSON value; a null is UNDEFINED (null inside a list)."""
    array = plain(array)
    held = array.type
    if isinstance(held, pa.JsonType):
        return parse_column(array.storage)
    if pa.types.is_struct(held):
        return _struct_values(array)
    if pa.types.is_map(held):
        return _map_values(array)
    if pa.types.is_list(held):
        return _list_values(array)
    cells = array.to_pylist()
    return [UNDEFINED if cell is None else cell for cell in cells] if array.null_count else cells


def iso_text(array: pa.Array) -> pa.Array:
    """A timestamp array as ``2024-01-02T03:04:05.006Z``; its zone, which is but a label, is not looked up."""
    utc = array.cast(pa.int64()).cast(pa.timestamp(array.type.unit))
    if array.type.unit in {"us", "ns"}:
        utc = pc.floor_temporal(utc, unit="millisecond")
    text = utc.cast(pa.timestamp("ms")).cast(pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), "Z", "")


def member(array: pa.Array, key: str) -> pa.Array | None:
    """The column of ``key`` in a struct or map array (null where the parent is); None if neither holds it so."""
    held = array.type
    if has_surrogate(key):
        return None
    if pa.types.is_struct(held):
        index = held.get_field_index(key)
        return None if index < 0 else plain(_child(array, index))
    if pa.types.is_map(held) and pa.types.is_string(held.key_type):
        return plain(pc.map_lookup(array, key, "last"))
    return None


def children(array: pa.StructArray) -> list[tuple[str, pa.Array]]:
    """Every field of a struct array and its column, null where the struct is."""
    columns = array.flatten() if len(array.type) else []
    return [(field.name, plain(column)) for field, column in zip(array.type, columns, strict=True)]


def is_keyed(array: pa.Array) -> bool:
    """Whether an array's cells have keys of their own: a struct, or a map from text."""
    held = array.type
    return bool(pa.types.is_struct(held) or (pa.types.is_map(held) and pa.types.is_string(held.key_type)))


def list_parts(array: pa.ListArray) -> tuple[pa.Array, pa.Array]:
    """Offsets (from 0, null lists empty) and items of a list or map array, however it was sliced."""
    lengths = pc.fill_null(_lengths(array), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
    return offsets, array.flatten() if not pa.types.is_map(array.type) else _entries(array)


def _child(array: pa.StructArray, index: int) -> pa.Array:
    return pc.struct_field(array, [index]) if array.null_count else array.field(index)


def _lengths(array: pa.Array) -> pa.Array:
    if pa.types.is_map(array.type):
        array = array.cast(
            pa.list_(pa.struct([("key", array.type.key_type), ("value", array.type.item_type)]))
        )
    return pc.list_value_length(array).cast(pa.int32())


def _entries(array: pa.Array) -> pa.Array:
    pairs = pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])
    return array.cast(pa.list_(pairs)).flatten()


def _struct_values(array: pa.StructArray) -> list[Value]:
    names = [field.name for field in array.type]
    if not names:
        return [{} if ok else UNDEFINED for ok in array.is_valid().to_pylist()]
    columns = [values(column) for _, column in children(array)]
    rows = [
        {name: cell for name, cell in zip(names, cells, strict=True) if cell is not UNDEFINED}
        for cells in zip(*columns, strict=True)
    ]
    return _where_valid(array, rows)


def _list_values(array: pa.ListArray) -> list[Value]:
    offsets, items = list_parts(array)
    cells = [None if item is UNDEFINED else item for item in values(items)]
    edges = offsets.to_pylist()
    rows = [cells[start:stop] for start, stop in pairwise(edges)]
    return _where_valid(array, rows)


def _map_values(array: pa.MapArray) -> list[Value]:
    offsets, entries = list_parts(array)
    keys = entries.field("key").cast(pa.string()).to_pylist()
    pairs = list(zip(keys, values(entries.field("value")), strict=True))
    edges = offsets.to_pylist()
    rows = [
        {key: cell for key, cell in dict(pairs[start:stop]).items() if cell is not UNDEFINED}
        for start, stop in pairwise(edges)
    ]
    return _where_valid(array, rows)


def _where_valid(array: pa.Array, rows: list[Any]) -> list[Value]:
    if not array.null_count:
        return rows
    return [row if ok else UNDEFINED for row, ok in zip(rows, array.is_valid().to_pylist(), strict=True)]


def _uuid_text(array: pa.Array) -> pa.Array:
    """``f81d4fae-7dec-11d0-a765-00a0c91e6bf6``, as RFC 9562 writes a UUID."""
    return pa.array([None if cell is None else str(cell) for cell in array.to_pylist()], pa.string())


def _is_foreign_text(held: pa.DataType) -> bool:
    return bool(
        pa.types.is_null(held)
        or pa.types.is_large_string(held)
        or pa.types.is_string_view(held)
        or pa.types.is_date(held)
        or pa.types.is_time(held)
        or is_binary(held)
    )


def _is_foreign_list(held: pa.DataType) -> bool:
    return bool(pa.types.is_large_list(held) or pa.types.is_fixed_size_list(held))


def _is_list_view(held: pa.DataType) -> bool:
    return bool(pa.types.is_list_view(held) or pa.types.is_large_list_view(held))


def _without_views(array: pa.Array) -> pa.ListArray:
    """Not a cast: those of pyarrow 26 are wrong for slices, and for views that overlap or are out of order."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, array.flatten(), mask=array.is_null())


def _is_narrow_float(held: pa.DataType) -> bool:
    return bool(pa.types.is_float16(held) or pa.types.is_float32(held))


_NARROWINGS: list[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]]] = [
    (pa.types.is_timestamp, iso_text),
    (pa.types.is_dictionary, lambda array: array.dictionary_decode()),
    (pa.types.is_run_end_encoded, pc.run_end_decode),
    (_is_foreign_text, lambda array: array.cast(pa.string())),
    (_is_narrow_float, lambda array: array.cast(pa.float64())),
    (_is_foreign_list, lambda array: array.cast(pa.list_(array.type.value_type))),
    (_is_list_view, _without_views),
    (lambda held: isinstance(held, pa.UuidType), _uuid_text),
    (lambda held: isinstance(held, pa.Bool8Type), lambda array: array.storage.cast(pa.bool_())),
]
