"""JSON text in and out: parsed as ``JSON.parse`` does but with every digit kept, written in one canonical form. Pure.

Canonical: compact, keys sorted, numbers as JavaScript writes them, integers and decimals beyond a double digit for
digit, non-ASCII raw, control characters and lone surrogates escaped. ``stringify`` is Segment's own form instead:
JavaScript's key order, and every number a double.
"""

from __future__ import annotations

import json
import math
import re
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform.javascript import double, has_surrogate, joined, number_text
from etl.transform.javascript.values import UNDEFINED, Value, javascript_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

#: Integers too long for Python's own guard against quadratic parsing; as doubles they are infinite anyway.
_MAX_DIGITS = 4000
#: Python's own context rounds to 28 digits whatever it is asked to do.
_EVERY_DIGIT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_NESTING = "JSON text nested too deeply"
#: Deeper text is no JSON to us, whatever the Python: its own limit is another one in each version.
_DEEPEST = 1000
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|(?P<bracket>[\[\]{}])', re.DOTALL)

# Text that orjson would not parse exactly: a number of 16 digits or more (at least 17 characters with its point).
# A match inside a string only costs time.
_LONG_NUMBER = re.compile(r"[0-9][0-9.]{16,}")
# Output of orjson that JavaScript would write differently: 1.0, 1e16, -0.0.
_FOREIGN_NUMBER = r"[:,\[]-?[0-9][0-9.]*(?:\.0|[eE][-+]?[0-9]+)[,\]}]|^-?[0-9][0-9.]*(?:\.0|[eE][-+]?[0-9]+)$"
#: Values written together.
_BLOCK = 1000
# A line break between values: JSON text as written here has none of its own.
_NEWLINE = orjson.Fragment(b"\n")


# ------------------------------------------------------------------------------------------------- parse


def parse(source: str) -> Value:
    """The value of JSON text; the last of duplicate keys wins; 1e400 is infinite. Raises ``ValueError``."""
    if _LONG_NUMBER.search(source):
        return _parse_exactly(source)
    try:
        return orjson.loads(source)
    except ValueError:
        return _parse_exactly(source)


def parse_column(texts: pa.Array) -> list[Value]:
    """Each text parsed; null → UNDEFINED. Text that is no JSON stays the string it is."""
    sources = texts.to_pylist()
    exact = pc.any(pc.match_substring_regex(texts, _LONG_NUMBER.pattern)).as_py()
    if not exact and not texts.null_count:
        try:
            return list(map(orjson.loads, sources))
        except ValueError:
            pass
    return [UNDEFINED if source is None else _parse_or_keep(source) for source in sources]


def _parse_or_keep(source: str) -> Value:
    try:
        return parse(source)
    except ValueError:
        return source


def _parse_exactly(source: str) -> Value:
    if source.count("[") + source.count("{") > _DEEPEST and _depth(source) > _DEEPEST:
        raise ValueError(_NESTING)
    try:
        return json.loads(source, parse_int=_integer, parse_float=_fraction, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError(_NESTING) from None


def _depth(source: str) -> int:
    """How deeply brackets nest, those in strings left out."""
    depth = deepest = 0
    for bracket in _BRACKETS.finditer(source):
        if bracket.lastgroup:
            depth += 1 if bracket[0] in "[{" else -1
            deepest = max(deepest, depth)
    return deepest


def _integer(digits: str) -> int | float:
    return (
        int(digits) if len(digits) < _MAX_DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)
    )


def _fraction(literal: str) -> float | Decimal:
    """A float if it stands for exactly the literal, else the literal as a Decimal; too large → infinite."""
    number = float(literal)
    if math.isinf(number) or (exact := Decimal(literal)) == Decimal(repr(number)) or number == 0:
        return number
    return exact


def _no_constant(name: str) -> Value:
    raise ValueError(f"{name} is not JSON")


# ------------------------------------------------------------------------------------------------- write


def canonical(value: Value) -> str:
    """One value in canonical form; UNDEFINED keys vanish, UNDEFINED items become null."""
    return _write(value, sorted, exact_number)


