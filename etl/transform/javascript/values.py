"""JSON values as JavaScript sees them: kinds, truthiness, text, and what is at a path inside one. Pure.

A value is a Python object as JSON parses (dict, list, str, bool, None, int, float, or Decimal for a literal a
double would not keep), or UNDEFINED. Source: ECMA-262; for ``get`` and ``split_path``,
segmentio/action-destinations' mapping kit.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from etl.transform.javascript import double, joined, number_text, units

if TYPE_CHECKING:
    from collections.abc import Iterable

Value = Any


class Undefined:
    """The type of ``UNDEFINED``: what JavaScript has where nothing is. Falsy."""

    __slots__ = ()

    def __repr__(self) -> str:
        """As JavaScript prints it."""
        return "undefined"

    def __bool__(self) -> bool:
        """Undefined is falsy."""
        return False


UNDEFINED: Final = Undefined()
NUMBERS: Final = (int, float, Decimal)

# Segment's splitting of a path: on `[` before a quote or digit, on `.`, and on `]` after one.
_SEPARATOR = re.compile(r"""\[(?=["'0-9])|\.|(?<=["'0-9])\]+""")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_LAST_INDEX = 2**32 - 2


def kind(value: Value) -> str:  # noqa: PLR0911 - one case a kind
    """What Segment's messages call a value: object, array, string, number, boolean, null or undefined."""
    match value:
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
        case bool():
            return "boolean"
        case None:
            return "null"
        case Undefined():
            return "undefined"
    return "number"


def is_number(value: Value) -> bool:
    """Whether JavaScript's ``typeof`` says number."""
    return isinstance(value, NUMBERS) and not isinstance(value, bool)


def truthy(value: Value) -> bool:
    """JavaScript's truth: false for undefined, null, false, 0, NaN and ''; true for {} and []."""
    if value is UNDEFINED:
        return False
    if isinstance(value, (dict, list)):
        return True
    return bool(value) and value == value  # noqa: PLR0124 - NaN is falsy


def text(value: Value) -> str:  # noqa: PLR0911 - one case a kind
    """``String(value)``: numbers as doubles, arrays joined with commas, objects as ``[object Object]``."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case Undefined():
            return "undefined"
        case dict():
            return "[object Object]"
        case list():
            return ",".join("" if _is_nothing(item) else text(item) for item in value)
    return number_text(value)


def placeholder_text(value: Value) -> str:
    """A value inside a template: as ``text``, but nothing for null and undefined."""
    return "" if _is_nothing(value) else text(value)


def blank(value: Value) -> bool:
    """Undefined, null, or loosely equal to '' (``''``, 0, false, ``[]``, ``[null]``, ``[['']]``…)."""
    match value:
        case str():
            return value == ""
        case list():
            return text(value) == ""
        case dict():
            return False
    return _is_nothing(value) or double(value) == 0


def split_path(path: str) -> tuple[str, ...]:
    """The keys of a path as Segment splits it; ``()`` is the whole root (``''``, ``'.'``, ``'..'``)."""
    if path in {"", "."}:
        return ()
    return tuple(re.sub("['\"]", "", part) for part in _SEPARATOR.split(path) if part)


def strip_root(path: str) -> str:
    """``@path`` and ``@arrayPath`` drop the first ``$.``, wherever it is."""
    return path.replace("$.", "", 1)


def get(value: Value, keys: tuple[str, ...]) -> Value:
    """Walk ``keys`` down ``value``. A falsy value on the way is the answer; a missing key is undefined."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, UNDEFINED)
        elif not truthy(value):
            return value
        else:
            value = _member(value, key)
    return value


def gets(values: Iterable[Value], keys: tuple[str, ...]) -> list[Value]:
    """``get`` of many."""
    first, *rest = keys or ("",)
    if keys and not rest:
        return [v.get(first, UNDEFINED) if type(v) is dict else get(v, keys) for v in values]
    return [get(v, keys) for v in values]


def javascript_order(keys: Iterable[str]) -> list[str]:
    """Keys as JavaScript lists them: array indices first, ascending, then the rest as they came."""
    names = list(keys)
    indices = [name for name in names if _INDEX.fullmatch(name) and int(name) <= _LAST_INDEX]
    if not indices:
        return names
    known = set(indices)
    return sorted(indices, key=int) + [name for name in names if name not in known]


def entries(value: Value) -> list[tuple[str, Value]]:
    """``Object.entries``: of objects, arrays and strings (one UTF-16 unit each); nothing for anything else."""
    match value:
        case dict():
            return [(key, value[key]) for key in javascript_order(value)]
        case list():
            return [(str(i), item) for i, item in enumerate(value)]
        case str():
            return [(str(i), unit) for i, unit in enumerate(units(value))]
    return []


def without_undefined(value: Value) -> Value:
    """A copy without undefined keys, at any depth; undefined items of arrays stay."""
    match value:
        case dict():
            return {k: without_undefined(v) for k, v in value.items() if v is not UNDEFINED}
        case list():
            return [without_undefined(item) for item in value]
    return value


def is_infinite(value: Value) -> bool:
    """Whether a number is one JavaScript cannot hold: infinite, or NaN."""
    return not math.isfinite(double(value))


def _is_nothing(value: Value) -> bool:
    return value is None or value is UNDEFINED


def _member(value: Value, key: str) -> Value:
    """What strings and arrays show of themselves: ``length`` and their items; numbers and booleans nothing."""
    if isinstance(value, (str, list)):
        parts = units(value) if isinstance(value, str) else value
        if key == "length":
            return len(parts)
        if _INDEX.fullmatch(key) and int(key) < len(parts):
            return parts[int(key)]
    return UNDEFINED


__all__ = [
    "UNDEFINED", "Undefined", "Value", "blank", "entries", "get", "gets", "is_infinite", "is_number", "javascript_order",
    "joined", "kind", "placeholder_text", "split_path", "strip_root", "text", "truthy", "without_undefined",
]  # fmt: skip
