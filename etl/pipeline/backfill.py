"""A long stretch of the past, window by window: planned first, resumed where it stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from etl.core.errors import ConfigError, EtlError
from etl.core.outcomes import TO_LOOK_AT
from etl.core.report import Counts, Report
from etl.core.windows import Window  # noqa: TC001 - dataclass fields are resolved at run time
from etl.pipeline import wiring
from etl.pipeline.run import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from threading import Event

    from etl.config import Config
    from etl.core.ports import Progress


@dataclass(frozen=True)
class BackfillReport(Report):
    """A report summed over ``windows``, each of which has its own; ``skipped`` were complete before."""

    windows: tuple[Report, ...] = ()
    skipped: tuple[Window, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The contract's fields, summed, plus ``windows`` and the number of ``skipped`` ones."""
        return {
            **super().as_dict(),
            "windows": [report.as_dict() for report in self.windows],
            "skipped": len(self.skipped),
        }


class Watcher(Protocol):
    """Who is told of each window."""

    def window(self, number: int, of: int, report: Report, seconds_left: float) -> None:
        """Window ``number`` (from 1) has ended."""
        ...


@dataclass(frozen=True)
class Backfill:
    """What to run: ``step`` is the length of a window; ``subscriptions`` None = all; ``plan`` sends nothing."""

    config: Config
    window: Window
    step: timedelta
    subscriptions: Sequence[str] | None = None
    plan: bool = False
    redo: bool = False


def backfill(
    asked: Backfill,
    *,
    watcher: Watcher | None = None,
    progress: Progress | None = None,
    interrupted: Event | None = None,
) -> BackfillReport:
    """Run every window, the oldest first; those an earlier backfill completed are skipped unless ``redo``.

    An ``until`` that is still to come is now: nothing can be complete before it has passed.
    Raises a subclass of ``EtlError`` whose report holds the windows so far, when one of them was not completed.
    """
    began = time.monotonic()
    asked = replace(asked, window=_passed(asked.window, datetime.now(UTC)))
    windows, skipped = _windows(asked, interrupted)
    done: list[Report] = []
    for number, window in enumerate(windows, 1):
        try:
            done.append(run(_job(asked, window, progress, interrupted)))
        except EtlError as error:
            if error.report is not None:
                done.append(error.report)
            error.report = replace(
                _summed(asked, done, skipped, began),
                complete=False,
                exit_code=error.exit_code,
                error={"type": type(error).__name__, "message": str(error)},
            )
            raise
        if watcher:
            left = (time.monotonic() - began) / number * (len(windows) - number)
            watcher.window(number, len(windows), done[-1], left)
    report = _summed(asked, done, skipped, began)
    return report if asked.plan else _saying(asked.config, report)


def _saying(config: Config, report: BackfillReport) -> BackfillReport:
    """With the letters of its windows, and of runs that stopped, as new ones; nothing of them was said before."""
    new = wiring.state_of(config).say_new(config.pipeline, config.destination.account)
    if report.counts is None or not new:
        return report
    report.counts.say_letters(new)
    return replace(report, exit_code=max(report.exit_code, TO_LOOK_AT))


def _passed(window: Window, now: datetime) -> Window:
    if window.empty:
        raise ConfigError(f"the window {window} is empty: --since must be before --until")
    if window.since >= now:
        raise ConfigError(f"the window {window} is still to come")
    return window.clamp(None, now)


def _windows(asked: Backfill, interrupted: Event | None) -> tuple[list[Window], tuple[Window, ...]]:
    windows = list(asked.window.split(asked.step))
    if asked.redo:
        return windows, ()
    state = wiring.state_of(asked.config)
    # The scope names subscriptions, their versions and the account: only the same work counts as done.
    scope = _job(asked, windows[0], None, interrupted).plan.scope
    runs = state.runs(asked.config.pipeline, asked.config.destination.account)
    complete = runs[(runs["kind"] == "backfill") & (runs["status"] == "complete") & (runs["scope"] == scope)]
    done = {(_moment(row.since), _moment(row.until)) for row in complete.itertuples(index=False)}
    skipped = tuple(w for w in windows if (w.since, w.until) in done)
    return [w for w in windows if w not in skipped], skipped


def _moment(value: Any) -> datetime:
    moment: datetime = value.to_pydatetime(warn=False)
    return moment


def _job(asked: Backfill, window: Window, progress: Progress | None, interrupted: Event | None) -> Any:
    return wiring.job_of(
        asked.config,
        window=(window.since, window.until),
        kind="backfill",
        subscriptions=asked.subscriptions,
        dry_run=asked.plan,
        progress=progress,
        interrupted=interrupted,
    )


def _summed(
    asked: Backfill, done: Sequence[Report], skipped: tuple[Window, ...], began: float
) -> BackfillReport:
    counts = Counts()
    for report in done:
        if report.counts is not None:
            counts.include(report.counts)
    return BackfillReport(
        exit_code=max((report.exit_code for report in done), default=0),
        dry_run=asked.plan,
        window=asked.window,
        complete=not asked.plan and all(report.complete for report in done),
        counts=counts,
        seconds=time.monotonic() - began,
        notes=[note for report in done for note in report.notes],
        windows=tuple(done),
        skipped=skipped,
    )
