"""``new Date(string)`` of Node.js with TZ=UTC: V8's parser of ISO dates, then its parser of anything like a date."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from tests.reference.values import WHITE_SPACE, units

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES = {
    "ut": 0, "utc": 0, "z": 0, "gmt": 0, "cdt": -5, "cst": -6, "edt": -4, "est": -5,
    "mdt": -6, "mst": -7, "pdt": -7, "pst": -8,
}  # fmt: skip
_HALVES = {"am": 0, "pm": 12}
_SIGNIFICANT_DIGITS = 9
_SMALLEST_YEAR = 1 << 30


def time_from(
    *, year: int, month: int, day: int, hour: int, minute: int, second: int, millisecond: int
) -> float:
    """Milliseconds since 1970 of a date whose fields may overflow; ``month`` counts from 0."""
    year, month = year + month // 12, month % 12
    days = _days_before(year, month) + day - 1
    return float(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + millisecond)


def _days_before(year: int, month: int) -> int:
    """Days from 1970-01-01 to the first of a month."""
    shifted = year - (month < 2)
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 10) % 12) + 2) // 5
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


@dataclass(frozen=True)
class _Token:
    """``number`` (value, length), ``word`` (text, length), ``symbol``, ``space``, ``other`` or ``end``."""

    kind: str
    value: int = 0
    text: str = ""
    length: int = 0

    def is_symbol(self, symbol: str) -> bool:
        return self.kind == "symbol" and self.text == symbol

    @property
    def sign(self) -> int:
        return {"+": 1, "-": -1}.get(self.text, 0) if self.kind == "symbol" else 0

    def is_fixed(self, length: int) -> bool:
        return self.kind == "number" and self.length == length

    @property
    def is_z(self) -> bool:
        return self.kind == "word" and self.text == "z" and self.length == 1


_END = _Token("end")


class _NotADateError(Exception):
    """The string is not a date."""


class _Scanner:
    """Tokens of a string, one ahead."""

    def __init__(self, source: str) -> None:
        self.source = units(source)
        self.position = 0
        self.current = self._scan()

    def peek(self) -> _Token:
        return self.current

    def next(self) -> _Token:
        token, self.current = self.current, self._scan()
        return token

    def skip(self, symbol: str) -> bool:
        if not self.current.is_symbol(symbol):
            return False
        self.next()
        return True

    def _scan(self) -> _Token:
        if self.position >= len(self.source):
            return _END
        char = self.source[self.position]
        if char in "0123456789":
            return self._number()
        if char >= "A" and char not in WHITE_SPACE:
            return self._word()
        if char == "(":
            return self._parentheses()
        self.position += 1
        if char in ":-+.)":
            return _Token("symbol", text=char)
        return _Token("space" if char in WHITE_SPACE else "other")

    def _number(self) -> _Token:
        digits = re.compile("[0-9]+").match(self.source, self.position)
        assert digits is not None
        self.position = digits.end()
        significant = digits[0].lstrip("0")[:_SIGNIFICANT_DIGITS]
        return _Token("number", int(significant or 0), length=len(digits[0]))

    def _word(self) -> _Token:
        start = self.position
        while (
            self.position < len(self.source)
            and self.source[self.position] >= "A"
            and self.source[self.position] not in WHITE_SPACE
        ):
            self.position += 1
        word = self.source[start : self.position]
        return _Token("word", text="".join(chr(ord(c) | 0x20) for c in word[:3]), length=len(word))

    def _parentheses(self) -> _Token:
        depth = 0
        while self.position < len(self.source):
            depth += {"(": 1, ")": -1}.get(self.source[self.position], 0)
            self.position += 1
            if depth == 0:
                break
        return _Token("other")


@dataclass
class _Day:
    """Up to three numbers and a month's name, whose order tells year, month and day apart."""

    numbers: list[int] = field(default_factory=list)
    named_month: int | None = None
    iso: bool = False

    def add(self, number: int) -> None:
        if len(self.numbers) == 3:
            raise _NotADateError
        self.numbers.append(number)

    def fields(self) -> tuple[int, int, int]:
        if not self.numbers:
            raise _NotADateError
        first, second, third = (*self.numbers, 1, 1)[:3]
        year, month, day = self._ordered(first, second, third)
        if not self.iso and 0 <= year <= 99:
            year += 2000 if year < 50 else 1900
        if abs(year) >= _SMALLEST_YEAR or not 1 <= month <= 12 or not 1 <= day <= 31:
            raise _NotADateError
        return year, month, day

    def _ordered(self, first: int, second: int, third: int) -> tuple[int, int, int]:
        if self.named_month is not None:
            # A first number that cannot be a day is the year.
            return (
                (second, self.named_month, first) if 1 <= first <= 31 else (first, self.named_month, second)
            )
        if self.iso or not 1 <= first <= 31:
            return first, second, third
        return third, first, second


