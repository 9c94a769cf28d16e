"""One run's books: every write goes through the fence, and nothing is written once the window is lost."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from etl.core.errors import EtlError, StateError
from etl.core.ids import key_words
from etl.state import books as ledger
from etl.state import dead_letters as letters
from etl.state.schema import runs
from etl.state.sent_log.log import SentLog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    import pandas as pd
    import sqlalchemy as sa

    from etl.core.ports import BrokenLetter, Content, DeadLetter, HeldLetter, RunPlan
    from etl.core.report import Counts
    from etl.core.windows import Window
    from etl.state.database import Database


class View:
    """What a run sees of the state; on its own it is a dry run's, which records nothing.

    ``marks``: of the parts of the source that an earlier run of this scope read whole; ``known``: of those whose late
    rows were dealt with. ``busy``: stretches behind the window that other runs hold. ``reader``: a connection to
    read from. Calls may come from several threads; they wait for each other.
    """

    busy: Sequence[Window] = ()

    def __init__(self, database: Database, reader: sa.Connection, plan: RunPlan, epoch: int = 0) -> None:
        self._database = database
        self._reader = reader
        self._plan = plan
        self._epoch = epoch
        self._sent = SentLog(plan.account, epoch)
        # One for each connection: what is looked up need not wait for what is being recorded.
        self._mutex, self._reading = threading.RLock(), threading.RLock()
        with self._looking() as connection:
            self.marks = ledger.marks_of(connection, plan.pipeline, plan.scope)
            known = plan.late and plan.known_scope
            self.known = ledger.marks_of(connection, plan.pipeline, known) if known else frozenset()

    @contextmanager
    def _looking(self) -> Iterator[sa.Connection]:
        with self._reading, self._database.guarded(), self._reader.begin():
            yield self._reader

    def close(self) -> None:
        """Let go of what was kept in memory and in temporary files."""
        self._sent.close()

    def lookup(self, pairs: pd.DataFrame) -> dict[int, Content]:
        """Position → what was sent under the id, for those of ``pairs`` (``transaction_id``, ``key``) in the sent log.

        Of every run, this one included, as far as it is recorded.
        """
        if not len(pairs):
            return {}
        with self._looking() as connection:
            return self._sent.find(connection, key_words(pairs["key"]), pairs["transaction_id"])

    def held(self, due_before: datetime) -> list[HeldLetter]:
        """The pipeline's held pairs whose ``due`` is no later, the earliest first."""
        with self._looking() as connection:
            return list(letters.held(connection, self._plan.pipeline, self._plan.account, due_before))

    @cached_property
    def discarded(self) -> frozenset[tuple[str, str]]:
        """(subscription, transaction_id) of held pairs that somebody discarded before this run looked first.

        They are not sent once they are due.
        """
        with self._looking() as connection:
            return letters.discarded(connection, self._plan.pipeline, self._plan.account)

    def broken_parts(self) -> list[BrokenLetter]:
        """Letters of parts of the source that could not be read: open, or discarded."""
        with self._looking() as connection:
            return letters.broken_parts(connection, self._plan.pipeline, self._plan.account)


