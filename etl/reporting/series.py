"""Hours gathered into as many columns as a plot has room for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The longest time shown by the hour; beyond it by the day, the week (from Monday) or 30 days.
_STEPS = (
    ("hour", timedelta(hours=1), timedelta(hours=50)),
    ("day", timedelta(days=1), timedelta(days=100)),
    ("week", timedelta(days=7), timedelta(days=800)),
    ("30 days", timedelta(days=30), timedelta(days=2_800)),
)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
#: A timestamp gone wrong must not make a plot of ten thousand columns.
_MOST = 400


@dataclass(frozen=True)
class Series:
    """``unit``: what a point stands for. ``points``: its begin and its value, without holes, oldest first.

    ``left_out``: hours that lie too far before the rest to be shown.
    """

    unit: str
    points: Sequence[tuple[datetime, Any]]
    left_out: int = 0

    def label(self, moment: datetime) -> str:
        """A point's begin, as exactly as it has to be."""
        return f"{moment:%Y-%m-%d %H:%M}" if self.unit == "hour" else f"{moment:%Y-%m-%d}"


def series(hours: Mapping[datetime, Any], together: Callable[[Iterable[Any]], Any], zero: Any) -> Series:
    """The values of ``hours`` by the hour, day, week or 30 days; ``together`` makes one of several."""
    if not hours:
        return Series("day", [])
    span = max(hours) - min(hours)
    unit, step, _ = next((s for s in _STEPS if span <= s[2]), _STEPS[-1])
    gathered: dict[datetime, list[Any]] = {}
    for hour, value in hours.items():
        gathered.setdefault(_begin(hour, step), []).append(value)
    last = max(gathered)
    first = max(min(gathered), last - (_MOST - 1) * step)
    steps = (last - first) // step + 1
    begins = [first + i * step for i in range(steps)]
    points = [(begin, together(gathered[begin]) if begin in gathered else zero) for begin in begins]
    return Series(unit, points, sum(len(values) for begin, values in gathered.items() if begin < first))


def _begin(hour: datetime, step: timedelta) -> datetime:
    origin = _MONDAY if step == timedelta(days=7) else _EPOCH
    return hour - (hour - origin) % step