@dataclass
class _Time:
    """Up to four numbers, and whether am or pm was said."""

    numbers: list[int] = field(default_factory=list)
    half: int | None = None

    def add(self, number: int) -> None:
        if len(self.numbers) == 4:
            raise _NotADateError
        self.numbers.append(number)

    def add_last(self, number: int) -> None:
        # V8 drops the number that a full time has no room for.
        self.numbers = [*self.numbers, number, 0, 0, 0][:4]

    def expects(self, number: int) -> bool:
        limits = {1: 60, 2: 60, 3: 1000}
        return number < limits.get(len(self.numbers), 0)

    def fields(self) -> tuple[int, int, int, int]:
        hour, minute, second, millisecond = (*self.numbers, 0, 0, 0, 0)[:4]
        if self.half is not None:
            if hour > 12:
                raise _NotADateError
            hour = hour % 12 + self.half
        in_range = hour < 24 and minute < 60 and second < 60 and millisecond < 1000
        if not in_range and (hour, minute, second, millisecond) != (24, 0, 0, 0):
            raise _NotADateError
        return hour, minute, second, millisecond


@dataclass
class _Zone:
    """An offset from UTC; without a sign, local time."""

    sign: int | None = None
    hour: int | None = None
    minute: int | None = None

    def set(self, hours: int) -> None:
        self.sign, self.hour, self.minute = (-1 if hours < 0 else 1), abs(hours), 0

    def expects(self, number: int) -> bool:
        return self.hour is not None and self.minute is None and number < 60

    def milliseconds(self) -> float:
        if self.sign is None:
            return 0
        return self.sign * ((self.hour or 0) * 60 + (self.minute or 0)) * 60_000


