"""Which stored columns and cells can be read exactly as JSON; everything else is refused with a reason. Pure.

Names and types are known before a row is read (``refusal``); text and times are looked at cell by cell (``unfit``).
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400

#: The days of the years 1 to 9999, as ISO 8601 writes them with four digits and no sign; days since 1970.
_FIRST_DAY = date.min.toordinal() - date(1970, 1, 1).toordinal()
_AFTER_LAST_DAY = date.max.toordinal() - date(1970, 1, 1).toordinal() + 1

_BEYOND = "a time beyond the years 1 to 9999"
_NO_TEXT = "bytes that are no UTF-8 text"


# ----------------------------------------------------------------------------------------- names and types


def refusal(fields: Iterable[pa.Field]) -> str | None:
    """Why columns cannot be read, in words that begin with "has"; None if nothing speaks against it.

    A name that occurs twice, in the table or in a struct, and types that have no one form in JSON.
    """
    fields = list(fields)
    return next(_reasons(fields, ""), None)


def _reasons(fields: Iterable[pa.Field], above: str) -> Iterator[str]:
    fields = list(fields)
    for name, times in Counter(field.name for field in fields).items():
        if times > 1:
            yield f"has {times} columns named {above + name!r}: rename them, so that each has a name of its own"
    for field in fields:
        name = above + field.name
        if why := _type_reason(field):
            yield f"has the column {name!r} of {why}: write it as text or as numbers, or leave it out of the mapping"
        yield from _reasons(_inside(field.type), f"{name}.")


def _type_reason(field: pa.Field) -> str | None:
    held = field.type
    kept = (field.metadata or {}).get(b"ARROW:extension:name")
    if kept is not None:
        return f"the unknown type {kept.decode(errors='replace')}"
    if isinstance(held, pa.BaseExtensionType) and not isinstance(
        held, pa.JsonType | pa.UuidType | pa.Bool8Type
    ):
        return f"type {held.extension_name}"
    if pa.types.is_struct(held) and _is_variant(held):
        return "type VARIANT"
    if pa.types.is_map(held) and (pa.types.is_nested(held.key_type) or is_binary(held.key_type)):
        return f"type {held}, whose keys are no text,"
    return f"type {held}" if any(is_such(held) for is_such in _UNREADABLE) else None


#: Lengths of time and unions: what unit, or which member, a cell has is not in the cell.
_UNREADABLE: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_duration,
    pa.types.is_interval,
    pa.types.is_union,
)


def _is_variant(held: pa.StructType) -> bool:
    """Whether a struct is what Parquet makes of a VARIANT: coded ``metadata`` and ``value``."""
    members = {field.name: field.type for field in held}
    coded = {"metadata", "value"} <= set(members) <= {"metadata", "value", "typed_value"}
    return coded and all(is_binary(members[name]) for name in ("metadata", "value"))


def _inside(held: pa.DataType) -> list[pa.Field]:
    if isinstance(held, pa.BaseExtensionType) or not pa.types.is_nested(held):
        return []
    return [held.field(index) for index in range(held.num_fields)]


def is_binary(held: pa.DataType) -> bool:
    """Whether cells are bytes, in any of Arrow's encodings of them."""
    return bool(
        pa.types.is_binary(held)
        or pa.types.is_large_binary(held)
        or pa.types.is_binary_view(held)
        or pa.types.is_fixed_size_binary(held)
    )


# ------------------------------------------------------------------------------------------------- cells


