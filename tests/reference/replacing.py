"""``String.prototype.replace`` with a literal pattern: JavaScript's letter case and ``$`` patterns."""

from __future__ import annotations

import re

from tests.reference.values import joined, units

_SUBSTITUTION = re.compile(r"\$[$&`']")


def replace_literal(
    subject: str, pattern: str, replacement: str, *, ignore_case: bool, everywhere: bool
) -> str:
    """``subject`` with the first or every occurrence of ``pattern`` replaced; all in UTF-16 units."""
    subject, pattern, replacement = units(subject), units(pattern), units(replacement)
    fold = _folded if ignore_case else str
    searched, wanted = fold(subject), fold(pattern)
    pieces, start = [], 0
    while (found := searched.find(wanted, start)) >= 0:
        end = found + len(pattern)
        pieces += [subject[start:found], _expanded(replacement, subject, found, end)]
        start = end
        if not everywhere:
            break
    return joined("".join([*pieces, subject[start:]]))


def _folded(string: str) -> str:
    return "".join(_canonical(unit) for unit in string)


def _canonical(unit: str) -> str:
    """A regular expression's idea of a letter without case: upper case, unless that makes it longer or ASCII."""
    upper = unit.upper()
    if len(upper) != 1 or (ord(unit) >= 128 and ord(upper) < 128):
        return unit
    return upper


def _expanded(replacement: str, subject: str, start: int, end: int) -> str:
    parts = {"$$": "$", "$&": subject[start:end], "$`": subject[:start], "$'": subject[end:]}
    return _SUBSTITUTION.sub(lambda match: parts[match[0]], replacement)
