"""JSON text as JavaScript reads and writes it, with the digits of long numbers kept."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, NoReturn

from tests.reference.values import UNDEFINED, Function, is_number, joined, keys, number_text

_MAX_DIGITS = 4000


def _integer(literal: str) -> int | float:
    # Beyond a double's range JavaScript has Infinity, whatever the digits.
    return float(literal) if len(literal) > _MAX_DIGITS or math.isinf(float(literal)) else int(literal)


def _real(literal: str) -> float | Decimal:
    number = float(literal)
    if math.isinf(number) or Decimal(repr(number)) == Decimal(literal):
        return number
    return Decimal(literal)


def _refuse(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is not JSON")


def parse_json(source: str) -> Any:
    """``JSON.parse``; an int stays an int, and a literal a double would change becomes a Decimal.

    Raises:
        ValueError: It is not JSON by JavaScript's grammar.
    """
    return json.loads(source, parse_int=_integer, parse_float=_real, parse_constant=_refuse)


def stringify(value: Any) -> str | None:
    """``JSON.stringify(value)``, numbers as doubles; None where JavaScript has undefined."""
    if value is UNDEFINED or isinstance(value, Function):
        return None
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if is_number(value):
        written = number_text(value)
        return "null" if written in ("NaN", "Infinity", "-Infinity") else written
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return "[" + ",".join(stringify(item) or "null" for item in value) + "]"
    members = ((key, stringify(value[key])) for key in keys(value))
    return "{" + ",".join(f"{_quoted(key)}:{member}" for key, member in members if member is not None) + "}"


def _quoted(string: str) -> str:
    written = json.dumps(joined(string), ensure_ascii=False)
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in written)
