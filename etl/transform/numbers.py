"""Numeric Arrow columns → text: as JavaScript's ``String(n)`` has it, or digit for digit for JSON. Pure."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform.javascript import number_text
from etl.transform.jsontext import exact_number

if TYPE_CHECKING:
    from collections.abc import Callable

_SAFE = 2**53
#: From here up to 1e21, Arrow writes an exponent and JavaScript does not.
_EXPONENT = 1e10


def javascript_text(array: pa.Array) -> pa.Array:
    """``String(n)`` per row of an integer, float or decimal array: every number as a double."""
    if pa.types.is_integer(array.type):
        return _integer_text(array)
    if pa.types.is_floating(array.type):
        return float_text(array)
    return pa.array([None if cell is None else number_text(cell) for cell in array.to_pylist()], pa.string())


def float_text(array: pa.Array) -> pa.Array:
    """``String(n)`` per row of a float64 array.

    Arrow's own text is JavaScript's but for -0, NaN, infinities and exponents from 10 to 20.
    """
    numbers = array.to_numpy(zero_copy_only=False)  # null: NaN
    unlike = ~(np.abs(numbers) < _EXPONENT) | ((numbers == 0) & np.signbit(numbers))
    return _rewritten(
        array.cast(pa.string()), pc.and_(pa.array(unlike), pc.is_valid(array)), array, number_text
    )


def decimal_json(array: pa.Array) -> pa.Array:
    """JSON text per row of a decimal array, digit for digit, without trailing zeros of the fraction."""
    text = array.cast(pa.string())
    # What has no fraction but an exponent is written anew.
    bare = pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".") if array.type.scale > 0 else text
    unlike = (pc.starts_with(text, "0.0000"), pc.starts_with(text, "-0"), pc.match_substring(text, "E"))
    return _rewritten(bare, reduce(pc.or_, unlike), array, exact_number)


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
