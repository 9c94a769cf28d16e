"""How work goes, shown while it goes: a bar on a terminal, a log line per interval elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.core import logs
from etl.core.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn

    from etl.core.ports import Progress
    from etl.core.report import Counts
    from etl.core.windows import Window

LINE_SECONDS = 10.0
_BAR_SECONDS = 0.2


class Pace:
    """How fast a window is read, and for how long yet: begun anew with each window.

    By what is read of what is to be read, not by cursors: files overlap in time, tables follow one another, and an hour
    at noon holds more than one at night.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._window: Window | None = None
        self._began = clock()

    def update(self, counts: Counts, window: Window, done: float | None) -> tuple[float, float | None]:
        """Rows read per second, seconds left (None: not known). ``done``: how much of the reading, 0 to 1."""
        now = self._clock()
        if window != self._window:
            self._window, self._began = window, now
        seconds = now - self._began
        rate = counts.read / seconds if seconds else 0.0
        return rate, seconds * (1 - done) / done if done and seconds else None


class Lines:
    """One log line per interval: window, how far it is, the counts, the rate and the time left."""

    def __init__(self, interval: float = LINE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._clock = clock
        self._last = clock()
        self._pace = Pace(clock)

    def update(self, counts: Counts, window: Window, at: datetime | None, done: float | None) -> None:
        """Log, if the interval has passed."""
        rate, left = self._pace.update(counts, window, done)
        now = self._clock()
        if now - self._last < self._interval:
            return
        self._last = now
        pairs = counts.pairs
        logs.tell(
            "progress",
            window=str(window),
            at=rfc3339(at) if at else None,
            read=counts.read,
            matched=pairs.matched,
            rejected=pairs.rejected,
            already_sent=pairs.already_sent,
            sent=pairs.sent,
            rows_per_second=round(rate),
            seconds_left=None if left is None else round(left),
        )


class Bar:
    """A bar, with counts, the rate and the time left; where that is not known, it only shows that there is work."""

    def __init__(self, bar: RichProgress) -> None:
        self._bar = bar
        self._task = bar.add_task("etl", total=None, told="", left="")
        self._last = 0.0
        self._pace = Pace()

    def update(self, counts: Counts, window: Window, at: datetime | None, done: float | None) -> None:
        """Redraw."""
        del at
        rate, left = self._pace.update(counts, window, done)
        now = time.monotonic()
        if now - self._last < _BAR_SECONDS:
            return
        self._last = now
        told = f"{counts.read:,} read, {counts.pairs.sent:,} sent, {rate:,.0f} rows/s"
        total = None if done is None else 1.0
        self._bar.update(self._task, total=total, completed=done or 0.0, told=told, left=_left(left))


@contextmanager
def progress_for(*, quiet: bool) -> Iterator[Progress | None]:
    """What fits where stderr goes: nothing when asked for quiet, a bar on a terminal, lines elsewhere."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

        told, left = TextColumn("{task.fields[told]}"), TextColumn("{task.fields[left]}")
        with _bar(BarColumn(), told, TimeElapsedColumn(), left) as bar:
            yield Bar(bar)
    else:
        yield Lines()


@contextmanager
def counting(what: str, *, quiet: bool, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A function to call with how many there are so far, for work that is no run; shown where stderr goes.

    ``total``: how many there will be, where that is known; the time left is shown then.
    """
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

        first = SpinnerColumn() if total is None else BarColumn()
        told, left = TextColumn("{task.fields[told]}"), TextColumn("{task.fields[left]}")
        with _bar(first, told, TimeElapsedColumn(), left) as bar:
            yield _CountBar(bar, what, total).update
    else:
        yield CountLines(what, total).update


def _bar(*columns: ProgressColumn) -> RichProgress:
    from rich.console import Console
    from rich.progress import Progress

    return Progress(*columns, console=Console(stderr=True), transient=True)


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left"


class _Count:
    """How fast a count rises, and how long it has to."""

    def __init__(self, total: int | None, clock: Callable[[], float]) -> None:
        self._total = total
        self._clock = clock
        self._began = clock()

    def update(self, number: int) -> tuple[float, float | None]:
        """How many per second, and seconds left (None: not known)."""
        seconds = self._clock() - self._began
        rate = number / seconds if seconds else 0.0
        return rate, max(self._total - number, 0) / rate if self._total is not None and rate else None


class _CountBar:
    def __init__(self, bar: RichProgress, what: str, total: int | None) -> None:
        self._bar, self._what = bar, what
        self._count = _Count(total, time.monotonic)
        self._task = bar.add_task("etl", total=total, told="", left="")

    def update(self, number: int) -> None:
        rate, left = self._count.update(number)
        told = f"{number:,} {self._what}, {rate:,.0f}/s"
        self._bar.update(self._task, completed=number, told=told, left=_left(left))


class CountLines:
    """One log line per interval: how many, how fast, how long."""

    def __init__(
        self, what: str, total: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._clock = clock
        self._last = clock()
        self._count = _Count(total, clock)

    def update(self, number: int) -> None:
        """Log, if the interval has passed."""
        if (now := self._clock()) - self._last < LINE_SECONDS:
            return
        self._last = now
        rate, left = self._count.update(number)
        told = {self._what: number, "per_second": round(rate)}
        logs.tell("progress", **told, seconds_left=None if left is None else round(left))
