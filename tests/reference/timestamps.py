"""dayjs on Node.js in UTC: is a string a date, and which instant is it."""

from __future__ import annotations

import math
import re
from typing import Any

from tests.reference.dates import parse_date, time_from
from tests.reference.values import JsError, double, number_text, to_number

_LATEST = 8.64e15
_SPACE = r"[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
_FIELDS = re.compile(
    r"([0-9]{4})[-/]?([0-9]{1,2})?[-/]?([0-9]{0,2})(?:[Tt]|" + _SPACE + r")*"
    r"([0-9]{1,2})?:?([0-9]{1,2})?:?([0-9]{1,2})?[.:]?([0-9]+)?"
)


def is_date_like(value: str) -> bool:
    """Whether Segment's schema takes the string for a date."""
    number = to_number(value)
    if number_text(number) == value:
        return abs(number * 1000) <= _LATEST
    return not math.isnan(_instant(value))


def iso_timestamp(value: str | float) -> str:
    """The instant as ``toISOString`` writes it.

    Raises:
        JsError: There is no such instant.
    """
    instant = _instant(value) if isinstance(value, str) else _clipped(double(value))
    if math.isnan(instant):
        raise JsError("Invalid time value")
    return _written(int(instant))


def _clipped(milliseconds: float) -> float:
    if math.isnan(milliseconds) or abs(milliseconds) > _LATEST:
        return math.nan
    return float(int(milliseconds))


def _instant(value: str) -> float:
    match = None if value[-1:] in ("z", "Z") else _FIELDS.fullmatch(value)
    return _clipped(parse_date(value) if match is None else _from_fields(match))


def _from_fields(match: re.Match[str]) -> float:
    """``Date.UTC`` of the fields; a month of 00 is the December before, milliseconds are not padded."""
    year, month, day, hour, minute, second, fraction = match.groups()
    numbers: dict[str, Any] = {
        "year": int(year) + (1900 if int(year) < 100 else 0),
        "month": int(month or 1) - 1,
        "day": int(day or 1),
        "hour": int(hour or 0),
        "minute": int(minute or 0),
        "second": int(second or 0),
        "millisecond": int((fraction or "0")[:3]),
    }
    return time_from(**numbers)


def _written(milliseconds: int) -> str:
    days, rest = divmod(milliseconds, 86_400_000)
    year, month, day = _civil(days)
    seconds, fraction = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    full_year = f"{year:04d}" if 0 <= year <= 9999 else f"{'-' if year < 0 else '+'}{abs(year):06d}"
    return f"{full_year}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{fraction:03d}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    return year, month, day_of_year - (153 * shifted + 2) // 5 + 1
