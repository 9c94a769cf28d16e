"""The job's story: extract → transform → decide → send → confirm → record → complete.

HTTP and the state share no transaction, so order carries the promise: an id is recorded only after Metronome
confirmed it. A crash between the two makes the next run send the same ids again, which Metronome ignores for 34
days; a window is marked complete only when every pair in it came to an end. So any run can be repeated.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING

from etl.core.errors import CircuitBreakerError, EtlError, InterruptedRunError, SourceError
from etl.core.outcomes import HELD
from etl.core.report import Counts, Report
from etl.pipeline import dead_letters
from etl.pipeline.chunks import chunks
from etl.pipeline.counting import count
from etl.pipeline.limits import Limits
from etl.pipeline.precedence import LookUp
from etl.pipeline.reading import Reading
from etl.pipeline.recorder import CircuitBreaker, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from etl.core.errors import BrokenPart
    from etl.core.layouts import Path
    from etl.core.ports import Delivery, Destination, Progress, RunPlan, Source
    from etl.pipeline.dead_letters import Letters
    from etl.pipeline.pairs import Billing, Examined
    from etl.state import StateStore
    from etl.state.run_log import Run

#: Seconds that a run being stopped waits for what is in flight (Ctrl-C ends within ten seconds).
GRACE_SECONDS = 7.0
_POLL_SECONDS = 0.01
#: Chunks handed over in one go: each time, other threads may take the interpreter's lock for a while.
_TOGETHER = 8


@dataclass(frozen=True)
class Job:
    """Everything a run needs, chosen by ``wiring``.

    ``names``: subscriptions whose held pairs it sends when they are due, but those of after they ``retired``. ``notes``: what its report says once.
    ``quantity``: where in the track event the number is that is summed beside the counts.
    """

    source: Source
    destination: Destination
    state: StateStore
    plan: RunPlan
    billings: Sequence[Billing]
    limits: Limits = field(default_factory=Limits)
    breaker: Callable[[], CircuitBreaker] = CircuitBreaker
    max_age: timedelta = timedelta(days=33)
    overlap: timedelta = timedelta(hours=72)
    dry_run: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    progress: Progress | None = None
    interrupted: Event = field(default_factory=Event)
    names: frozenset[str] = frozenset()
    retired: Mapping[str, datetime] = field(default_factory=dict)
    notes: Sequence[str] = ()
    quantity: Path | None = None


def run(job: Job) -> Report:
    """Run one window; the report has the contract's counts, whatever happened.

    Raises a subclass of ``EtlError`` that carries the report when the window was not completed.
    """
    began = time.monotonic()
    counts = Counts()
    for billing in job.billings:
        counts.of(billing.name)
    report = Report(dry_run=job.dry_run, window=job.plan.window, counts=counts, notes=job.notes)
    try:
        if job.dry_run:
            _dry_run(job, counts)
        else:
            with job.state.begin(job.plan) as log:
                report = replace(report, run_id=log.run_id)
                _send(job, log, counts)
    except EtlError as error:
        error.report = replace(
            report,
            exit_code=error.exit_code,
            seconds=time.monotonic() - began,
            error={"type": type(error).__name__, "message": str(error)},
        )
        raise
    report = replace(_freshness(job, report), complete=not job.dry_run, seconds=time.monotonic() - began)
    look = report.to_look_at if job.dry_run else counts.new_letters
    return replace(report, exit_code=1 if look else 0)


def _freshness(job: Job, report: Report) -> Report:
    """How far the source has got, where a run of the schedule read nothing out of the overlap.

    Else it is not behind, and is not asked: in a warehouse that is a query over a whole table.
    """
    read = report.counts and report.counts.newest_read
    until, newest = job.plan.window.until, None
    if job.dry_run or job.plan.kind != "scheduled" or (read and until - read <= job.overlap):
        return report
    with suppress(EtlError):  # the window is complete without it
        newest = job.source.newest()
    if newest is None:
        return report
    behind = until - newest
    return replace(
        report, newest=newest, behind_seconds=behind.total_seconds() if behind > job.overlap else None
    )


def _dry_run(job: Job, counts: Counts) -> None:
    """Everything but sending and recording: what would be sent stays ``unsent``."""
    with job.state.peek(job.plan) as view, LookUp(view, job.clock, job.max_age) as look_up:
        reading = Reading(job, view, counts, lambda: _refuse_interrupted(job))
        for examined in reading:
            if examined.batch.late:
                counts.late += reading.unbilled.add(examined, look_up.judge_held(examined.pairs))
            else:
                _count(counts, look_up.judge(examined.pairs))
        if error := reading.settle().error:
            raise error


def _send(job: Job, log: Run, counts: Counts) -> None:
    """Run the window, and close the run's books in the state: complete, or stopped with what was recorded."""
    try:
        with job.destination.open() as delivery, LookUp(log, job.clock, job.max_age) as look_up:
            line = _Line(job, log, delivery, look_up, counts)
            line.run()
        log.complete(counts, line.marks, line.known)
    except BaseException as error:
        # With nothing but broken parts in the way, the others came to their end.
        whole = line.marks if isinstance(error, SourceError) and error.parts else ()
        with suppress(EtlError):
            log.stop(counts, error, forget_letters=isinstance(error, CircuitBreakerError), marks=whole)
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedRunError(_INTERRUPTED) from None
        raise


_INTERRUPTED = (
    "interrupted: what was in flight was finished and recorded, the window is not complete; run it again to send "
    "the rest"
)
_CUT_SHORT = (
    "interrupted: not all that was in flight was answered and recorded in time, and the window is not complete; run it "
    "again to send the rest: Metronome ignores what it has taken already"
)