def stringify(value: Value) -> str | None:
    """``JSON.stringify``: None for UNDEFINED; keys that look like array indices first, in ascending order."""
    if value is UNDEFINED:
        return None
    return _write(value, javascript_order, _double_text)


def in_order(value: Value) -> str:
    """As ``canonical``, but keys stay in the order they have."""
    return _write(value, list, exact_number)


def canonical_column(values: Sequence[Value]) -> pa.Array:
    """Each value in canonical form as a string array; UNDEFINED → null."""
    blocks = (values[start : start + _BLOCK] for start in range(0, len(values), _BLOCK))
    written = pa.array(list(chain.from_iterable(map(_written, blocks))), pa.binary()).cast(pa.string())
    foreign = pc.fill_null(pc.match_substring_regex(written, _FOREIGN_NUMBER), fill_value=False)
    if not pc.any(foreign).as_py():
        return written
    anew = [canonical(values[i]) for i in pc.indices_nonzero(foreign).to_pylist()]
    return pc.replace_with_mask(written, foreign, pa.array(anew, pa.string()))


def _written(values: Sequence[Value]) -> Sequence[bytes | None]:
    """A block written by orjson in one go, which is ten times faster than value by value, where it can be."""
    separated: list[Value] = [_NEWLINE] * (2 * len(values) - 1)
    separated[::2] = values
    try:
        return orjson.dumps(separated, default=_fragment, option=orjson.OPT_SORT_KEYS)[1:-1].split(b",\n,")
    except (TypeError, ValueError, RecursionError):
        return [None if value is UNDEFINED else canonical(value).encode() for value in values]


def _fragment(value: Value) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(exact_number(value))
    raise TypeError(type(value))


def quote(source: str) -> str:
    """A JSON string as ``JSON.stringify`` writes it: lone surrogates escaped."""
    try:
        return orjson.dumps(source).decode()
    except TypeError:
        return "".join(map(_quoted_part, re.split("([\ud800-\udfff])", joined(source)))).join('""')


def without_surrogates(source: str) -> str:
    """The text as Arrow can hold it: as it is, or as JSON escapes it if it has a lone surrogate."""
    return quote(source)[1:-1] if has_surrogate(source) else source


def exact_number(number: float | Decimal) -> str:
    """A property's number, digit for digit: integers plain, doubles as JavaScript, longer fractions in full.

    Infinite or NaN → ``null``, as ``JSON.stringify`` has it.
    """
    value = double(number)
    if not math.isfinite(value):
        return "null"
    if isinstance(number, int):
        return str(number)
    if isinstance(number, Decimal):
        return _decimal_text(number, value)
    return number_text(value)


def _decimal_text(number: Decimal, value: float) -> str:
    whole = number == number.to_integral_value()
    if Decimal(repr(value)) == number and (not whole or int(number.as_tuple().exponent) > 0):
        return number_text(value)
    if whole:
        return str(int(number))
    digits = number.normalize(_EVERY_DIGIT)
    return format(digits, "f") if digits.adjusted() >= -7 else _scientific(digits)


def _scientific(number: Decimal) -> str:
    return re.sub(r"E", "e", format(number, "E"))


def _double_text(number: float | Decimal) -> str:
    return number_text(number) if math.isfinite(double(number)) else "null"


def _write(value: Value, order: Callable[[Iterable[str]], list[str]], number: Callable[[Any], str]) -> str:
    match value:
        case str():
            return quote(value)
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case dict():
            keys = order(key for key, member in value.items() if member is not UNDEFINED)
            return "{" + ",".join(f"{quote(key)}:{_write(value[key], order, number)}" for key in keys) + "}"
        case list():
            return "[" + ",".join(_write(item, order, number) for item in value) + "]"
    return "null" if value is UNDEFINED else number(value)


def _quoted_part(part: str) -> str:
    return f"\\u{ord(part):04x}" if has_surrogate(part) else orjson.dumps(part).decode()[1:-1]
