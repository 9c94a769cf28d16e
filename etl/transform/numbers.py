"""Numeric Arrow columns → text: as JavaScript's ``String(n)`` has it, or digit for digit for JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.transform.javascript import number_text
from etl.transform.jsontext import exact_number

if TYPE_CHECKING:
    from collections.abc import Callable

_SAFE = 2**53


def javascript_text(array: pa.Array) -> pa.Array:
    """``String(n)`` per row of an integer, float or decimal array: every number as a double."""
    if pa.types.is_integer(array.type):
        return _integer_text(array)
    if pa.types.is_floating(array.type):
        return float_text(array)
    return pa.array([None if cell is None else number_text(cell) for cell in array.to_pylist()], pa.string())


def float_text(array: pa.Array) -> pa.Array:
    """``String(n)`` per row of a float64 array.

    Arrow's own text is JavaScript's but for -0, NaN, infinities and exponents from 15 to 20.
    """
    text = array.cast(pa.string())
    return _rewritten(text, pc.match_substring_regex(text, r"e\+|n|^-0$"), array, number_text)


def decimal_json(array: pa.Array) -> pa.Array:
    """JSON text per row of a decimal array, digit for digit, without trailing zeros of the fraction."""
    text = array.cast(pa.string())
    bare = pc.replace_substring_regex(text, r"(\.[0-9]*?)0+$", r"\1") if array.type.scale > 0 else text
    bare = pc.utf8_rtrim(bare, ".")
    return _rewritten(bare, pc.match_substring_regex(text, r"E|^-?0\.0000|^-0"), array, exact_number)


def _integer_text(array: pa.Array) -> pa.Array:
    text = array.cast(pa.string())
    return text if array.type.bit_width < 64 else _rewritten(text, _unsafe(array), array, number_text)


def _unsafe(array: pa.Array) -> pa.Array:
    """Integers that a double may not keep."""
    large = pc.greater(array, pa.scalar(_SAFE, array.type))
    return large if pa.types.is_unsigned_integer(array.type) else pc.or_(large, pc.less(array, -_SAFE))


def _rewritten(text: pa.Array, mask: pa.Array, array: pa.Array, write: Callable[[Any], str]) -> pa.Array:
    """``text`` with the rows of ``mask`` written anew from their numbers."""
    mask = pc.fill_null(mask, fill_value=False)
    if not pc.any(mask).as_py():
        return text
    return pc.replace_with_mask(
        text, mask, pa.array([write(n) for n in array.filter(mask).to_pylist()], pa.string())
    )
