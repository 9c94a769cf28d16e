"""Figures and texts as a person reads them. Pure."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_LONGEST = 160


def number(value: int) -> str:
    """``12,345``."""
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """``1 event``, ``2 events``."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def share(part: int, whole: int) -> str:
    """A percentage that is 0 % or 100 % only when it is exactly that."""
    if not whole or part in (0, whole):
        return "100 %" if whole and part == whole else "0 %"
    percent = 100 * part / whole
    return "<0.1 %" if percent < 0.1 else ">99.9 %" if percent > 99.9 else f"{percent:.1f} %"


def moment(value: datetime | None) -> str:
    """``1 Nov 2026, 06:00 UTC``."""
    if value is None:
        return "never"
    at = value.astimezone(UTC)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def short_moment(value: datetime | None) -> str:
    """``2026-11-01 06:00``, which sorts as it counts."""
    return "" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"


def duration(value: timedelta | None) -> str:
    """The two greatest units that matter: ``2 d 3 h``, ``4 min 5 s``, ``0.3 s``."""
    if value is None:
        return ""
    seconds = value.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    for size, unit, lesser, below in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            whole, rest = divmod(int(seconds), size)
            return f"{whole} {unit} {rest // lesser} {below}" if rest // lesser else f"{whole} {unit}"
    return ""


def shown(text: str | None, longest: int = _LONGEST) -> str:
    """A text of somebody else's as one can see it: nothing that cannot be printed, nothing too long."""
    if text is None:
        return ""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def shown_lines(text: str) -> str:
    """The same, with its line breaks."""
    return "\n".join(shown(line, len(line) + 1) for line in text.split("\n"))
