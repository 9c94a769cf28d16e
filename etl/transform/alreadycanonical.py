"""Which JSON texts of objects are in canonical form as they stand, so that they need not be read at all. Pure.

Much JSON is: Go, in which Segment's own pipeline is written, and Snowflake write objects compact and with sorted keys.
A few rows tell which keys there are; a regular expression for objects of just those keys tells of each row, ten times
faster than reading it, whether it is one of them in canonical form. It says yes to nothing else: numbers have no more
than 15 digits, so that a double keeps them all, strings no escapes but the short ones.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform import columns
from etl.transform.jsontext import canonical_column, parse_column, quote

if TYPE_CHECKING:
    from etl.transform.values import Value

#: Rows that tell which keys there are; how many different sets of keys are looked for; how many keys in each.
_SAMPLE, _MOST_SHAPES, _MOST_KEYS = 100, 8, 64
_DEEPEST = 8

_NUMBER = (
    r"(?:0|-?[1-9][0-9]{0,14}"
    r"|-?[1-9][0-9]{0,8}\.[0-9]{0,5}[1-9]|-?[1-9][0-9]{9,11}\.[0-9]{0,2}[1-9]"
    r"|-?0\.0{0,5}[1-9](?:[0-9]{0,8}[1-9])?)"
)
_STRING = r'"(?:[^"\\\x00-\x1f]|\\["\\bfnrt])*"'
_SCALAR = f"(?:{_STRING}|{_NUMBER}|true|false|null)"
_VALUE = rf"(?:{_SCALAR}|\[(?:{_SCALAR}(?:,{_SCALAR})*)?\])"


def already_canonical(texts: pa.Array) -> np.ndarray:
    """Bool per row of a string array: surely an object in canonical form. Others may be, too."""
    nothing = np.zeros(len(texts), bool)
    if not len(texts):
        return nothing
    shapes = _shapes(texts.take(pa.array(np.unique(np.linspace(0, len(texts) - 1, _SAMPLE, dtype=np.int64)))))
    if not shapes:
        return nothing
    try:
        return columns.numpy(pc.match_substring_regex(texts, f"^(?:{'|'.join(shapes)})$"))
    except pa.ArrowInvalid:  # more than a regular expression may hold
        return nothing


def _shapes(sample: pa.Array) -> list[str]:
    """Patterns of the commonest objects in canonical form; none where most rows are something else."""
    values = parse_column(sample)
    same = columns.numpy(pc.equal(sample, canonical_column(values)))
    objects = [value for value, canonical in zip(values, same, strict=True) if canonical]
    found = Counter(shape for value in objects if (shape := _object(value, _DEEPEST)) is not None)
    if 2 * found.total() < len(sample):
        return []
    return [shape for shape, _ in found.most_common(_MOST_SHAPES)]


def _object(value: Value, levels: int) -> str | None:
    """The pattern of an object with these keys; None of what is no object, or an unusual one."""
    if not isinstance(value, dict) or len(value) > _MOST_KEYS or not levels:
        return None
    members = [_member(key, value[key], levels) for key in sorted(value)]
    return None if None in members else r"\{" + ",".join(map(str, members)) + r"\}"


def _member(key: str, value: Value, levels: int) -> str | None:
    pattern = _object(value, levels - 1) if isinstance(value, dict) else _VALUE
    return None if pattern is None else f"{re.escape(quote(key))}:{pattern}"
