"""``Date.parse`` as V8 does it with TZ=UTC: its ISO parser first, then its lenient legacy one.

Source of the rules: V8's ``dateparser``, as Node 20 behaves; checked against it on generated strings.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from etl.transform.javascript import WHITE_SPACE

#: The furthest instant from 1970 that a JavaScript Date can hold, in milliseconds.
FURTHEST: Final = 8_640_000_000_000_000

_TOKEN = re.compile(
    rf"(?P<number>[0-9]+)|(?P<symbol>[:\-+.)])|(?P<space>[{WHITE_SPACE}])|(?P<word>[^\x00-@{WHITE_SPACE}]+)"
)
_MONTHS: Final = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)  # noqa: SIM905 - reads better
}
_ZONES: Final = {
    "ut": 0, "utc": 0, "z": 0, "gmt": 0,
    "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
}  # fmt: skip
#: Ten to the power of the index.
_POWERS: Final[tuple[int, ...]] = tuple(10**length for length in range(10))
_HALVES: Final = {"am": 0, "pm": 12}


class _Token(NamedTuple):
    """``text``: the symbol or the word in lower case; ``number``: its first nine significant digits."""

    kind: str
    text: str = ""
    number: int = 0
    length: int = 0

    def is_digits(self, length: int, lowest: int = 0, highest: int = 10**9) -> bool:
        return self.kind == "number" and self.length == length and lowest <= self.number <= highest

    def is_symbol(self, symbols: str) -> bool:
        return self.kind == "symbol" and self.text in symbols


_END: Final = _Token("end")


class _InvalidDateError(Exception):
    """Neither parser reads the text."""


def parse_date(text: str) -> int | None:
    """``Date.parse(text)``: milliseconds since 1970; None where JavaScript says NaN."""
    reading = _Reading(_tokens(text))
    try:
        reading.read()
        return clip(reading.milliseconds())
    except _InvalidDateError:
        return None


def clip(milliseconds: int) -> int | None:
    """The instant, or None when no Date can hold it."""
    return milliseconds if abs(milliseconds) <= FURTHEST else None


def instant(year: int, month: int, day: int, clock: tuple[int, int, int, int]) -> int:
    """``Date.UTC`` without its rule for years under 100: month from 0; every field may roll over into the next."""
    months = np.datetime64((year - 1970) * 12 + month, "M")
    days = int(months.astype("datetime64[D]").astype(np.int64)) + day - 1
    hours, minutes, seconds, milliseconds = clock
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + milliseconds


def _tokens(text: str) -> list[_Token]:
    text = text.split("\0", 1)[0]
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is not None:
            tokens.append(_token(str(match.lastgroup), match[0]))
            at = match.end()
        else:
            tokens.append(_Token("other"))
            at = _past_parentheses(text, at) if text[at] == "(" else at + 1
    return tokens


def _token(kind: str, text: str) -> _Token:
    if kind == "number":
        return _Token(kind, text, int(text.lstrip("0")[:9] or "0"), len(text))
    return _Token(kind, text.lower() if text.isascii() else text[:3].lower() + text[3:], length=len(text))


def _past_parentheses(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
        if depth == 0:
            break
    return at


class _Reading:
    """What was read so far. A clock has hours, minutes, seconds, milliseconds; a zone hours and minutes."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.iso = False
        self.date: list[int] = []
        self.month: int | None = None
        self.clock: list[int] = []
        self.half: int | None = None
        self.sign = 0
        self.zone_hours: int | None = None
        self.zone_minutes: int | None = None
        self.number_seen = False

    # ------------------------------------------------------------------------------------ tokens

    def peek(self) -> _Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else _END

    def take(self) -> _Token:
        token = self.peek()
        self.at += 1
        return token

    def skip(self, symbol: str) -> bool:
        accepted = self.peek().is_symbol(symbol)
        self.at += accepted
        return accepted

    def take_digits(self, length: int, lowest: int, highest: int) -> int:
        if not self.peek().is_digits(length, lowest, highest):
            raise _InvalidDateError
        return self.take().number

    def read(self) -> None:
        token = self.read_iso()
        self.number_seen = bool(self.date)
        while token is not _END:
            self.read_legacy(token)
            token = self.take()

    # --------------------------------------------------------------------------------------- ISO

    def read_iso(self) -> _Token:
        """Returns the token the legacy parser goes on from; the end, when all is read."""
        if (rest := self.read_iso_year()) is not None:
            return rest
        for highest in (12, 31):
            if not self.skip("-"):
                break
            if not self.peek().is_digits(2, 1, highest):
                return self.take()
            self.date.append(self.take().number)
        if (self.peek().kind, self.peek().text) == ("word", "t"):
            self.take()
            self.read_iso_clock()
            self.read_iso_zone()
            if self.peek() is not _END:
                raise _InvalidDateError
        elif self.peek() is not _END:
            return self.take()
        self.iso = True
        return _END

    def read_iso_year(self) -> _Token | None:
        """None when it is one; otherwise the token the legacy parser goes on from."""
        sign = self.take() if self.peek().is_symbol("+-") else None
        if not self.peek().is_digits(4 if sign is None else 6):
            return sign or self.take()
        year = self.take().number
        if sign is not None and sign.text == "-":
            if year == 0:
                return sign
            year = -year
        self.date.append(year)
        return None

    def read_iso_clock(self) -> None:
        hour = self.take_digits(2, 0, 24)
        at_most = 0 if hour == 24 else 59
        if not self.skip(":"):
            raise _InvalidDateError
        self.clock += [hour, self.take_digits(2, 0, at_most)]
        if not self.skip(":"):
            return
        self.clock.append(self.take_digits(2, 0, at_most))
        if self.skip("."):
            if self.peek().kind != "number" or (hour == 24 and self.peek().number > 0):
                raise _InvalidDateError
            self.clock.append(_thousandths(self.take()))

    def read_iso_zone(self) -> None:
        if (self.peek().kind, self.peek().text) == ("word", "z"):
            self.take()
            self.set_zone(0)
        elif self.peek().is_symbol("+-"):
            self.sign = 1 if self.take().text == "+" else -1
            if self.peek().is_digits(4):
                self.zone_hours, self.zone_minutes = divmod(self.take().number, 100)
                if self.zone_hours > 23 or self.zone_minutes > 59:
                    raise _InvalidDateError
                return
            self.zone_hours = self.take_digits(2, 0, 23)
            if not self.skip(":"):
                raise _InvalidDateError
            self.zone_minutes = self.take_digits(2, 0, 59)

    # ------------------------------------------------------------------------------------ legacy

    def read_legacy(self, token: _Token) -> None:
        if token.kind == "number":
            self.number_seen = True
            self.read_number(token)
        elif token.kind == "word":
            self.read_word(token)
        elif token.is_symbol("+-") and (self.is_utc() or self.clock):
            self.read_offset(token)
        elif token.is_symbol("+-)") and self.number_seen:
            raise _InvalidDateError

    def read_number(self, token: _Token) -> None:
        number = token.number
        if self.skip(":"):
            self.read_clock_part(number)
        elif self.skip(".") and self.clock_expects(number):
            self.read_last_second(number)
        elif self.zone_hours is not None and self.zone_minutes is None and number <= 59:
            self.zone_minutes = number
        elif self.clock_expects(number):
            self.end_clock(number)
            after = self.peek()
            if not (
                after in (_END, _Token("word", "z", length=1))
                or after.kind == "space"
                or after.is_symbol("+-")
            ):
                raise _InvalidDateError
        else:
            self.add(self.date, number, 3)
            self.skip("-")

    def read_clock_part(self, number: int) -> None:
        """The number stood before a colon, or two."""
        if self.skip(":"):
            if self.clock:
                raise _InvalidDateError
            self.clock += [number, 0]
            return
        self.add(self.clock, number, 4)
        self.skip(".")

    def read_last_second(self, number: int) -> None:
        """The number stood before a point: the fraction of the second must follow."""
        self.add(self.clock, number, 4)
        if self.peek().kind != "number":
            raise _InvalidDateError
        self.end_clock(_thousandths(self.take()))

    def clock_expects(self, number: int) -> bool:
        return len(self.clock) in {1, 2, 3} and number <= (999 if len(self.clock) == 3 else 59)

    def end_clock(self, number: int) -> None:
        self.clock = [*self.clock, number, 0, 0, 0][:4]

    def read_word(self, token: _Token) -> None:
        word, short = token.text, token.length <= 3
        if short and word in _HALVES and self.clock:
            self.half = _HALVES[word]
        elif word[:3] in _MONTHS:
            self.month = _MONTHS[word[:3]]
            self.skip("-")
        elif short and word in _ZONES and self.number_seen:
            self.set_zone(_ZONES[word])
        elif self.number_seen or self.peek().kind == "number":
            raise _InvalidDateError

    def read_offset(self, token: _Token) -> None:
        self.sign = 1 if token.text == "+" else -1
        digits = self.take() if self.peek().kind == "number" else _END
        self.number_seen = True
        if self.peek().is_symbol(":"):
            self.zone_hours, self.zone_minutes = digits.number, None
        elif digits.length in {1, 2}:
            self.zone_hours, self.zone_minutes = digits.number, 0
        elif digits.length in {3, 4}:
            self.zone_hours, self.zone_minutes = divmod(digits.number, 100)
        else:
            raise _InvalidDateError

    def add(self, parts: list[int], number: int, most: int) -> None:
        if len(parts) == most:
            raise _InvalidDateError
        parts.append(number)

    def set_zone(self, hours: int) -> None:
        self.sign = -1 if hours < 0 else 1
        self.zone_hours, self.zone_minutes = abs(hours), 0

    def is_utc(self) -> bool:
        return self.zone_hours == 0 and self.zone_minutes == 0

    # ------------------------------------------------------------------------------------ result

    def milliseconds(self) -> int:
        year, month, day = self.civil_date()
        return instant(year, month - 1, day, self.civil_clock()) - self.offset()

    def offset(self) -> int:
        """V8 counts its seconds in 32 bits, and takes only what is positive with a sign."""
        seconds = ((self.zone_hours or 0) * 3_600 + (self.zone_minutes or 0) * 60) % 2**32
        if seconds >= 2**31:
            raise _InvalidDateError
        return self.sign * seconds * 1_000

    def civil_date(self) -> tuple[int, int, int]:
        if not self.date:
            raise _InvalidDateError
        year, month, day = self.ordered([*self.date, 1, 1][:3])
        if not self.iso and 0 <= year <= 99:
            year += 2000 if year <= 49 else 1900
        if not (1 <= month <= 12 and 1 <= day <= 31):
            raise _InvalidDateError
        return year, month, day

    def ordered(self, parts: list[int]) -> tuple[int, int, int]:
        """Year, month, day, guessed from which of the numbers can be a day."""
        first, second, third = parts
        if self.month is not None:
            day_first = 1 <= first <= 31
            return (second, self.month, first) if day_first else (first, self.month, second)
        if self.iso or not 1 <= first <= 31:
            return first, second, third
        return third, first, second

    def civil_clock(self) -> tuple[int, int, int, int]:
        hour, minute, second, millisecond = [*self.clock, 0, 0, 0, 0][:4]
        if self.half is not None:
            if hour > 12:
                raise _InvalidDateError
            hour = hour % 12 + self.half
        midnight = hour == 24 and not (minute or second or millisecond)
        if not midnight and (hour > 23 or minute > 59 or second > 59 or millisecond > 999):
            raise _InvalidDateError
        return hour, minute, second, millisecond


def _thousandths(token: _Token) -> int:
    """The digits after a decimal point, cut to three (V8 looks at nine significant ones)."""
    return (token.number * 1_000) // _POWERS[min(token.length, 9)]
