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
from itertools import compress, islice
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from etl.core.errors import CircuitBreakerError, EtlError, InterruptedRunError, SourceError
from etl.core.ids import digests, transaction_keys
from etl.core.report import Counts, Report
from etl.pipeline import dead_letters as dead
from etl.pipeline import dead_letters as held
from etl.pipeline.broken_parts import Settled, settle
from etl.pipeline.chunks import chunks
from etl.pipeline.limits import Limits
from etl.pipeline.pairs import PATHS as OPT_OUT_PATHS
from etl.pipeline.pairs import Billing, Examined, in_pieces
from etl.pipeline.precedence import MAX_AHEAD, UNKNOWN, decide
from etl.pipeline.read_ahead import ReadAhead
from etl.pipeline.recorder import Breaker, Recorder
from etl.pipeline.seen import SeenIds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from etl.core.errors import BrokenPart
    from etl.core.layouts import Path
    from etl.core.ports import (
        DeadLetter,
        Delivery,
        Destination,
        EventBatch,
        HeldLetter,
        Progress,
        RunLog,
        RunPlan,
        Source,
        State,
    )

#: Seconds that a run being stopped waits for what is in flight (issue: Ctrl-C ends within ten seconds).
GRACE_SECONDS = 7.0
_POLL_SECONDS = 0.01
#: Chunks handed over in one go: each time, other threads may take the interpreter's lock for a while.
_TOGETHER = 8


@dataclass(frozen=True)
class Job:
    """Everything a run needs, chosen by ``wiring``."""

    source: Source
    destination: Destination
    state: State
    plan: RunPlan
    billings: Sequence[Billing]
    limits: Limits = field(default_factory=Limits)
    breaker: Callable[[], Breaker] = Breaker
    max_age: timedelta = timedelta(days=33)
    overlap: timedelta = timedelta(hours=72)
    dry_run: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    progress: Progress | None = None
    interrupted: Event = field(default_factory=Event)


def run(job: Job) -> Report:
    """Run one window; the report has the contract's counts, whatever happened.

    Raises a subclass of ``EtlError`` that carries the report when the window was not completed.
    """
    began = time.monotonic()
    counts = Counts()
    for billing in job.billings:
        counts.of(billing.name)
    report = Report(dry_run=job.dry_run, window=job.plan.window, counts=counts)
    opened = job.state.peek(job.plan) if job.dry_run else job.state.begin(job.plan)
    try:
        with opened as log:
            report = replace(report, run_id=None if job.dry_run else log.run_id)
            (_dry_run if job.dry_run else _send)(job, log, counts)
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


def _dry_run(job: Job, log: RunLog, counts: Counts) -> None:
    """Everything but sending and recording: what would be sent stays ``unsent``."""
    reading = _Reading(job, log, counts, lambda: _refuse_interrupted(job))
    with SeenIds() as seen:
        for examined in reading:
            pairs = _identified(examined.pairs)
            outcomes = _outcomes(job, log, seen, pairs)
            for outcome in _other_than_send(outcomes):
                counts.add(outcome, _by_subscription(pairs[outcomes == outcome]))
    settled = reading.settle()
    if settled.error:
        raise settled.error


def _send(job: Job, log: RunLog, counts: Counts) -> None:
    """Run the window, and close the run's books in the state: complete, or stopped with what was recorded."""
    marks: set[str] = set()
    try:
        with job.destination.open() as delivery, SeenIds() as seen:
            line = _Line(job, log, delivery, seen, counts)
            line.run(marks)
        log.complete(counts, marks)
    except BaseException as error:
        # With nothing but broken parts in the way, the others came to their end.
        whole = marks if isinstance(error, SourceError) and error.parts else ()
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


_DRIFT = "sent before with other content; Metronome keeps the first"


