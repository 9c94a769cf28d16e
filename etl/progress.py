"""How a run goes, told while it goes: a bar on a terminal, a line per interval elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from etl.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from rich.progress import Progress as RichProgress

    from etl.ports import Progress
    from etl.report import Counts
    from etl.windows import Window

LINE_SECONDS = 10.0
_BAR_SECONDS = 0.2


class Lines:
    """One log line per interval: window, how far it is, and the counts."""

    def __init__(self, interval: float = LINE_SECONDS) -> None:
        self._interval = interval
        self._last = time.monotonic()
        self._log = structlog.get_logger("etl")

    def update(self, counts: Counts, window: Window, at: datetime | None) -> None:
        """Log, if the interval has passed."""
        now = time.monotonic()
        if now - self._last < self._interval:
            return
        self._last = now
        pairs = counts.pairs
        self._log.info(
            "progress",
            window=str(window),
            at=rfc3339(at) if at else None,
            read=counts.read,
            matched=pairs.matched,
            rejected=pairs.rejected,
            already_sent=pairs.already_sent,
            sent=pairs.sent,
        )


class Bar:
    """A bar over the window's time, with counts and the rate."""

    def __init__(self, bar: RichProgress) -> None:
        self._bar = bar
        self._task = bar.add_task("etl", total=1.0, told="")
        self._last = 0.0

    def update(self, counts: Counts, window: Window, at: datetime | None) -> None:
        """Redraw; ``at`` is how far the newest row read lies in the window."""
        now = time.monotonic()
        if now - self._last < _BAR_SECONDS:
            return
        self._last = now
        length = (window.until - window.since).total_seconds() or 1.0
        done = (at - window.since).total_seconds() / length if at else 0.0
        told = f"{counts.read:,} read, {counts.pairs.sent:,} sent"
        self._bar.update(self._task, completed=min(max(done, 0.0), 1.0), told=told)


@contextmanager
def progress_for(*, quiet: bool) -> Iterator[Progress | None]:
    """What fits where stderr goes: nothing when asked for quiet, a bar on a terminal, lines elsewhere."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            yield Bar(bar)
    else:
        yield Lines()


@contextmanager
def counting(what: str, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A function to call with how many there are so far, for work that is no run; told where stderr goes."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} " + what), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("etl", total=None)
            yield lambda number: bar.update(task, completed=number)
    else:
        yield _CountLines(what).update


class _CountLines:
    """One log line per interval: how many."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._last = time.monotonic()
        self._log = structlog.get_logger("etl")

    def update(self, number: int) -> None:
        if (now := time.monotonic()) - self._last >= LINE_SECONDS:
            self._last = now
            self._log.info("progress", **{self._what: number})
