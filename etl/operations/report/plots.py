"""Plots as inline SVG without a script or a style of their own: classes carry the colours, light, dark and printed.

Widths are percentages and heights pixels, so that a plot fills its place while its text keeps its size.

Hours gathered into as many columns as a plot has room for. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from etl.core.outcomes import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from etl.core.outcomes import Outcome


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


def colours() -> str:
    """The style of the outcomes: a variable and a class ``o-NAME`` each. Those of rows are hatched."""
    light, dark = (
        " ".join(f"--{outcome.name}: {outcome.colours[ground]};" for outcome in TABLE) for ground in (0, 1)
    )
    return "\n".join(
        (
            f":root {{ {light} }}",
            f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}",
            *(f".o-{outcome.name} {{ {_filling(outcome)} }}" for outcome in TABLE),
        )
    )


def _filling(outcome: Outcome) -> str:
    colour = f"var(--{outcome.name})"
    hatched = f"background: repeating-linear-gradient(45deg, {colour} 0 2px, var(--card) 2px 4px);"
    return hatched if outcome.of == "row" else f"fill: {colour}; background: {colour};"


_HEIGHT, _TOP, _BOTTOM = 190, 22, 24
_LEAST = 0.8
_WIDEST = 11.0
#: So many labels fit beside each other on a phone.
_LABELS = 3


@dataclass(frozen=True)
class Column:
    """A column of a plot over time. ``note``: what is shown when one points at it."""

    label: str
    value: float
    note: str


@dataclass(frozen=True)
class Part:
    """A part of a bar. ``kind``: a CSS class."""

    kind: str
    value: int
    note: str


@dataclass(frozen=True)
class Stretch:
    """From ``start`` to ``stop``, shares (0 to 1) of a line."""

    kind: str
    start: float
    stop: float
    note: str


def columns(title: str, values: Sequence[Column], top: str, kind: str = "volume") -> Markup:
    """One column each, evenly spaced; ``top``: the label of the highest value."""
    highest = max((column.value for column in values), default=0) or 1
    step = 100 / max(len(values), 1)
    shapes = [_column(column, i * step, step, highest, kind) for i, column in enumerate(values)]
    return _svg(title, "columns", _HEIGHT, [_frame(top), *shapes, *_labels([c.label for c in values])])


def _column(column: Column, left: float, step: float, highest: float, kind: str) -> Markup:
    room = _HEIGHT - _TOP - _BOTTOM
    height = max(room * column.value / highest, 1.5 if column.value else 0)
    width = min(step * 0.8, _WIDEST)
    # The whole height answers the pointer: a small column would be hard to hit.
    return Markup(
        '<g><rect class="hit" x="{:.3f}%" y="0" width="{:.3f}%" height="{}"/>'
        '<rect class="{}" x="{:.3f}%" y="{:.1f}" width="{:.3f}%" height="{:.1f}"/><title>{}</title></g>'
    ).format(
        left, step, _HEIGHT - _BOTTOM, kind, left + (step - width) / 2, _HEIGHT - _BOTTOM - height, width, height,
        column.note,
    )  # fmt: skip


def _frame(top: str) -> Markup:
    line = Markup('<line class="{}" x1="0" x2="100%" y1="{}" y2="{}"/>')
    lines = line.format("grid", _TOP, _TOP) + line.format("base", _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM)
    return lines + Markup('<text class="tick" x="0" y="{}">{}</text>').format(_TOP - 6, top)


def _labels(labels: Sequence[str]) -> list[Markup]:
    """All of a few; else the first, the middle (where one is) and the last."""
    if len(labels) <= _LABELS:
        return [
            _label(f"{100 * (i + 0.5) / len(labels):.3f}%", "middle", text) for i, text in enumerate(labels)
        ]
    middle = [_label("50%", "middle", labels[len(labels) // 2])] if len(labels) % 2 else []
    return [_label("0", "start", labels[0]), *middle, _label("100%", "end", labels[-1])]


def _label(x: str, anchor: str, text: str) -> Markup:
    label = Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>')
    return label.format(x, _HEIGHT - 7, anchor, text)


def bar(title: str, parts: Sequence[Part]) -> Markup:
    """One bar of all parts that are not zero, in proportion, the small ones wide enough to be seen."""
    there = [part for part in parts if part.value > 0]
    widths = _widths([part.value for part in there])
    shapes, left = [], 0.0
    for part, width in zip(there, widths, strict=True):
        shapes.append(_rect(f"o-{part.kind}", left, width, 34, part.note))
        left += width
    return _svg(title, "bar", 34, shapes)


def _widths(values: Sequence[int]) -> list[float]:
    whole = sum(values)
    least = [max(100 * value / whole, _LEAST) for value in values]
    return [100 * width / sum(least) for width in least]


def meter(value: int, highest: int, kind: str = "volume") -> Markup:
    """A bar beside its own figure: it says nothing that the figure does not, so it is hidden from screen readers."""
    width = max(100 * value / highest, 0.5) if value and highest else 0
    shape = Markup('<rect class="{}" width="{:.2f}%" height="10"/>').format(kind, width)
    return Markup('<svg class="meter" width="100%" height="10" aria-hidden="true">{}</svg>').format(shape)


def line(title: str, stretches: Sequence[Stretch]) -> Markup:
    """A time line of which stretches are marked."""
    shapes = [_rect(s.kind, 100 * s.start, 100 * (s.stop - s.start), 16, s.note) for s in stretches]
    return _svg(title, "line", 16, shapes)


def _rect(kind: str, left: float, width: float, height: int, note: str) -> Markup:
    shape = Markup('<rect class="{}" x="{:.3f}%" width="{:.3f}%" height="{}"><title>{}</title></rect>')
    return shape.format(kind, left, max(width, 0.3), height, note)


def _svg(title: str, kind: str, height: int, shapes: Sequence[Markup]) -> Markup:
    opening = Markup('<svg class="{}" role="img" aria-label="{}" width="100%" height="{}">')
    return opening.format(kind, title, height) + Markup("").join(shapes) + Markup("</svg>")