class _Line:
    """One run's production line: batches in, chunks out, answers recorded."""

    def __init__(self, job: Job, log: RunLog, delivery: Delivery, seen: SeenIds, counts: Counts) -> None:
        self.job, self.log, self.delivery, self.seen, self.counts = job, log, delivery, seen, counts
        self.recorder = Recorder(log, delivery, counts, job.breaker())
        self.touched: set[str] = set()

    def run(self, marks: set[str]) -> None:
        reading = _Reading(self.job, self.log, self.counts, self._look_up)
        self.recorder.start()
        try:
            for examined in reading:
                if examined.batch.table.num_rows or examined.batch.unreadable:
                    self._bill(examined)
            self._drain()
            self.recorder.flush()
            self._release()
            self._drain()
            settled = reading.settle()
            self.recorder.add_letters(settled.letters)
            self.recorder.end(settled.ended)
        except InterruptedRunError:
            raise InterruptedRunError(_INTERRUPTED if self._finish_in_flight() else _CUT_SHORT) from None
        except BaseException:
            self._finish_in_flight()
            raise
        self.recorder.close()
        marks |= reading.marks
        if settled.error:
            raise settled.error
        self._leave_out(settled.left_out, marks)

    def _leave_out(self, parts: Sequence[BrokenPart], marks: set[str]) -> None:
        """The window is complete without these: new to look at where no run has said so of the part as it is."""
        new = [part for part in parts if part.mark not in self.log.marks]
        self.counts.add_new_letters({"unreadable": len(new)} if new else {})
        marks |= {part.mark for part in parts if part.mark}

    def _look_up(self) -> None:
        """Between two steps: was the run interrupted, did the recording fail?"""
        _refuse_interrupted(self.job)
        self.recorder.check()

    def _bill(self, examined: Examined) -> None:
        pairs = _identified(examined.pairs)
        outcomes = _outcomes(self.job, self.log, self.seen, pairs)
        self.recorder.add_letters([*dead.unreadable(examined.batch.unreadable), *dead.rejected(examined)])
        for outcome in _other_than_send(outcomes):
            chosen = pairs[outcomes == outcome]
            self.counts.add(outcome, _by_subscription(chosen))
            if outcome == "in_future":
                self._touch(chosen)
            self.recorder.add_letters(self._letters(examined, chosen, outcome))
        to_send = outcomes == "send"
        events = pairs if to_send.all() else pairs[to_send].reset_index(drop=True)
        # Expecting none would keep the batch in memory until the next commit, which may be far off.
        if len(events):
            self.recorder.expect(events, partial(dead.held_back, examined))
            self._touch(events)
            self._submit(events)

    def _touch(self, pairs: pd.DataFrame) -> None:
        """Before the first pair of a subscription is sent, or held to be sent: no other version may bill its time."""
        new = set(pairs["subscription"].unique()) - self.touched
        if new:
            self.log.touch(new)
            self.touched |= new

    def _release(self) -> None:
        """Send the held pairs of earlier windows that came due; those this window met are recorded by now."""
        due = held.due(self.log.held(self.job.clock()), {billing.name for billing in self.job.billings})
        if not due:
            return
        pairs = _identified(held.pairs(due))
        known = self.log.lookup(pairs)
        self._let_go(due, pairs, known)
        outcomes = decide(
            pairs["timestamp"], np.ones(len(pairs), bool), known, self.job.clock(), self.job.max_age
        )
        self._give_up(due, pairs[outcomes == "too_old"])
        new = pairs[outcomes == "send"].drop_duplicates("key", ignore_index=True)
        self.recorder.expect(new, partial(held.letters, due), numbers=new["number"].to_numpy())
        self._submit(new)

    def _give_up(self, due: Sequence[HeldLetter], old: pd.DataFrame) -> None:
        """Held pairs that nobody released until they were too old: the letter says so from now on."""
        self.recorder.end([int(number) for number in old["number"]])
        reasons = [
            f"held until due, and older than max_age ({_days(self.job)} days) before a run released it"
        ]
        self.recorder.add_letters(held.letters(due, old, "too_old", reasons * len(old)))

    def _let_go(self, due: Sequence[HeldLetter], pairs: pd.DataFrame, known: np.ndarray) -> None:
        """Held pairs whose id was sent another way meanwhile are held no more; with other content they are drift.

        Also by this very run, of which ``lookup`` does not tell the content.
        """
        met = pairs[known != UNKNOWN]
        self.recorder.end([int(number) for number in met["number"]])
        both = self._digests(met)
        other = [one["digest"] != one["sent_digest"] for one in both]
        drifted = met[np.array(other, bool)]
        letters = held.letters(due, drifted, "drift", [_DRIFT] * len(drifted))
        self.recorder.add_letters(
            [
                replace(letter, **digests_of)
                for letter, digests_of in zip(letters, compress(both, other), strict=True)
            ]
        )

    def _digests(self, pairs: pd.DataFrame) -> list[dict[str, Any]]:
        """Of each pair, and of what was sent under its id; hex."""
        earlier = self.log.sent_digests(list(pairs["transaction_id"])) if len(pairs) else {}
        return [
            {"digest": own.hex(), "sent_digest": earlier[i].hex()}
            for i, own in zip(pairs["transaction_id"], digests(pairs["body"]), strict=True)
        ]

    def _submit(self, events: pd.DataFrame) -> None:
        waiting = chunks(events)
        while some := list(islice(waiting, _TOGETHER)):
            while some:
                self._look_up()
                fitting = self.recorder.fitting(some) if self.delivery.ready(_POLL_SECONDS) else []
                taken = self.delivery.offer(fitting)
                some = some[taken:]
                if not taken:
                    time.sleep(_POLL_SECONDS)

    def _drain(self) -> None:
        """Wait until every chunk is answered and its answer collected."""
        while self.delivery.in_flight:
            self._look_up()
            self.delivery.drain(_POLL_SECONDS)
            time.sleep(_POLL_SECONDS)
        self.delivery.drain()

    def _letters(self, examined: Examined, pairs: pd.DataFrame, outcome: str) -> list[DeadLetter]:
        match outcome:
            case "too_old":
                reasons = [f"older than max_age ({_days(self.job)} days)"] * len(pairs)
                return dead.held_back(examined, pairs, outcome, reasons)
            case "in_future":
                due = [datetime.fromisoformat(stamp) - MAX_AHEAD for stamp in pairs["timestamp"]]
                reasons = ["more than 24 hours ahead; held until it is due"] * len(pairs)
                return dead.held_back(examined, pairs, outcome, reasons, due=due)
            case "drift":
                both = self._digests(pairs)
                return dead.held_back(
                    examined,
                    pairs,
                    outcome,
                    [_DRIFT] * len(pairs),
                    digest=[one["digest"] for one in both],
                    sent_digest=[one["sent_digest"] for one in both],
                )
        return []

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


