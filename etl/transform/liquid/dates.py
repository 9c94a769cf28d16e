"""The filters on dates, as liquidjs has them with TZ=UTC and en-US. Pure but for ``now`` and the zones' rules.

Source: liquidjs 10.30.1, ECMA-262 for what a Date holds, and the IANA time zone database.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from etl.transform.javascript import number_text
from etl.transform.javascript.dates import FURTHEST, parse_date
from etl.transform.javascript.values import UNDEFINED, Value, is_number, text
from etl.transform.liquid.scope import ThrownError
from etl.transform.liquid.values import is_nothing, plain, to_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.transform.liquid.scope import Scope

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The Gregorian calendar repeats itself every 400 years; beyond a datetime's years, dates are those of another cycle.
_CYCLE = 146_097 * 86_400_000
_FIRST, _LAST = -62_135_510_400_000, 253_402_214_400_000
_FORMAT = re.compile(r"%([-_0^#:]+)?([0-9]+)?([EO])?(.)")
_WIDTHS = {"C": 2, "d": 2, "e": 2, "H": 2, "I": 2, "j": 3, "k": 2, "l": 2, "L": 3, "m": 2, "M": 2, "S": 2, "U": 2,
           "W": 2, "y": 2, "Y": 4}  # fmt: skip
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()  # noqa: SIM905
_DEFAULT = "%A, %B %-e, %Y at %-l:%M %P %z"


class Moment(NamedTuple):
    """``utc``: milliseconds since 1970; ``shown``: what its zone's clocks show, in another cycle of years if need be.

    ``year``: the true one; ``west``: minutes that the zone is behind UTC; ``zone``: its name, if it has one.
    """

    utc: int
    shown: datetime
    year: int
    west: float
    zone: str


# ----------------------------------------------------------------------------------------- reading


def moment(value: Value, zone: Value = UNDEFINED) -> Moment | None:
    """Numbers and digits are seconds, other texts what ``Date.parse`` reads; None where JavaScript has no valid date.

    ``zone``: minutes behind UTC, or a zone's name. Raises ``ThrownError`` for a name that is none.
    """
    found = _milliseconds(plain(value))
    if found is None or not abs(found) <= FURTHEST:
        return None
    utc, west, name = math.trunc(found), 0.0, "UTC"
    if not is_nothing(zone):
        name = zone if isinstance(zone, str) else ""
        west = _west(name, utc) if name or zone == "" else to_number(zone)
    shown = utc - west * 60_000
    if not abs(shown) <= FURTHEST:
        return None
    clock, cycles = _datetime(math.trunc(shown))
    return Moment(utc, clock, clock.year + 400 * cycles, west, name)


def _milliseconds(value: Value) -> float | None:
    if is_nothing(value):
        return None
    if value in ("now", "today"):
        return datetime.now(UTC).timestamp() * 1000
    if isinstance(value, bool) or is_number(value):
        return to_number(value) * (1 if isinstance(value, bool) else 1000)
    if isinstance(value, str) and re.fullmatch("[0-9]+", value):
        return to_number(value) * 1000
    return _parsed(text(value))


def _datetime(milliseconds: int) -> tuple[datetime, int]:
    """The instant as a datetime, and how many cycles of years were taken off it for that."""
    cycles = 0 if _FIRST <= milliseconds <= _LAST else (milliseconds - _LAST + _CYCLE) // _CYCLE
    return _EPOCH + timedelta(milliseconds=milliseconds - cycles * _CYCLE), cycles


def _west(name: str, utc: int) -> float:
    """How many minutes a zone is behind UTC then."""
    zone = _zone(name)
    if zone is None:
        raise ThrownError(f"Invalid time zone specified: {name}")
    offset = _datetime(max(utc, _FIRST) // 1000 * 1000)[0].astimezone(zone).utcoffset() or timedelta()
    return -offset.total_seconds() / 60


#: Rows repeat dates, and V8's rules take their time.
_parsed = lru_cache(maxsize=4096)(parse_date)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo | None:
    """A zone by its name, in whatever case."""
    for known in (name, *(one for one in available_timezones() if one.lower() == name.lower())):
        try:
            return ZoneInfo(known)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return None


# ------------------------------------------------------------------------------------------ writing


def formatted(at: Moment, form: str, scope: Scope) -> str:
    """Strftime as liquidjs has it."""
    return _FORMAT.sub(lambda match: _part(at, match, scope), form)


def _part(at: Moment, match: re.Match[str], scope: Scope) -> str:
    flags, width, _, letter = (group or "" for group in match.groups())
    size = float(width or 0)
    if letter == "z" or (letter == "Z" and not at.zone):
        found = _offset(at.west, ":" if ":" in flags else "")
    elif letter == "N":
        scope.use((size or 9) - 3)
        found = f"{at.shown.microsecond // 1000:03d}"[: int(size or 9)].ljust(int(size or 9), "0")
    elif letter in _CODES:
        found = str(_CODES[letter](at))
    else:
        return match[0]
    size = 0 if "-" in flags else size or _WIDTHS.get(letter, 0)
    scope.use(size - len(found))
    return _padded(found, letter, flags, int(size))


def _padded(found: str, letter: str, flags: str, size: int) -> str:
    if "^" in flags:
        found = found.upper()
    elif "#" in flags:
        found = found.upper() if any("a" <= c <= "z" for c in found) else found.lower()
    filler = " " if letter in "aAbBceklpP" else "0"
    filler = " " if "_" in flags else "0" if "0" in flags else filler
    if filler == "0" and found.startswith("-"):
        return "-" + found[1:].rjust(size - 1, filler)
    return found.rjust(size, filler)


def _offset(west: float, colon: str) -> str:
    hours, minutes = int(abs(west) // 60), number_text(math.fmod(abs(west), 60))
    return f"{'-' if west > 0 else '+'}{hours:02d}{colon}{minutes.rjust(2, '0')}"


def _day_of_year(at: Moment) -> int:
    """From 1; to liquidjs, year 0 has no leap day."""
    return at.shown.timetuple().tm_yday - (at.year == 0 and at.shown.month > 2)


def _week(at: Moment, first: int) -> int:
    """Weeks since the first Sunday (0) or Monday (1) of the year."""
    return (_day_of_year(at) - 1 - (at.shown.isoweekday() % 7 - first) % 7 + 7) // 7


def _ordinal(at: Moment) -> str:
    return "th" if at.shown.day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(at.shown.day % 10, "th")


def _clock(at: Moment) -> str:
    return f"{at.shown.hour % 12 or 12}:{at.shown:%M:%S} {'AM' if at.shown.hour < 12 else 'PM'}"


def _calendar(at: Moment) -> str:
    return f"{at.shown.month}/{at.shown.day}/{at.year if at.year > 0 else 1 - at.year}"


_CODES: dict[str, Callable[[Moment], Any]] = {
    "a": lambda at: _DAYS[at.shown.weekday()][:3],
    "A": lambda at: _DAYS[at.shown.weekday()],
    "b": lambda at: _MONTHS[at.shown.month - 1][:3],
    "B": lambda at: _MONTHS[at.shown.month - 1],
    "c": lambda at: f"{_calendar(at)}, {_clock(at)}",
    "C": lambda at: at.year // 100,
    "d": lambda at: at.shown.day,
    "H": lambda at: at.shown.hour,
    "I": lambda at: at.shown.hour % 12 or 12,
    "j": _day_of_year,
    "L": lambda at: at.shown.microsecond // 1000,
    "m": lambda at: at.shown.month,
    "M": lambda at: at.shown.minute,
    "p": lambda at: "AM" if at.shown.hour < 12 else "PM",
    "P": lambda at: "am" if at.shown.hour < 12 else "pm",
    "q": _ordinal,
    "s": lambda at: at.utc // 1000,
    "S": lambda at: at.shown.second,
    "u": lambda at: at.shown.isoweekday(),
    "U": lambda at: _week(at, 0),
    "w": lambda at: at.shown.isoweekday() % 7,
    "W": lambda at: _week(at, 1),
    "x": _calendar,
    "X": _clock,
    "y": lambda at: at.year % 100,
    "Y": lambda at: at.year,
    "Z": lambda at: at.zone,
    "t": lambda _: "\t",
    "n": lambda _: "\n",
    "%": lambda _: "%",
}
_CODES |= {"h": _CODES["b"], "e": _CODES["d"], "k": _CODES["H"], "l": _CODES["I"]}


# ------------------------------------------------------------------------------------------ filters


def _date(scope: Scope, value: Value, form: Value = UNDEFINED, zone: Value = UNDEFINED, *_: Value) -> Value:
    if (at := moment(value, zone)) is None:
        return value
    style = _DEFAULT if is_nothing(plain(form)) else scope.printed(form)
    scope.use(len(style))
    return formatted(at, style, scope)


def _as(form: str) -> Callable[..., Value]:
    return lambda scope, value, *_: _date(scope, value, form)


def _written_out(month: str) -> Callable[..., Value]:
    def write(
        scope: Scope, value: Value, kind: Value = UNDEFINED, style: Value = UNDEFINED, *_: Value
    ) -> Value:
        if (at := moment(value)) is None:
            return value
        form = f"%d {month} %Y"
        if kind == "ordinal":
            form = f"{month} %-d%q, %Y" if style == "US" else f"%-d%q {month} %Y"
        return formatted(at, form, scope)

    return write


DATES: dict[str, Callable[..., Value]] = {
    "date": _date,
    "date_to_xmlschema": _as("%Y-%m-%dT%H:%M:%S%:z"),
    "date_to_rfc822": _as("%a, %d %b %Y %H:%M:%S %z"),
    "date_to_string": _written_out("%b"),
    "date_to_long_string": _written_out("%B"),
}
