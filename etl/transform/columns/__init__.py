"""Columns: pandas Series of one of three kinds, by dtype, and what turns one kind into another. Pure.

- typed: ``pd.ArrowDtype`` of a string, bool, integer, float64, decimal, struct, list or map; NA is undefined;
- JSON text: ``pd.ArrowDtype(pa.json_())``; NA is undefined; parsed only when something looks inside;
- JSON values: dtype object; each cell a value (``javascript.values``), UNDEFINED, or a ``Failure``.

Beside this: ``typed`` (Arrow types narrowed to a few), ``texts`` (columns as text), ``tracks`` (track events as columns).
Not here: what a directive or a trigger makes of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform.columns import typed
from etl.transform.javascript import has_surrogate
from etl.transform.javascript.values import UNDEFINED, Undefined, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_EXACT: dict[type, pa.DataType] = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


@dataclass(frozen=True)
class Failure:
    """A cell whose mapping fails for this event, with Segment's words for it."""

    message: str


# ------------------------------------------------------------------------------------------------- kinds


def is_objects(column: pd.Series) -> bool:
    """Whether the column holds JSON values."""
    return bool(column.dtype == object)


def is_json(array: pa.Array) -> TypeGuard[pa.JsonArray]:
    """Whether an Arrow array is JSON text."""
    return isinstance(array.type, pa.JsonType)


def is_scalar(array: pa.Array) -> bool:
    """Whether an Arrow array holds strings, booleans or numbers."""
    held = array.type
    return bool(pa.types.is_string(held) or pa.types.is_boolean(held) or is_numeric(array))


def is_numeric(array: pa.Array) -> bool:
    """Whether an Arrow array holds integers, floats or decimals."""
    held = array.type
    return bool(pa.types.is_integer(held) or pa.types.is_floating(held) or pa.types.is_decimal(held))


# --------------------------------------------------------------------------------------------- from, to


def series(array: pa.Array) -> pd.Series:
    """An Arrow array as a typed or JSON text column."""
    return pd.Series(pd.arrays.ArrowExtensionArray(array), copy=False)


def arrow(column: pd.Series) -> pa.Array:
    """The Arrow array of a typed or JSON text column."""
    array = pa.array(column.array)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def struct(members: Mapping[str, pa.Array]) -> pd.Series | None:
    """A struct column; None where Arrow cannot have it: no members, or a name with a lone surrogate."""
    if not members or any(map(has_surrogate, members)):
        return None
    return series(pa.StructArray.from_arrays(list(members.values()), names=list(members)))


def objects(cells: Sequence[Value] | np.ndarray) -> pd.Series:
    """A column of JSON values, exactly as given."""
    column = np.empty(len(cells), dtype=object)
    column[:] = cells if not isinstance(cells, np.ndarray) else list(cells)
    return pd.Series(column, dtype=object, copy=False)


def cells(column: pd.Series) -> list[Value]:
    """Every cell of a column of any kind as a JSON value."""
    return column.tolist() if is_objects(column) else typed.values(arrow(column))


def tightened(values: list[Value]) -> pd.Series:
    """Cells as a typed column where all that are there are strings, or integers, or floats, or booleans."""
    kinds = set(map(type, values))
    some_missing = Undefined in kinds
    kinds.discard(Undefined)
    if not kinds:
        return missing(len(values))
    held = _EXACT.get(kinds.pop()) if len(kinds) == 1 else None
    if held is None:
        return objects(values)
    try:
        bare = [None if cell is UNDEFINED else cell for cell in values] if some_missing else values
        return series(pa.array(bare, held))
    except (UnicodeEncodeError, OverflowError, pa.ArrowInvalid):
        return objects(values)


def missing(length: int) -> pd.Series:
    """A column where every cell is undefined."""
    return series(pa.nulls(length, pa.string()))


def repeated(value: Value, length: int) -> pd.Series:
    """A column with the same value in every cell."""
    if value is UNDEFINED:
        return missing(length)
    held = _EXACT.get(type(value))
    try:
        return (
            objects([value] * length) if held is None else series(pa.repeat(pa.scalar(value, held), length))
        )
    except (UnicodeEncodeError, OverflowError, pa.ArrowInvalid):
        return objects([value] * length)


# ---------------------------------------------------------------------------------------------- per cell


def apply(column: pd.Series, function: Callable[[Value], Value]) -> pd.Series:
    """``function`` of every cell, one by one; a Failure stays one."""
    return tightened([cell if type(cell) is Failure else function(cell) for cell in cells(column)])


def choose(condition: np.ndarray, then: pd.Series, other: pd.Series) -> pd.Series:
    """Per row ``then`` where ``condition`` holds, else ``other``."""
    if condition.all():
        return then
    if not condition.any():
        return other
    if not is_objects(then) and not is_objects(other):
        one, two = arrow(then), arrow(other)
        if (chosen := _choose_typed(condition, one, two)) is not None:
            return series(chosen)
    return tightened(np.where(condition, objects(cells(then)), objects(cells(other))).tolist())


def _choose_typed(condition: np.ndarray, one: pa.Array, two: pa.Array) -> pa.Array | None:
    if one.null_count == len(one):
        one = pa.nulls(len(one), two.type)
    elif two.null_count == len(two):
        two = pa.nulls(len(two), one.type)
    if one.type != two.type:
        return None
    mask = pa.array(condition)
    if is_json(one):
        return pa.ExtensionArray.from_storage(one.type, pc.if_else(mask, one.storage, two.storage))
    return pc.if_else(mask, one, two)


def take(column: pd.Series, positions: np.ndarray) -> pd.Series:
    """The cells at ``positions``, in that order."""
    return column.take(positions).reset_index(drop=True)


def numpy(mask: pa.Array) -> np.ndarray:
    """A boolean Arrow array as numpy; null counts as false."""
    return np.array(pc.fill_null(mask, fill_value=False).to_numpy(zero_copy_only=False), bool)


# ------------------------------------------------------------------------------------------------- tests


def exists(column: pd.Series) -> np.ndarray:
    """Bool per row: neither undefined nor null."""
    if is_objects(column):
        return np.fromiter((cell is not None and cell is not UNDEFINED for cell in column), bool, len(column))
    array = arrow(column)
    if is_json(array):
        text = array.storage
        return numpy(pc.and_(pc.is_valid(text), pc.invert(pc.equal(pc.utf8_trim_whitespace(text), "null"))))
    return numpy(pc.is_valid(array))


def any_failure(column: pd.Series) -> np.ndarray | None:
    """Bool per row: the cell is a Failure; None if none is."""
    if not is_objects(column):
        return None
    failed = np.fromiter((type(cell) is Failure for cell in column), bool, len(column))
    return failed if failed.any() else None


Number = int | float | Decimal
__all__ = [
    "Any", "Failure", "any_failure", "apply", "arrow", "cells", "choose", "exists", "is_json", "is_numeric",
    "is_objects", "is_scalar", "missing", "numpy", "objects", "repeated", "series", "struct", "take", "tightened",
]  # fmt: skip