class _Reading:
    """The window's batches, examined and counted, read ahead of what is sent; then ``marks``, and what was broken."""

    def __init__(self, job: Job, log: RunLog, counts: Counts, idle: Callable[[], None]) -> None:
        self._job, self._log, self._counts, self._idle = job, log, counts, idle
        self._read: set[str] = set()
        self._broken: Sequence[BrokenPart] = ()
        self.marks: set[str] = set()

    def __iter__(self) -> Iterator[Examined]:
        try:
            yield from self._examined()
        except SourceError as error:
            if not error.parts:
                raise
            self._broken = error.parts
            self._counts.broken += len(error.parts)

    def settle(self) -> Settled:
        """What becomes of what is broken, or was in earlier runs."""
        return settle(self._broken, self._log.broken_parts(), self._read, self._job.source.missing)

    def _examined(self) -> Iterator[Examined]:
        job = self._job
        # Whoever names a window wants it read; the schedule need not read again what has not changed.
        done = self._log.marks if job.plan.kind == "scheduled" else frozenset()
        batches = job.source.batches(job.plan.window, _paths(job), done)
        # While one batch is sent, the next is mapped and the one after it read, each in a thread of its own.
        read = ReadAhead(batches, depth=1, idle=lambda: None)
        mapped = in_pieces(read, job.billings, job.limits)
        for examined in ReadAhead(mapped, depth=2, idle=self._idle):
            self._count(examined)
            yield examined
            if examined.batch.mark:
                self.marks.add(examined.batch.mark)

    def _count(self, examined: Examined) -> None:
        batch, counts = examined.batch, self._counts
        self._read.add(batch.origin.lower())
        counts.read += batch.table.num_rows
        counts.filtered += batch.table.num_rows - examined.matched_rows
        counts.unreadable += len(batch.unreadable)
        counts.saw(_newest(batch))
        counts.add("matched", _by_subscription(examined.pairs))
        counts.add("matched", _by_subscription(examined.rejected))
        counts.add("rejected", _by_subscription(examined.rejected))
        if self._job.progress:
            self._job.progress.update(counts, self._job.plan.window, _newest(batch), batch.done)


def _outcomes(job: Job, log: RunLog, seen: SeenIds, pairs: pd.DataFrame) -> pd.Categorical:
    first = seen.first_seen(pairs["key"])
    known = log.lookup(pairs)
    outcomes = decide(pairs["timestamp"], first, known, job.clock(), job.max_age)
    discarded = log.discarded()
    if discarded:
        ids = zip(pairs["subscription"], pairs["transaction_id"], strict=True)
        outcomes[np.fromiter((one in discarded for one in ids), bool, len(pairs)) & (outcomes == "send")] = (
            "in_future"  # as when it was held: the same letter, which stays closed
        )
    return outcomes


def _other_than_send(outcomes: pd.Categorical) -> list[str]:
    """Each outcome that occurs."""
    return [str(outcome) for outcome in outcomes.unique() if outcome != "send"]


def _identified(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.assign(key=transaction_keys(pairs["transaction_id"]))


def _paths(job: Job) -> frozenset[Path] | None:
    """Every path that a trigger, a mapping or the opt-out looks at; None when one needs the whole event."""
    paths: set[Path] = {("messageId",), *OPT_OUT_PATHS}
    for billing in job.billings:
        if billing.compiled.paths is None:
            return None
        paths |= billing.compiled.paths
    return frozenset(paths)


def _days(job: Job) -> str:
    return f"{job.max_age / timedelta(days=1):g}"


def _by_subscription(frame: pd.DataFrame) -> dict[str, int]:
    return {str(name): int(number) for name, number in frame["subscription"].value_counts().items()}


def _refuse_interrupted(job: Job) -> None:
    if job.interrupted.is_set():
        raise InterruptedRunError(_INTERRUPTED)


def _newest(batch: EventBatch) -> datetime | None:
    newest: datetime | None = pc.max(batch.cursor).as_py()
    return newest
