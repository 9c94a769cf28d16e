"""The few places where JavaScript's own conversions decide what Segment does: number ↔ text, and UTF-16 units.

Beside this: ``values`` (JSON values as JavaScript sees them) and ``dates`` (``Date.parse``). Not here: columns.

Source of the rules: ECMA-262 ``Number::toString`` and ``StringToNumber``, checked against Node 20.
"""

from __future__ import annotations

import re
import struct
from decimal import Decimal
from typing import Final

#: The characters ``\s`` matches and ``trim()`` removes: white space and line ends.
WHITE_SPACE: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RADIX: Final = {
    "0x": (16, re.compile(r"[0-9a-fA-F]+")),
    "0o": (8, re.compile(r"[0-7]+")),
    "0b": (2, re.compile(r"[01]+")),
}
_INFINITY: Final = {"Infinity": float("inf"), "+Infinity": float("inf"), "-Infinity": float("-inf")}
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def double(number: float | Decimal) -> float:
    """The IEEE double JavaScript would hold for an int, float or Decimal; infinite when it is too large."""
    try:
        return float(number)
    except OverflowError:
        return float("-inf") if number < 0 else float("inf")


def number_text(number: float | Decimal) -> str:
    """``String(n)``: 1.0 → ``1``, 1e21 → ``1e+21``, 1e-7 → ``1e-7``, -0.0 → ``0``."""
    value = double(number)
    if value != value:  # noqa: PLR0124 - NaN
        return "NaN"
    if 1e-4 <= abs(value) < 1e16:
        return repr(value).removesuffix(".0")
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + int(exponent) if value else 1
    return ("-" if sign and value else "") + _placed(text, point)


def _placed(digits: str, point: int) -> str:
    """The digits with the decimal point after the first ``point`` of them, or with an exponent."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if digits[1:] else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


def text_number(text: str) -> float:
    """``Number(s)``: blank → 0, ``0x10`` → 16, anything that is no number literal → NaN."""
    literal = text.strip(WHITE_SPACE)
    if not literal:
        return 0.0
    if literal in _INFINITY:
        return _INFINITY[literal]
    if _DECIMAL.fullmatch(literal):
        return float(literal)
    base, digits = _RADIX.get(literal[:2].lower(), (0, None))
    if digits is not None and digits.fullmatch(literal, 2):
        return double(int(literal[2:], base))
    return float("nan")


def units(text: str) -> str:
    """The text as JavaScript indexes it: one character for each UTF-16 code unit."""
    if not _ASTRAL.search(text):
        return text
    raw = text.encode("utf-16-le", "surrogatepass")
    return "".join(map(chr, struct.unpack(f"<{len(raw) // 2}H", raw)))


def joined(text: str) -> str:
    """The inverse of ``units``: surrogate pairs become the characters they stand for, lone ones stay."""
    if not has_surrogate(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def has_surrogate(text: str) -> bool:
    """Whether any UTF-16 surrogate stands alone in a Python string (Arrow cannot hold one)."""
    return _SURROGATE.search(text) is not None
