"""One run's books: every write goes through the fence, and nothing is written once the window is lost."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from etl.core.errors import EtlError, StateError
from etl.core.ids import digests, key_words, words_of
from etl.state import books as ledger
from etl.state import dead_letters as letters
from etl.state.schema import runs
from etl.state.sent_log import rows
from etl.state.sent_log.log import Found, SentLog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    import pandas as pd
    import sqlalchemy as sa

    from etl.core.ports import BrokenLetter, DeadLetter, HeldLetter, RunPlan
    from etl.core.report import Counts
    from etl.state.database import Database

_SAME, _OTHER, _THIS_RUN = 1, 2, 3


class View:
    """What a run sees of the state. On its own it is a dry run's log: it looks up and records nothing.

    ``reader``: a connection to read from. Calls may come from several threads; they wait for each other.
    """

    run_id = "dry-run"

    def __init__(self, database: Database, reader: sa.Connection, plan: RunPlan, epoch: int = 0) -> None:
        self._database = database
        self._reader = reader
        self._plan = plan
        self._epoch = epoch
        self._sent = SentLog(plan.account, epoch)
        # One for each connection: what is looked up need not wait for what is being recorded.
        self._mutex, self._reading = threading.RLock(), threading.RLock()
        self._discarded: frozenset[tuple[str, str]] | None = None
        with self._looking() as connection:
            self.marks = ledger.marks_of(connection, plan.pipeline, plan.scope)

    @contextmanager
    def _looking(self) -> Iterator[sa.Connection]:
        with self._reading, self._database.guarded(), self._reader.begin():
            yield self._reader

    def close(self) -> None:
        """Let go of what was kept in memory and in temporary files."""
        self._sent.close()

    def lookup(self, pairs: pd.DataFrame) -> np.ndarray:
        """int8 per row; see ``ports.RunLog``."""
        known = np.zeros(len(pairs), np.int8)
        if not len(pairs):
            return known
        with self._looking() as connection:
            found = self._sent.find(connection, key_words(pairs["key"]), pairs["transaction_id"])
        if found:
            positions = list(found)
            own = digests(pairs["body"].iloc[positions])
            known[positions] = [self._compare(found[p], d) for p, d in zip(positions, own, strict=True)]
        return known

    def _compare(self, found: Found, digest: bytes) -> int:
        if found.run == self._epoch:
            return _THIS_RUN
        return _SAME if found.digest == digest else _OTHER

    def sent_digests(self, transaction_ids: Sequence[str]) -> dict[str, bytes]:
        """The digests these were sent with."""
        ids = rows.series(transaction_ids)
        with self._looking() as connection:
            found = self._sent.find(connection, words_of(transaction_ids), ids)
        return {transaction_ids[position]: row.digest for position, row in found.items()}

    def held(self, due_before: datetime) -> list[HeldLetter]:
        """Held pairs that came due."""
        with self._looking() as connection:
            return list(letters.held(connection, self._plan.pipeline, self._plan.account, due_before))

    def discarded(self) -> frozenset[tuple[str, str]]:
        """Held pairs that somebody discarded before this run looked first."""
        if self._discarded is None:
            with self._looking() as connection:
                self._discarded = letters.discarded(connection, self._plan.pipeline, self._plan.account)
        return self._discarded

    def broken_parts(self) -> list[BrokenLetter]:
        """Letters of parts of the source that could not be read."""
        with self._looking() as connection:
            return letters.broken_parts(connection, self._plan.pipeline, self._plan.account)

    def touch(self, names: Collection[str]) -> None:
        """Keep nothing."""

    def record(
        self,
        sent: pd.DataFrame,  # noqa: ARG002 - the port's signature
        letters: Sequence[DeadLetter],  # noqa: ARG002 - the port's signature
        counts: Counts,  # noqa: ARG002 - the port's signature
        released: Collection[int] = (),  # noqa: ARG002 - the port's signature
        recount: Callable[[np.ndarray], None] | None = None,  # noqa: ARG002 - the port's signature
        *,
        looked_up: bool = False,  # noqa: ARG002 - the port's signature
    ) -> Mapping[str, int]:
        """Record nothing."""
        return {}

    def accept_token(self) -> None:
        """Remember nothing."""

    def complete(self, counts: Counts, marks: Collection[str]) -> None:
        """Complete nothing."""

    def stop(
        self,
        counts: Counts,
        error: BaseException,
        *,
        forget_letters: bool = False,
        marks: Collection[str] = (),
    ) -> None:
        """Stop nothing."""


class Run(View):
    """The log of a run that holds its window.

    ``writer``: the connection that all of the run's commits go through; on PostgreSQL it also carries the lock, so
    a run whose session was cut can commit nothing more.
    """

    def __init__(
        self, database: Database, reader: sa.Connection, writer: sa.Connection, plan: RunPlan,
        *, run_id: str, epoch: int, now: Callable[[], datetime], keep_events: bool,
    ) -> None:  # fmt: skip
        super().__init__(database, reader, plan, epoch)
        self.run_id = run_id
        self._writer = writer
        self._now = now
        self._keep_events = keep_events
        self._lost: str | None = None
        self._ended = False

    def touch(self, names: Collection[str]) -> None:
        """Keep what these may be about to bill; see ``ports.RunLog``."""
        with self._fenced() as connection:
            self._add_touches(connection, names)

    def _add_touches(self, connection: sa.Connection, names: Collection[str]) -> None:
        for (name, version), window in self._plan.touches.items():
            if name in names:
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
        """Append, keep and count in one transaction; see ``ports.RunLog``."""
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
        """Remember the token's fingerprint under the account."""
        if self._plan.fingerprint:
            with self._fenced() as connection:
                ledger.keep_fingerprint(connection, self._plan.fingerprint, self._plan.account, self._now())

    def complete(self, counts: Counts, marks: Collection[str]) -> None:
        """Intervals, marks and final counts, in one transaction."""
        now, plan = self._now(), self._plan
        values = {"counts": _json(counts), "status": "complete", "ended": now}
        with self._fenced(**values) as connection:
            for name, window in plan.intervals.items():
                ledger.add_interval(connection, plan, name, window)
            ledger.forget_the_future(connection, plan, max(now, plan.window.until))
            self._add_touches(connection, plan.intervals)
            ledger.keep_marks(connection, plan, marks, now)
            self._sent.finish(connection)
        self._ended = True

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
        """End an incomplete run; see ``ports.RunLog``. Where the database cannot take even that, the run is found dead by the next one."""
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
            ledger.keep_marks(connection, self._plan, marks, self._now())
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