class Run(View):
    """The log of a run that holds its window. Every write is fenced by the run's epoch.

    ``writer``: the connection that all of the run's commits go through; on PostgreSQL it also carries the lock, so
    a run whose session was cut can commit nothing more.
    """

    def __init__(
        self, database: Database, reader: sa.Connection, writer: sa.Connection, plan: RunPlan,
        *, run_id: str, epoch: int, now: Callable[[], datetime], keep_events: bool, busy: Sequence[Window] = (),
    ) -> None:  # fmt: skip
        super().__init__(database, reader, plan, epoch)
        self.busy = busy
        self.run_id = run_id
        self._writer = writer
        self._now = now
        self._keep_events = keep_events
        self._lost: str | None = None
        self._ended = False

    def touch(self, names: Collection[str]) -> None:
        """Keep that events may be sent under the plan's versions of these names; before the first of them is.

        Until then another version may still take the window: a run that was stopped by a typo in its mapping, and
        sent nothing, must not bind its correction.
        """
        with self._fenced() as connection:
            self._add_touches(connection, names)

    def _add_touches(self, connection: sa.Connection, names: Collection[str]) -> None:
        for (name, version), windows in self._plan.touches.items():
            for window in windows if name in names else ():
                ledger.add_touch(connection, self._plan, name, version, window)

    def record(
        self,
        sent: pd.DataFrame,
        letters: Sequence[DeadLetter],
        counts: Counts,
        released: Collection[int] = (),
        recount: Callable[[np.ndarray], None] | None = None,
        *,
        looked_up: bool = False,
    ) -> Mapping[str, int]:
        """Commit confirmed usage events and dead letters in one transaction; how many letters were new, by outcome.

        ``released``: numbers of held letters that came to an end, closed in the same transaction.
        ``recount``: called, before ``counts`` is kept, with which rows of ``sent`` (bool) another run had recorded
        meanwhile, if any. ``looked_up``: no two rows have the same id, and this run's ``lookup`` found none of them;
        only what others appended since is then looked at again.

        Raises ``StateError`` when the database fails or the run lost its window.
        """
        now = self._now()
        try:
            with self._fenced(counts=_json(counts)) as connection:
                if len(sent):
                    appended = self._sent.append(connection, sent, now, looked_up=looked_up)
                    if recount and not appended.all():
                        recount(~appended)
                        self._fence(connection, {"counts": _json(counts)})
                new = self._keep(connection, letters, released, now)
        except BaseException:
            self._sent.rolled_back()
            raise
        self._sent.committed()
        return new

    def _keep(
        self, connection: sa.Connection, found: Sequence[DeadLetter], released: Collection[int], now: datetime
    ) -> Counter[str]:
        plan = self._plan
        seen = letters.Sighting(plan.pipeline, plan.account, self._epoch, now, self._keep_events)
        letters.close(
            connection,
            released,
            "resolved",
            now,
            why=f"settled by run {self.run_id}",
            drop_body=not self._keep_events,
        )
        return letters.record(connection, found, seen) if found else Counter()

    def accept_token(self) -> None:
        """Metronome answered the token 200: remember its fingerprint under the account."""
        if self._plan.fingerprint:
            with self._fenced() as connection:
                ledger.keep_fingerprint(connection, self._plan.fingerprint, self._plan.account, self._now())

    def complete(self, counts: Counts, marks: Collection[str], known: Collection[str] = ()) -> None:
        """Mark the plan's intervals complete, in the transaction that holds the marks and the run's final counts.

        ``known``: marks of parts that were not read, and whose late rows need not be looked for.
        """
        now, plan = self._now(), self._plan
        with self._fenced() as connection:
            for name, window in plan.intervals.items():
                ledger.add_interval(connection, plan, name, window)
            ledger.forget_the_future(connection, plan, max(now, plan.window.until))
            self._add_touches(connection, plan.intervals)
            self._keep_marks(connection, marks, known, now)
            self._sent.finish(connection)
            if plan.says:
                counts.say_letters(letters.say(connection, plan.pipeline, plan.account, now))
            self._fence(connection, {"counts": _json(counts), "status": "complete", "ended": now})
        self._ended = True

    def _keep_marks(
        self, connection: sa.Connection, marks: Collection[str], known: Collection[str], now: datetime
    ) -> None:
        """What was read whole needs no second look for late rows either, unless only some subscriptions billed it."""
        ledger.keep_marks(connection, self._plan, self._plan.scope, marks, now)
        if self._plan.known_scope:
            ledger.keep_marks(connection, self._plan, self._plan.known_scope, {*marks, *known}, now)

    def leave(self, error: BaseException) -> None:
        """Stop the run because of ``error`` if nobody has ended it; the counts stay as they were recorded last."""
        if not self._ended:
            self._stop(None, error, forget_letters=False)

    def stop(
        self,
        counts: Counts,
        error: BaseException,
        *,
        forget_letters: bool = False,
        marks: Collection[str] = (),
    ) -> None:
        """End an incomplete run; where the database cannot take even that, the next one sees that it is dead.

        ``forget_letters`` drops the dead letters that it newly recorded (circuit breaker). ``marks``: parts that were
        read whole, and all of whose pairs came to an end.
        """
        # A commit whose answer was lost may have happened: its counts are in the row, together with its ids.
        self._stop(None if self._lost else counts, error, forget_letters=forget_letters, marks=marks)

    def _stop(
        self,
        counts: Counts | None,
        error: BaseException,
        *,
        forget_letters: bool,
        marks: Collection[str] = (),
    ) -> None:
        values: dict[str, Any] = {"status": "stopped", "ended": self._now(), "error": _describe(error)}
        self._ended = True
        with suppress(EtlError), self._mutex, self._database.transaction() as connection:
            # A connection of its own: the run's may be what failed. The fence holds on any connection.
            self._fence(connection, {})
            gone = letters.forget(connection, self._epoch) if forget_letters else Counter()
            if counts is not None:
                counts.forget_letters(gone)
                values["counts"] = _json(counts)
            self._keep_marks(connection, marks, (), self._now())
            self._fence(connection, values)

    @contextmanager
    def _fenced(self, **values: Any) -> Iterator[sa.Connection]:
        """A transaction that begins by making sure that this is still the run of its window."""
        with self._mutex:
            if self._lost:
                raise StateError(self._lost)
            try:
                with self._database.writing(self._writer) as connection:
                    self._fence(connection, values)
                    yield connection
            except StateError as error:
                # Another connection would not hold the lock any more, and SQLAlchemy would silently open one.
                self._lost = str(error)
                raise

    def _fence(self, connection: sa.Connection, values: dict[str, Any]) -> None:
        mine = (runs.c.run_id == self.run_id) & (runs.c.epoch == self._epoch) & (runs.c.status == "running")
        update = runs.update().where(mine).values({"pid": runs.c.pid, **values})
        if connection.execute(update).rowcount != 1:
            raise StateError(
                f"another run took over the window {self._plan.window} of pipeline {self._plan.pipeline!r} from run "
                f"{self.run_id} (its lock was lost). Nothing more was recorded; the other run sends what is missing."
            )


def _json(counts: Counts) -> str:
    return orjson.dumps(counts.as_dict()).decode()


def _describe(error: BaseException) -> str:
    # The text of any other exception may quote an event.
    told = str(error) if isinstance(error, EtlError) else ""
    return f"{type(error).__name__}: {told}" if told else type(error).__name__
