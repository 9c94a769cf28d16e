"""Columns as text: JavaScript's ``String`` of them, numbers digit for digit for JSON, case and replacement. Pure."""

from __future__ import annotations

import re
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.javascript import joined, number_text, units
from etl.transform.javascript.values import Value, placeholder_text
from etl.transform.json.text import exact_number

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

_SAFE = 2**53
#: From here up to 1e21, Arrow writes an exponent and JavaScript does not.
_EXPONENT = 1e10
# JavaScript's substitutions in a replacement, where the pattern has no groups.
_SUBSTITUTION = re.compile(r"\$([$&`'])")


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


def scalar_text(array: pa.Array) -> pa.Array:
    """``String(x)`` per row of a string, boolean or number array; null stays null."""
    if pa.types.is_string(array.type):
        return array
    return array.cast(pa.string()) if pa.types.is_boolean(array.type) else javascript_text(array)


def placeholder_column(column: pd.Series) -> pa.Array | list[Value]:
    """The column as it appears in a template, nothing for undefined and null: Arrow strings where possible.

    Values that are not typed are written one by one, as a list (a Failure stays one).
    """
    if not columns.is_objects(column):
        array = columns.arrow(column)
        if columns.is_scalar(array):
            return pc.fill_null(scalar_text(array), "")
    return [cell if type(cell) is Failure else placeholder_text(cell) for cell in columns.cells(column)]


def cased(column: pd.Series, operator: str) -> pd.Series:
    """The strings of a column in lower or upper case, all of Unicode; anything else as it is.

    Whole columns while they are ASCII; other strings one by one.
    """
    change = str.lower if operator == "lower" else str.upper
    if columns.is_objects(column) or columns.is_json(columns.arrow(column)):
        return columns.apply(column, lambda cell: change(cell) if isinstance(cell, str) else cell)
    array = columns.arrow(column)
    if not pa.types.is_string(array.type):
        return column
    if pc.all(pc.string_is_ascii(array)).as_py() is not False:
        return columns.series((pc.ascii_lower if operator == "lower" else pc.ascii_upper)(array))
    return columns.series(
        pa.array([None if cell is None else change(cell) for cell in array.to_pylist()], pa.string())
    )


# ----------------------------------------------------------------------------------------------- replace


def replaced(text: str, pattern: str, replacement: str, *, everywhere: bool, ignore_case: bool) -> str:
    """``text.replace(/pattern/gi, replacement)``, the pattern literal, the replacement with ``$$ $& $` $'``.

    Matches UTF-16 unit by unit; ignoring case follows JavaScript's ``i`` without ``u``.
    """
    if not ignore_case and everywhere and "$" not in replacement and text.isascii():
        return text.replace(pattern, replacement)
    source, wanted = units(text), units(pattern)
    haystack, needle = (_folded(source), _folded(wanted)) if ignore_case else (source, wanted)
    parts, start = [], 0
    while (at := haystack.find(needle, start)) >= 0:
        stop = at + len(needle)
        parts += [source[start:at], _expanded(units(replacement), source, at, stop)]
        start = stop
        if not everywhere:
            break
    return joined("".join([*parts, source[start:]]))


def _expanded(replacement: str, source: str, start: int, stop: int) -> str:
    pieces = {"$": "$", "&": source[start:stop], "`": source[:start], "'": source[stop:]}
    return _SUBSTITUTION.sub(lambda match: pieces[match[1]], replacement)


def _folded(source: str) -> str:
    """ECMA-262 Canonicalize of each unit: its upper case where that is one unit, and not ASCII made of non-ASCII."""
    return source.upper() if source.isascii() else "".join(map(_folded_unit, source))


def _folded_unit(unit: str) -> str:
    upper = unit.upper()
    if len(upper) != 1 or (ord(unit) >= 128 > ord(upper)):
        return unit
    return upper


def replaced_column(
    array: pa.Array, pattern: str, replacement: str, *, everywhere: bool, ignore_case: bool
) -> pa.Array:
    """``replaced`` of an Arrow string array, for texts without lone surrogates: whole, unless case or ``$`` matter, then one by one."""
    if not ignore_case and "$" not in replacement:
        limit = -1 if everywhere else 1
        return pc.replace_substring(array, pattern, replacement, max_replacements=limit)
    return pa.array(
        [
            None if cell is None
            else replaced(cell, pattern, replacement, everywhere=everywhere, ignore_case=ignore_case)
            for cell in array.to_pylist()
        ],
        pa.string(),
    )  # fmt: skip


def content(array: pa.StringArray) -> bytes:
    """The UTF-8 of all cells in one piece: whatever is not in there is in none of them."""
    data = array.buffers()[2]
    if data is None:
        return b""
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    texts: bytes = data.slice(int(offsets[0]), int(offsets[-1] - offsets[0])).to_pybytes()
    return texts


def holds(array: pa.Array, pattern: str) -> np.ndarray:
    """Bool per row of an Arrow string array: it matches the RE2 pattern."""
    return columns.numpy(pc.match_substring_regex(array, pattern))
