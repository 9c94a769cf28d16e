"""Windows and intervals on the cursor's time line: half-open, UTC, and what unions of them add up to. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from etl.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, order=True)
class Window:
    """``[since, until)``, both aware and in UTC."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"[{rfc3339(self.since)}, {rfc3339(self.until)})"

    @property
    def empty(self) -> bool:
        """Whether no moment lies inside."""
        return self.since >= self.until

    def overlaps(self, other: Window) -> bool:
        """Whether some moment lies in both."""
        return self.since < other.until and other.since < self.until

    def clamp(self, since: datetime | None, until: datetime | None) -> Window:
        """The part of the window inside ``[since, until)``; None leaves a side open. May be empty."""
        return Window(max(self.since, since or self.since), min(self.until, until or self.until))

    def split(self, step: timedelta) -> Iterator[Window]:
        """Consecutive windows of ``step``, cut at multiples of it since the epoch (so days begin at midnight)."""
        since = self.since
        while since < self.until:
            until = min(_next_multiple(since, step), self.until)
            yield Window(since, until)
            since = until


def _next_multiple(moment: datetime, step: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return moment + step - (moment - epoch) % step


#: Every moment a cursor can have.
ALL_TIME = Window(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


def merge(windows: Iterable[Window]) -> list[Window]:
    """The same moments as ``windows``, as disjoint windows in order; touching ones become one."""
    merged: list[Window] = []
    for window in sorted(w for w in windows if not w.empty):
        if merged and window.since <= merged[-1].until:
            merged[-1] = Window(merged[-1].since, max(merged[-1].until, window.until))
        else:
            merged.append(window)
    return merged


def without(windows: Iterable[Window], others: Iterable[Window]) -> list[Window]:
    """The moments of ``windows`` that lie in none of ``others``, as disjoint windows in order."""
    parts = merge(windows)
    for other in merge(others):
        cut = [(part.clamp(None, other.since), part.clamp(other.until, None)) for part in parts]
        parts = [piece for pieces in cut for piece in pieces if not piece.empty]
    return parts


def gaps(windows: Iterable[Window]) -> list[Window]:
    """What lies between the disjoint parts of ``windows``."""
    parts = merge(windows)
    return [Window(a.until, b.since) for a, b in pairwise(parts)]


def watermark(windows: Iterable[Window]) -> datetime | None:
    """The end of the first unbroken interval; None when there is none."""
    parts = merge(windows)
    return parts[0].until if parts else None


def moment(value: Any) -> datetime:
    """A date or a time (ISO 8601 text, a date, a datetime, a pandas Timestamp), in UTC when it has no zone.

    Nothing is guessed: ``05/11/2026`` is the 5th of November for some and the 11th of May for others.
    Raises ``ConfigError`` for anything else.
    """
    try:
        found = iso_moment(value.strip()) if isinstance(value, str) else _typed_moment(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise ConfigError(f"{value!r} is not a time; write 2026-11-01 or 2026-11-01T06:00:00Z") from None


#: Between date and time ``datetime.fromisoformat`` takes any letter; ISO 8601 has T, and RFC 3339 a space, too.
_ISO = re.compile(r"\d{4}[-\dW]+([Tt ][\d:.,+-]+[Zz]?)?", re.ASCII)


def iso_moment(text: str) -> datetime:
    """An ISO 8601 date or date and time, with the zone it says. Raises ``ValueError`` for anything else."""
    if not _ISO.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _typed_moment(value: Any) -> datetime:
    """A datetime (pandas' Timestamp is one), or a date at midnight; NaT is neither."""
    if isinstance(value, datetime) and value == value:  # noqa: PLR0124 - NaT is not itself
        return value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - its zone is set by the caller
    raise ValueError(value)


def rfc3339(moment: datetime) -> str:
    """UTC text with ``Z``; microseconds only when there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
