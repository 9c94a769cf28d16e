"""What a run reads: the window's batches, examined and counted ahead of what is sent, and what could not be read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from etl.core.errors import SourceError
from etl.pipeline.broken_parts import Settled, settle
from etl.pipeline.counting import count, with_quantities
from etl.pipeline.late_rows import LOOKED, Unbilled, apart, late_of, pass_mark
from etl.pipeline.pairs import OPT_OUT_PATHS, Examined, in_pieces
from etl.pipeline.read_ahead import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    import pandas as pd

    from etl.core.errors import BrokenPart
    from etl.core.layouts import Path
    from etl.core.ports import EventBatch
    from etl.core.report import Counts
    from etl.pipeline.run import Job
    from etl.state.run_log import View


class Reading:
    """The examined batches of a window, and of late rows behind it.

    Afterwards: ``marks`` of what was read whole, ``known`` marks of what was not read and need not be for late rows,
    the late pairs that cannot be billed (``unbilled``), and what was broken (``settle``).
    """

    def __init__(self, job: Job, view: View, counts: Counts, idle: Callable[[], None]) -> None:
        self._job, self._view, self._counts, self._idle = job, view, counts, idle
        self._read: set[str] = set()
        self._broken: Sequence[BrokenPart] = ()
        self._late = late_of(job.plan.late, view.known, job.clock()) if job.plan.late else None
        self.unbilled = Unbilled(self._late)
        self.marks: set[str] = set()
        self.known: set[str] = set()

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
        return settle(self._broken, self._view.broken_parts(), self._read, self._job.source.missing)

    def _examined(self) -> Iterator[Examined]:
        job = self._job
        # Whoever names a window wants it read; the schedule need not read again what has not changed.
        done = self._view.marks if job.plan.kind == "scheduled" else frozenset()
        batches = job.source.batches(job.plan.window, _paths(job), done, self._late)
        if self._late:
            batches = apart(batches, job.plan.window, self._late, self._view.busy)
        # While one batch is sent, the next is mapped and the one after it read, each in a thread of its own.
        read = ReadAhead(batches, depth=1, idle=lambda: None)
        mapped = in_pieces(read, job.billings, job.limits)
        if job.quantity:
            mapped = (with_quantities(examined, job.quantity) for examined in mapped)
        for examined in ReadAhead(mapped, depth=2, idle=self._idle):
            self._count(examined)
            yield examined
            if examined.batch.mark:
                self.marks.add(examined.batch.mark)
            self.known.update(examined.batch.known)
        if job.plan.late and self._late:
            self.known |= {LOOKED, *([pass_mark(job.plan.late, job.clock())] if self._late.asked else [])}

    def _count(self, examined: Examined) -> None:
        batch, counts = examined.batch, self._counts
        self._read.add(batch.origin.lower())
        if batch.late:
            return
        counts.read += batch.table.num_rows
        counts.filtered += batch.table.num_rows - examined.matched_rows
        counts.unreadable += len(batch.unreadable)
        counts.long_values += examined.warned
        counts.saw(_newest(batch))
        count(counts, "matched", examined.pairs)
        count(counts, "matched", examined.rejected)
        count(counts, "rejected", examined.rejected)
        counts.add_reasons(Counter(_reasons(examined.rejected)))
        if self._job.progress:
            self._job.progress.update(counts, self._job.plan.window, _newest(batch), batch.done)


def _paths(job: Job) -> frozenset[Path] | None:
    """Every path that a trigger, a mapping or the opt-out looks at; None when one needs the whole event."""
    paths: set[Path] = {("messageId",), *OPT_OUT_PATHS, *({job.quantity} if job.quantity else ())}
    for billing in job.billings:
        if billing.compiled.paths is None:
            return None
        paths |= billing.compiled.paths
    return frozenset(paths)


def _reasons(rejected: pd.DataFrame) -> Iterator[str]:
    for stage, reason in zip(rejected["stage"], rejected["reason"], strict=True):
        yield f"{stage}: {reason}"


def _newest(batch: EventBatch) -> datetime | None:
    newest: datetime | None = pc.max(batch.cursor).as_py()
    return newest