class _Parser:
    def __init__(self, source: str) -> None:
        self.scanner = _Scanner(source)
        self.day, self.time, self.zone = _Day(), _Time(), _Zone()

    def run(self) -> float:
        token = self.iso()
        self.number_read = bool(self.day.numbers)
        while token.kind != "end":
            self.anything(token)
            token = self.scanner.next()
        year, month, day = self.day.fields()
        hour, minute, second, millisecond = self.time.fields()
        instant = time_from(
            year=year,
            month=month - 1,
            day=day,
            hour=hour,
            minute=minute,
            second=second,
            millisecond=millisecond,
        )
        return instant - self.zone.milliseconds()

    def iso(self) -> _Token:
        """Read as much as is an ISO date; the token on which that ended."""
        unread = self.iso_date()
        if unread is not None:
            return unread
        scanner = self.scanner
        if scanner.peek().kind == "word" and scanner.peek().text == "t" and scanner.peek().length == 1:
            scanner.next()
            self.iso_time()
            self.iso_zone()
            if scanner.peek().kind != "end":
                raise _NotADateError
        elif scanner.peek().kind != "end":
            return scanner.next()
        if self.zone.hour is None and not self.time.numbers:
            self.zone.set(0)
        self.day.iso = True
        return _END

    def iso_date(self) -> _Token | None:
        scanner = self.scanner
        if scanner.peek().sign:
            sign = scanner.next()
            if not scanner.peek().is_fixed(6):
                return sign
            year = scanner.next().value
            if sign.sign < 0 and year == 0:
                return sign
            self.day.add(sign.sign * year)
        elif scanner.peek().is_fixed(4):
            self.day.add(scanner.next().value)
        else:
            return scanner.next()
        for largest in (12, 31):
            if not scanner.skip("-"):
                break
            if not scanner.peek().is_fixed(2) or not 1 <= scanner.peek().value <= largest:
                return scanner.next()
            self.day.add(scanner.next().value)
        return None

    def pair(self, limit: int) -> int:
        """Two digits below a limit."""
        token = self.scanner.next()
        if not token.is_fixed(2) or token.value >= limit:
            raise _NotADateError
        return token.value

    def iso_time(self) -> None:
        hour = self.pair(25)
        self.time.add(hour)
        if not self.scanner.skip(":"):
            raise _NotADateError
        self.time.add(self.pair(1 if hour == 24 else 60))
        if not self.scanner.skip(":"):
            return
        self.time.add(self.pair(1 if hour == 24 else 60))
        if self.scanner.skip("."):
            token = self.scanner.next()
            if token.kind != "number" or (hour == 24 and token.value > 0):
                raise _NotADateError
            self.time.add(_milliseconds(token))

    def iso_zone(self) -> None:
        scanner = self.scanner
        if scanner.peek().is_z:
            scanner.next()
            self.zone.set(0)
        elif scanner.peek().sign:
            self.zone.sign = scanner.next().sign
            if scanner.peek().is_fixed(4):
                self.zone.hour, self.zone.minute = divmod(scanner.next().value, 100)
                if self.zone.hour >= 24 or self.zone.minute >= 60:
                    raise _NotADateError
                return
            self.zone.hour = self.pair(24)
            if not scanner.skip(":"):
                raise _NotADateError
            self.zone.minute = self.pair(60)

    def anything(self, token: _Token) -> None:
        if token.kind == "number":
            self.number_read = True
            self.number(token.value)
        elif token.kind == "word":
            self.word(token)
        elif token.sign and (self.time.numbers or (self.zone.hour == 0 and self.zone.minute == 0)):
            self.offset(token.sign)
        elif (token.sign or token.is_symbol(")")) and self.number_read:
            raise _NotADateError

    def number(self, number: int) -> None:
        scanner = self.scanner
        if scanner.skip(":"):
            if scanner.skip(":"):
                if self.time.numbers:
                    raise _NotADateError
                self.time.add(number)
                self.time.add(0)
            else:
                self.time.add(number)
                if scanner.peek().is_symbol("."):
                    scanner.next()
        elif scanner.skip(".") and self.time.expects(number):
            self.time.add(number)
            if scanner.peek().kind != "number":
                raise _NotADateError
            self.time.add_last(_milliseconds(scanner.next()))
        elif self.zone.expects(number):
            self.zone.minute = number
        elif self.time.expects(number):
            self.time.add_last(number)
            following = scanner.peek()
            if not (following.kind in ("end", "space") or following.is_z or following.sign):
                raise _NotADateError
        else:
            self.day.add(number)
            scanner.skip("-")

    def word(self, token: _Token) -> None:
        short = token.length <= 3
        if short and token.text in _HALVES and self.time.numbers:
            self.time.half = _HALVES[token.text]
        elif token.text in _MONTHS:
            self.day.named_month = _MONTHS.index(token.text) + 1
            self.scanner.skip("-")
        elif short and token.text in _ZONES and self.number_read:
            self.zone.set(_ZONES[token.text])
        elif self.number_read or self.scanner.peek().kind == "number":
            raise _NotADateError

    def offset(self, sign: int) -> None:
        scanner = self.scanner
        self.zone.sign = sign
        token = scanner.next() if scanner.peek().kind == "number" else _Token("number")
        self.number_read = True
        if scanner.peek().is_symbol(":"):
            self.zone.hour, self.zone.minute = token.value, None
        elif token.length in (1, 2):
            self.zone.hour, self.zone.minute = token.value, 0
        elif token.length in (3, 4):
            self.zone.hour, self.zone.minute = divmod(token.value, 100)
        else:
            raise _NotADateError


def _milliseconds(token: _Token) -> int:
    if token.length <= 3:
        return token.value * 10 ** (3 - token.length)
    return token.value // 10 ** (min(token.length, _SIGNIFICANT_DIGITS) - 3)


def parse_date(source: str) -> float:
    """Milliseconds since 1970 of the date that V8 finds in the string, not a number where it finds none."""
    try:
        return _Parser(source).run()
    except _NotADateError:
        return math.nan