def unfit(table: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    """Why rows of a table cannot be read, and which (bool per row): for each column that holds such cells."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        found = [_cells(chunk) for chunk in column.chunks]
        for reason in (_BEYOND, _NO_TEXT):
            masks = [masks.get(reason) for masks in found]
            if any(mask is not None for mask in masks):
                parts = [
                    np.zeros(len(chunk), bool) if mask is None else mask
                    for mask, chunk in zip(masks, column.chunks, strict=True)
                ]
                yield f"the column {name} holds {reason}", np.concatenate(parts)


def _cells(array: pa.Array) -> dict[str, np.ndarray]:
    """Reason → bool per cell that holds something of that kind, itself or inside of it."""
    held = array.type
    if pa.types.is_timestamp(held) or pa.types.is_date(held):
        return _masks(_BEYOND, beyond(array))
    if is_binary(held) or pa.types.is_string(held) or pa.types.is_large_string(held):
        return _masks(_NO_TEXT, _no_text(array))
    if pa.types.is_dictionary(held):
        return _cells(array.dictionary_decode()) if _cells(array.dictionary) else {}
    if pa.types.is_struct(held):
        return _merged(_cells(child) for child in array.flatten()) if held.num_fields else {}
    return _of_items(array) if pa.types.is_map(held) or _is_list(held) else {}


def _masks(reason: str, mask: np.ndarray | None) -> dict[str, np.ndarray]:
    return {} if mask is None else {reason: mask}


def _merged(masks: Iterable[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    merged: dict[str, np.ndarray] = {}
    for found in masks:
        for reason, mask in found.items():
            merged[reason] = merged[reason] | mask if reason in merged else mask
    return merged


def _of_items(array: pa.Array) -> dict[str, np.ndarray]:
    if pa.types.is_map(array.type):
        entry = pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])
        array = array.cast(pa.list_(entry))
    if not (found := _cells(array.flatten())):
        return {}
    parents = np.repeat(np.arange(len(array)), pc.fill_null(pc.list_value_length(array), 0).to_numpy())
    return {
        reason: np.bincount(parents[mask], minlength=len(array)).astype(bool)
        for reason, mask in found.items()
    }


def _is_list(held: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(held)
        or pa.types.is_large_list(held)
        or pa.types.is_fixed_size_list(held)
        or pa.types.is_list_view(held)
        or pa.types.is_large_list_view(held)
    )


def beyond(array: pa.Array) -> np.ndarray | None:
    """Bool per cell of timestamps or dates: it lies beyond the years 1 to 9999; None if none does."""
    second = _SECOND.get(getattr(array.type, "unit", ""), 1)
    if pa.types.is_date(array.type):
        per_day = 1 if pa.types.is_date32(array.type) else _DAY * 1000
    else:
        per_day = _DAY * second
    first, after = _FIRST_DAY * per_day, _AFTER_LAST_DAY * per_day
    ticks = array.view(pa.int32() if pa.types.is_date32(array.type) else pa.int64())
    edges = pc.min_max(ticks).as_py()
    if edges["min"] is None or (edges["min"] >= first and edges["max"] < after):
        return None
    numbers = pc.fill_null(ticks.cast(pa.int64()), 0).to_numpy()
    outside: np.ndarray = (numbers < first) | (numbers >= after)
    return outside


def _no_text(array: pa.Array) -> np.ndarray | None:
    """Bool per cell of bytes, or of strings, which no reader of Parquet checks: it is no UTF-8; None if none is."""
    if _is_ascii(array):
        return None
    if not is_binary(array.type):
        array = array.view(pa.large_binary() if pa.types.is_large_string(array.type) else pa.binary())
    try:
        array.cast(pa.large_string() if pa.types.is_large_binary(array.type) else pa.string())
    except pa.ArrowInvalid:
        return np.array([cell is not None and not _is_text(cell) for cell in array.to_pylist()], bool)
    return None


def _is_ascii(array: pa.Array) -> bool:
    """Whether all cells are ASCII, by one look at all their bytes; false where that is not quick to know."""
    if not (pa.types.is_string(array.type) or pa.types.is_binary(array.type)):
        return False
    _, offsets, data = array.buffers()
    if data is None or not len(array):
        return True
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    held = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    return not held.size or bool(held.max() < 128)


def _is_text(cell: bytes) -> bool:
    try:
        cell.decode()
    except UnicodeDecodeError:
        return False
    return True
