"""The date filters of ``@liquid``, as liquidjs has them with TZ=UTC and en-US. Pure but for ``now``.

Source: the behaviour of liquidjs 10.30.1.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from etl.transform.javascript import double
from etl.transform.javascript.dates import parse_date
from etl.transform.javascript.values import UNDEFINED, Value, is_number, text

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMAT = re.compile(r"%([-_0^#:]+)?(\d+)?([EO])?(.)", re.DOTALL)
_WIDTHS = {"C": 2, "d": 2, "e": 2, "H": 2, "I": 2, "j": 3, "k": 2, "l": 2, "L": 3, "m": 2, "M": 2, "S": 2, "U": 2,
           "W": 2, "y": 2, "Y": 4}  # fmt: skip
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()  # noqa: SIM905
_DEFAULT = "%A, %B %-e, %Y at %-l:%M %P %z"


def _date(value: Value, form: Value = UNDEFINED, offset: Value = UNDEFINED, *_: Value) -> Value:
    moment = _moment(value)
    if moment is None:
        return value
    minutes = -int(double(offset)) if is_number(offset) else 0
    style = _DEFAULT if form is None or form is UNDEFINED else text(form)
    return formatted(moment, style, minutes)


def _moment(value: Value) -> datetime | None:
    """UTC; numbers and digits are seconds. None where liquidjs finds no valid date."""
    if value is None or value is UNDEFINED:
        return None
    if value in ("now", "today"):
        return datetime.now(UTC)
    milliseconds: float | None
    if isinstance(value, bool):
        milliseconds = float(value)
    elif is_number(value):
        milliseconds = double(value) * 1000
    else:
        source = text(value)
        milliseconds = float(source) * 1000 if re.fullmatch("[0-9]+", source) else parse_date(source)
    if milliseconds is None or not math.isfinite(milliseconds):
        return None
    try:
        return _EPOCH + timedelta(milliseconds=math.trunc(milliseconds))
    except OverflowError:
        return None


def formatted(moment: datetime, form: str, minutes: int = 0) -> str:
    """Strftime as liquidjs has it; ``minutes``: the offset east of UTC it is shown in."""
    shown = moment + timedelta(minutes=minutes)
    return _FORMAT.sub(lambda match: _part(shown, moment, minutes, match), form)


def _part(shown: datetime, moment: datetime, minutes: int, match: re.Match[str]) -> str:
    flags, width, _, letter = (group or "" for group in match.groups())
    if letter in "zZ":
        found = _zone(minutes, ":" if ":" in flags else "") if letter == "z" or minutes else "UTC"
    elif letter == "N":
        places = int(width or 0) or 9
        found = f"{shown.microsecond // 1000:03d}"[:places].ljust(places, "0")
    elif letter == "s":
        found = str(math.floor((moment - _EPOCH).total_seconds()))
    elif letter in _CODES:
        found = str(_CODES[letter](shown))
    else:
        return match[0]
    return _padded(found, letter, flags, width)


def _padded(found: str, letter: str, flags: str, width: str) -> str:
    if "^" in flags:
        found = found.upper()
    elif "#" in flags:
        found = found.upper() if any("a" <= c <= "z" for c in found) else found.lower()
    filler = " " if letter in "aAbBceklpP" else "0"
    filler = " " if "_" in flags else "0" if "0" in flags else filler
    size = 0 if "-" in flags else int(width or 0) or _WIDTHS.get(letter, 0)
    if filler == "0" and found.startswith("-"):
        return "-" + found[1:].rjust(size - 1, filler)
    return found.rjust(size, filler)


def _zone(minutes: int, colon: str) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}{colon}{rest:02d}"


def _day_of_year(d: datetime) -> int:
    return d.timetuple().tm_yday


def _week(d: datetime, first: int) -> int:
    """Weeks since the first Sunday (0) or Monday (1) of the year."""
    since = (d.isoweekday() % 7 - first + 7) % 7
    return (_day_of_year(d) - 1 - since + 7) // 7


def _ordinal(d: datetime) -> str:
    return "th" if d.day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(d.day % 10, "th")


def _hour(d: datetime) -> int:
    return d.hour % 12 or 12


def _clock(d: datetime) -> str:
    return f"{_hour(d)}:{d:%M:%S} {'AM' if d.hour < 12 else 'PM'}"


def _calendar(d: datetime) -> str:
    return f"{d.month}/{d.day}/{d.year}"


_CODES: dict[str, Callable[[datetime], Any]] = {
    "a": lambda d: _DAYS[d.weekday()][:3],
    "A": lambda d: _DAYS[d.weekday()],
    "b": lambda d: _MONTHS[d.month - 1][:3],
    "B": lambda d: _MONTHS[d.month - 1],
    "h": lambda d: _MONTHS[d.month - 1][:3],
    "c": lambda d: f"{_calendar(d)}, {_clock(d)}",
    "C": lambda d: d.year // 100,
    "d": lambda d: d.day,
    "e": lambda d: d.day,
    "H": lambda d: d.hour,
    "I": _hour,
    "j": _day_of_year,
    "k": lambda d: d.hour,
    "l": _hour,
    "L": lambda d: d.microsecond // 1000,
    "m": lambda d: d.month,
    "M": lambda d: d.minute,
    "p": lambda d: "AM" if d.hour < 12 else "PM",
    "P": lambda d: "am" if d.hour < 12 else "pm",
    "q": _ordinal,
    "S": lambda d: d.second,
    "u": lambda d: d.isoweekday(),
    "U": lambda d: _week(d, 0),
    "w": lambda d: d.isoweekday() % 7,
    "W": lambda d: _week(d, 1),
    "x": _calendar,
    "X": _clock,
    "y": lambda d: d.year % 100,
    "Y": lambda d: d.year,
    "t": lambda _: "\t",
    "n": lambda _: "\n",
    "%": lambda _: "%",
}


def _written_out(month: str) -> Callable[..., Value]:
    def write(value: Value, kind: Value = UNDEFINED, style: Value = UNDEFINED, *_: Value) -> Value:
        moment = _moment(value)
        if moment is None:
            return value
        if kind != "ordinal":
            return formatted(moment, f"%d {month} %Y")
        return formatted(
            moment, f"{month} {moment.day}%q, %Y" if style == "US" else f"{moment.day}%q {month} %Y"
        )

    return write


def _as(form: str) -> Callable[..., Value]:
    return lambda value, *_: value if (moment := _moment(value)) is None else formatted(moment, form)


FILTERS: dict[str, Callable[..., Value]] = {
    "date": _date,
    "date_to_xmlschema": _as("%Y-%m-%dT%H:%M:%S%:z"),
    "date_to_rfc822": _as("%a, %d %b %Y %H:%M:%S %z"),
    "date_to_string": _written_out("%b"),
    "date_to_long_string": _written_out("%B"),
}
