"""The filters on numbers. Pure. Source: liquidjs 10.30.1."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from etl.transform.javascript import number_text, text_number
from etl.transform.javascript.values import UNDEFINED, Value
from etl.transform.liquid.values import number, to_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.transform.liquid.scope import Scope

_MAX_SAFE = 2**53 - 1


def _of_numbers(function: Callable[..., float]) -> Callable[..., Value]:
    return lambda _, *arguments: function(*map(number, arguments))


def _whole(function: Callable[[float], int]) -> Callable[..., Value]:
    return _of_numbers(lambda value, *_: function(value) if math.isfinite(value) else value)


def _divided(dividend: float, divisor: float = math.nan, whole: float = 0.0, *_: float) -> float:
    by_zero = math.copysign(math.inf, dividend) if dividend else math.nan
    quotient = dividend / divisor if divisor else by_zero
    return math.floor(quotient) if whole and math.isfinite(quotient) else quotient


def _remainder(value: float, divisor: float = math.nan, *_: float) -> float:
    if divisor == 0 or not math.isfinite(value) or not math.isfinite(divisor):
        return math.nan
    return math.fmod(math.fmod(value, divisor) + divisor, divisor)


def _rounded(_: Scope, value: Value, places: Value = UNDEFINED, *__: Value) -> float:
    found, shift = number(value), number(places)
    scaled = _shifted(abs(found), shift)
    if not scaled <= _MAX_SAFE:
        return found
    whole = math.floor(scaled)
    result = _shifted(float(whole + (scaled - whole >= 0.5)), -shift)
    return -result if found < 0 else result


def _shifted(value: float, places: float) -> float:
    """The number with its decimal point moved, by way of its text as JavaScript does it."""
    mantissa, _, power = number_text(value).partition("e")
    return text_number(f"{mantissa}e{number_text(int(power or 0) + places)}")


MATHS: dict[str, Callable[..., Value]] = {
    "abs": _of_numbers(lambda value, *_: abs(value)),
    "at_least": _of_numbers(lambda *all_: max(all_)),
    "at_most": _of_numbers(lambda *all_: min(all_)),
    "ceil": _whole(math.ceil),
    "floor": _whole(math.floor),
    "divided_by": _of_numbers(_divided),
    "minus": _of_numbers(lambda value, other=math.nan, *_: value - other),
    "plus": _of_numbers(lambda value, other=math.nan, *_: value + other),
    "times": _of_numbers(lambda value, other=math.nan, *_: value * other),
    "modulo": _of_numbers(_remainder),
    "round": _rounded,
    "to_integer": lambda _, value, *__: to_number(value),
}
