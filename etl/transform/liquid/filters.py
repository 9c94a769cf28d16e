"""The filters of ``@liquid``, as liquidjs 10.30.1 has them: all of them, and those on numbers and arrays. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from etl.transform.javascript import double, joined, number_text, units
from etl.transform.javascript.values import UNDEFINED, Value, get, is_number, text
from etl.transform.json.text import stringify
from etl.transform.liquid.dates import FILTERS as DATE_FILTERS
from etl.transform.liquid.strings import (
    MARKUP,
    STRINGS,
    LiquidRenderError,
    given,
    number,
    of_text,
    of_texts,
    stringified,
    to_number,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DISABLED = frozenset(
    [
        "array_to_sentence_string",
        "concat",
        "find",
        "find_exp",
        "find_index",
        "find_index_exp",
        "group_by",
        "group_by_exp",
        "has",
        "has_exp",
        "map",
        "newline_to_br",
        "reject",
        "reject_exp",
        "reverse",
        "sort",
        "sort_natural",
        "uniq",
        "where_exp",
        "type",
    ]
)


def _items(value: Value) -> list[Value]:
    if value is None or value is UNDEFINED:
        return []
    return value if isinstance(value, list) else [value]


# -------------------------------------------------------------------------------------------------- math


def _of_numbers(function: Callable[..., float]) -> Callable[..., Value]:
    return lambda *arguments: function(*map(number, arguments))


def _divided(dividend: float, divisor: float = math.nan, whole: float = 0.0) -> float:
    if divisor == 0:
        quotient = (
            math.nan if dividend == 0 else math.copysign(math.inf, dividend) * math.copysign(1, divisor)
        )
    else:
        quotient = dividend / divisor
    return math.floor(quotient) if whole and math.isfinite(quotient) else quotient


def _remainder(value: float, divisor: float = math.nan) -> float:
    if divisor == 0 or not math.isfinite(value):
        return math.nan
    return math.fmod(math.fmod(value, divisor) + divisor, divisor) if math.isfinite(divisor) else math.nan


def _rounded(value: Value, places: Value = UNDEFINED) -> Value:
    found, shift = number(value), number(places)
    if not math.isfinite(found) or shift != int(shift):
        return found
    scaled = Decimal(number_text(abs(found))).scaleb(int(shift))
    if scaled > 2**53 - 1:
        return found
    whole = math.floor(float(scaled) + 0.5)
    result = float(Decimal(whole).scaleb(-int(shift)))
    return -result if found < 0 else result


def _whole(function: Callable[[float], int]) -> Callable[..., Value]:
    return lambda value, *_: function(found) if math.isfinite(found := number(value)) else found


MATH: dict[str, Callable[..., Value]] = {
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
}


# ------------------------------------------------------------------------------------------------ arrays


def _joined(value: Value, separator: Value = UNDEFINED) -> str:
    glue = " " if separator is None or separator is UNDEFINED else stringified(separator)
    return glue.join("" if item is None or item is UNDEFINED else text(item) for item in _items(value))


def _end(index: int) -> Callable[..., Value]:
    def item(value: Value, *_: Value) -> Value:
        members = units(value) if isinstance(value, str) else value
        if not members or not isinstance(members, (str, list)):
            return UNDEFINED if isinstance(members, list) else ""
        return members[index]

    return item


def _size(value: Value, *_: Value) -> Value:
    if isinstance(value, (str, list)):
        return len(units(value) if isinstance(value, str) else value)
    return value.get("length", 0) if isinstance(value, dict) else 0


def _sum(value: Value, key: Value = UNDEFINED) -> float:
    found = [
        to_number(get(item, tuple(text(key).split("."))) if given(key) else item) for item in _items(value)
    ]
    return sum((0.0 if math.isnan(one) else one) for one in found)


def _slice(value: Value, start: Value = UNDEFINED, length: Value = 1) -> Value:
    if value is None or value is UNDEFINED:
        return []
    members: Any = value if isinstance(value, list) else joined(stringified(value))
    if start is UNDEFINED and isinstance(value, list):
        return []
    begin, count = number(start), (1.0 if length is UNDEFINED else number(length))
    begin = len(members) + begin if begin < 0 else begin
    if begin < 0 or count < 0:
        return members[:0]
    return members[math.floor(begin) : math.floor(begin + count)]


def _where(value: Value, key: Value = UNDEFINED, expected: Value = UNDEFINED) -> list[Value]:
    keys = tuple(part for part in stringified(key).split(".") if part)
    found = [
        (item, get(item, keys) if keys and isinstance(item, (dict, list)) else UNDEFINED)
        for item in _items(value)
    ]
    if expected is UNDEFINED:
        return [
            item for item, held in found if held is not None and held is not False and held is not UNDEFINED
        ]
    return [item for item, held in found if _same(held, expected)]


def _same(one: Value, two: Value) -> bool:
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_same, one, two))
    if is_number(one) and is_number(two):
        return double(one) == double(two)
    return one == two if isinstance(one, str) and isinstance(two, str) else one is two


ARRAYS: dict[str, Callable[..., Value]] = {
    "join": _joined,
    "first": _end(0),
    "last": _end(-1),
    "size": _size,
    "sum": _sum,
    "compact": lambda value, *_: [
        item for item in _items(value) if item is not None and item is not UNDEFINED
    ],
    "push": lambda value, item=UNDEFINED, *_: [*_items(value), item],
    "unshift": lambda value, item=UNDEFINED, *_: [item, *_items(value)],
    "pop": lambda value, *_: _items(value)[:-1],
    "shift": lambda value, *_: _items(value)[1:],
    "slice": _slice,
    "where": _where,
}


# ------------------------------------------------------------------------------------------------- other


def _default(value: Value, other: Value = UNDEFINED, *options: Value) -> Value:
    if isinstance(value, (str, list)):
        return value or other
    allowed = any(isinstance(option, list) and option[0] == "allow_false" and option[1] for option in options)
    if value is False:
        return False if allowed else other
    return other if value is None or value is UNDEFINED else value


def _json(value: Value, space: Value = 0, *_: Value) -> Value:
    written = stringify(value)
    if written is None:
        return UNDEFINED
    indent = min(int(number(space)), 10)
    return written if indent < 1 else json.dumps(json.loads(written), indent=indent, ensure_ascii=False)


def _base64_decoded(source: str) -> str:
    bare = re.sub("[\t\n\f\r ]", "", source)
    bare = re.sub("==?$", "", bare) if len(bare) % 4 == 0 else bare
    if len(bare) % 4 == 1 or not re.fullmatch("[A-Za-z0-9+/]*", bare):
        raise LiquidRenderError("invalid base64 provided to base64_decode")
    return base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("utf-8", "replace")


def _utf8(source: str) -> bytes:
    return joined(source).encode("utf-8", "replace")


OTHER: dict[str, Callable[..., Value]] = {
    "default": _default,
    "raw": lambda value, *_: value,
    "json": _json,
    "jsonify": _json,
    "inspect": _json,
    "to_integer": lambda value, *_: to_number(value),
    "base64_encode": of_text(lambda source: base64.b64encode(_utf8(source)).decode()),
    "base64_decode": of_text(_base64_decoded),
    "sha256": of_text(lambda source: hashlib.sha256(_utf8(source)).hexdigest()),
    "hmac_sha256": of_texts(
        lambda source, key="", *_: hmac.new(_utf8(key), _utf8(source), "sha256").hexdigest()
    ),
}

FILTERS: dict[str, Callable[..., Value]] = {**MATH, **ARRAYS, **STRINGS, **MARKUP, **OTHER, **DATE_FILTERS}