class _Line:
    """One run's production line: batches in, chunks out, answers recorded."""

    def __init__(self, job: Job, log: Run, delivery: Delivery, look_up: LookUp, counts: Counts) -> None:
        self.job, self.log, self.delivery, self.look_up, self.counts = job, log, delivery, look_up, counts
        self.recorder = Recorder(log, delivery, counts, job.breaker())
        self.marks: set[str] = set()
        self.known: set[str] = set()
        self.touched: set[str] = set()

    def run(self) -> None:
        """The window's pairs, then the held pairs of earlier windows that came due."""
        reading = Reading(self.job, self.log, self.counts, self._check)
        self.recorder.start()
        try:
            for examined in reading:
                if examined.batch.late:
                    judged = self.look_up.judge_held(examined.pairs)
                    self.counts.late += reading.unbilled.add(examined, judged)
                elif examined.batch.table.num_rows or examined.batch.unreadable:
                    self._bill(examined)
            self._drain()
            self.recorder.flush()
            self._release()
            self._drain()
            settled = reading.settle()
            self.recorder.add_letters([*settled.letters, *reading.unbilled.letters()])
            self.recorder.end(settled.ended)
        except InterruptedRunError:
            raise InterruptedRunError(_INTERRUPTED if self._finish_in_flight() else _CUT_SHORT) from None
        except BaseException:
            self._finish_in_flight()
            raise
        self.recorder.close()
        self.marks |= reading.marks
        self.known |= reading.known
        if settled.error:
            raise settled.error
        self._leave_out(settled.left_out)

    def _leave_out(self, parts: Sequence[BrokenPart]) -> None:
        """The window is complete without these: new to look at where no run has said so of the part as it is."""
        new = [part for part in parts if part.mark not in self.log.marks]
        self.counts.add_new_letters({"broken": len(new)} if new else {})
        self.marks |= {part.mark for part in parts if part.mark}

    def _check(self) -> None:
        """Between two steps: was the run interrupted, did the recording fail?"""
        _refuse_interrupted(self.job)
        self.recorder.check()

    def _bill(self, examined: Examined) -> None:
        judged = self.look_up.judge(examined.pairs)
        letters = partial(dead_letters.of_batch, examined)
        self._touch(judged)
        _count(self.counts, judged)
        self.recorder.add_letters(
            [
                *dead_letters.unreadable(examined.batch.unreadable),
                *dead_letters.rejected(examined),
                *dead_letters.not_sent(letters, judged, self.job.max_age),
            ]
        )
        self._send(_to_send(judged), letters)

    def _touch(self, judged: pd.DataFrame) -> None:
        """Before the first pair of a subscription is sent, or held to be sent: no other version may bill its time."""
        if self.touched.issuperset(judged["subscription"].unique()):
            return
        billed = judged["subscription"][judged["outcome"].isin(["send", *HELD])]
        new = set(billed.unique()) - self.touched
        if new:
            self.log.touch(new)
            self.touched |= new

    def _release(self) -> None:
        """Send the held pairs of earlier windows that came due; those this window met are recorded by now."""
        due = dead_letters.due(self.log.held(self.job.clock()), self.job.names, self.job.retired)
        if not due:
            return
        letters = partial(dead_letters.of_held, due)
        judged = self.look_up.judge_held(dead_letters.pairs_of(due))
        ended = judged[~judged["outcome"].isin(["send", "duplicate", *HELD])]
        self.recorder.end([int(number) for number in ended["number"]])
        self.recorder.add_letters(dead_letters.not_sent(letters, ended, self.job.max_age))
        self._send(_to_send(judged).drop_duplicates("key", ignore_index=True), letters)

    def _send(self, events: pd.DataFrame, letters: Letters) -> None:
        """Hand over every event, in chunks; ``letters`` makes the dead letters of those that are refused."""
        # Expecting none would keep the batch in memory until the next commit, which may be far off.
        if not len(events):
            return
        self.recorder.expect(events, letters)
        waiting = chunks(events)
        while some := list(islice(waiting, _TOGETHER)):
            while some:
                self._check()
                fitting = self.recorder.fitting(some) if self.delivery.ready(_POLL_SECONDS) else []
                taken = self.delivery.offer(fitting)
                some = some[taken:]
                if not taken:
                    time.sleep(_POLL_SECONDS)

    def _drain(self) -> None:
        """Wait until every chunk is answered and its answer collected."""
        while self.delivery.in_flight:
            self._check()
            self.delivery.drain(_POLL_SECONDS)
            time.sleep(_POLL_SECONDS)
        self.delivery.drain()

    def _finish_in_flight(self) -> bool:
        """Stopped: whatever is answered within the grace period is still recorded, and nothing is masked.

        Whether that is everything.
        """
        with suppress(EtlError):
            self.delivery.drain(GRACE_SECONDS)
        with suppress(EtlError):
            self.recorder.close()
            return not self.delivery.in_flight
        return False


def _to_send(judged: pd.DataFrame) -> pd.DataFrame:
    chosen = (judged["outcome"] == "send").to_numpy()
    return judged if chosen.all() else judged[chosen].reset_index(drop=True)


def _count(counts: Counts, judged: pd.DataFrame) -> None:
    """By outcome; what is to be sent counts once it is confirmed."""
    for outcome in judged["outcome"].unique():
        if outcome != "send":
            count(counts, str(outcome), judged[judged["outcome"] == outcome])


def _refuse_interrupted(job: Job) -> None:
    if job.interrupted.is_set():
        raise InterruptedRunError(_INTERRUPTED)
