"""JavaScript's values and conversions, as far as JSON data and Segment's code can meet them.

A value is what ``json_text.parse_json`` yields (dict, list, str, bool, None, int, float, Decimal), or
``UNDEFINED``, or a ``Function``: a built-in method that a path has reached.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any


class Undefined(Enum):
    """JavaScript's undefined: the value of a path that leads nowhere."""

    UNDEFINED = "undefined"


UNDEFINED = Undefined.UNDEFINED

#: What String.prototype.trim and Number() take for white space.
WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)


@dataclass(frozen=True)
class Function:
    """A built-in function, which only its name tells from another."""

    name: str


class JsError(Exception):
    """Whatever Segment's code throws; the message is its own where it has one."""


def is_number(value: Any) -> bool:
    """Whether ``typeof value`` is number."""
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def type_of(value: Any) -> str:
    """The tag that Segment calls the real type: object, array, string, number, boolean, null, ..."""
    if value is None:
        return "null"
    if value is UNDEFINED:
        return "undefined"
    if is_number(value):
        return "number"
    names = {bool: "boolean", str: "string", list: "array", dict: "object", Function: "function"}
    return names[type(value)]


def double(number: Any) -> float:
    """The IEEE double that JavaScript holds for this number."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def truthy(value: Any) -> bool:
    """JavaScript's truth: empty arrays and objects are true."""
    if is_number(value):
        return double(value) != 0 and not math.isnan(double(value))
    if value is None or value is UNDEFINED:
        return False
    return bool(value) if isinstance(value, (bool, str)) else True


def number_text(number: Any) -> str:
    """``String(number)``."""
    value = double(number)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, exponent = f"{Decimal(repr(abs(value))):e}".lower().split("e")
    digits = mantissa.replace(".", "").rstrip("0") or "0"
    return sign + _positional(digits, int(exponent) + 1)


def _positional(digits: str, point: int) -> str:
    """Digits with the decimal point after the first ``point`` of them, in ECMAScript's notation."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    exponent = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "") + exponent


def text(value: Any) -> str:
    """``String(value)``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_number(value):
        return number_text(value)
    if isinstance(value, list):
        return ",".join("" if item is None or item is UNDEFINED else text(item) for item in value)
    if isinstance(value, dict):
        return "[object Object]"
    if isinstance(value, Function):
        return f"function {value.name}() {{ [native code] }}"
    return "null" if value is None else "undefined"


_DECIMAL = re.compile(r"[+-]?(Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)", re.ASCII)
_PREFIXED = re.compile(r"0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")


def to_number(value: Any) -> float:
    """``Number(value)`` of a string, a number or a boolean."""
    if not isinstance(value, str):
        return double(int(value) if isinstance(value, bool) else value)
    literal = value.strip(WHITE_SPACE)
    if not literal:
        return 0.0
    if _PREFIXED.fullmatch(literal):
        return double(int(literal, 0))
    return float(literal) if _DECIMAL.fullmatch(literal) else math.nan


def equals_empty_string(value: Any) -> bool:
    """``value == ''``, for values other than null and undefined."""
    if isinstance(value, bool) or is_number(value):
        return to_number(value) == 0
    return text(value) == ""


def units(string: str) -> str:
    """The string cut into UTF-16 units: characters beyond U+FFFF become two surrogates."""
    raw = string.encode("utf-16-le", "surrogatepass")
    return "".join(chr(raw[i] | raw[i + 1] << 8) for i in range(0, len(raw), 2))


def joined(string: str) -> str:
    """The opposite of ``units``; surrogates that have no partner stay."""
    return string.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def utf16_length(string: str) -> int:
    """``string.length``."""
    return len(string.encode("utf-16-le", "surrogatepass")) // 2


def is_index(key: str) -> bool:
    """Whether an object lists this key among its integer keys, and an array has it as an index."""
    return bool(re.fullmatch(r"0|[1-9][0-9]{0,9}", key)) and int(key) < 2**32 - 1


def keys(mapping: dict[str, Any]) -> list[str]:
    """``Object.keys``: integer keys first, ascending, then the others as inserted."""
    integers = sorted((key for key in mapping if is_index(key)), key=int)
    return integers + [key for key in mapping if not is_index(key)]


def entries(value: Any) -> list[tuple[str, Any]]:
    """``Object.entries`` of anything: what a spread or Object.assign copies."""
    if isinstance(value, dict):
        return [(key, value[key]) for key in keys(value)]
    if isinstance(value, str):
        return [(str(index), unit) for index, unit in enumerate(units(value))]
    if isinstance(value, list):
        return [(str(index), item) for index, item in enumerate(value)]
    return []
