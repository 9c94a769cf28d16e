"""The state database as the job and its commands use it."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from etl.core.errors import EtlError, StateError, WindowBusyError
from etl.core.windows import Window, rfc3339
from etl.state import books as ledger
from etl.state.database import Database
from etl.state.dialects import HeldError, WindowLock
from etl.state.queries import Archive
from etl.state.renaming import rename
from etl.state.run_log import Run, View
from etl.state.schema import runs, take_numbers
from etl.state.sent_log.retention import prune

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta
    from threading import Event

    from etl.core.ports import RunPlan, SubscriptionVersion


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


class StateStore(Archive):
    """The state database. Opens nothing before it is asked something."""

    def __init__(
        self,
        url: str,
        *,
        retention: timedelta,
        keep_events: bool = True,
        now: Callable[[], datetime] = utc_now,
        interrupted: Event | None = None,
    ) -> None:
        self.database = Database(url, interrupted)
        self._retention = retention
        self._keep_events = keep_events
        self._now = now

    @contextmanager
    def begin(self, plan: RunPlan) -> Iterator[Run]:
        """Lock the window and open a run.

        Raises ``WindowBusyError`` (an overlapping window is being run), ``ConfigError`` (the token was seen under
        another account), ``StateError``.
        """
        self.database.prepare()
        lock = self.database.dialect.window_lock(self.database.url, plan.pipeline, plan.window)
        with ExitStack() as stack:
            writer = stack.enter_context(self.database.writing_engine.connect())
            stack.callback(lock.release)
            run_id, epoch, busy = self._open(writer, lock, plan)
            reader = stack.enter_context(self.database.engine.connect())
            run = Run(
                self.database, reader, writer, plan,
                run_id=run_id, epoch=epoch, now=self._now, keep_events=self._keep_events, busy=busy,
            )  # fmt: skip
            stack.callback(run.close)
            try:
                yield run
            except BaseException as error:
                run.leave(error)
                raise
            run.leave(StateError("the run was left before its window was complete"))
            with suppress(EtlError):
                # What pruning could not do now, the next run does.
                prune(self.database, writer, self._now(), self._retention)

    def _open(self, writer: sa.Connection, lock: WindowLock, plan: RunPlan) -> tuple[str, int, list[Window]]:
        now = self._now()
        run_id = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        with self.database.writing(writer) as connection:
            ledger.refuse_foreign_token(connection, plan.fingerprint, plan.account)
            others = list(_overlapping(connection, plan, plan.window))
            try:
                lock.take(connection, run_id, others)
            except HeldError as held:
                raise WindowBusyError(_busy(connection, plan, held.run_id)) from None
            _abandon(connection, others, now)
            epoch = take_numbers(connection, "run")
            connection.execute(
                runs.insert().values(
                    epoch=epoch, run_id=run_id, pipeline=plan.pipeline, account=plan.account, kind=plan.kind,
                    scope=plan.scope, since=plan.window.since, until=plan.window.until, started=now,
                    status="running", host=socket.gethostname(), pid=os.getpid(),
                )
            )  # fmt: skip
            rename(connection, plan)
            ledger.keep_inputs(connection, plan)
            for version in plan.subscriptions:
                ledger.keep_version(connection, plan, version, epoch)
            busy = [*self._held(connection, run_id, plan)]
        return run_id, epoch, busy

    def _held(self, connection: sa.Connection, run_id: str, plan: RunPlan) -> Iterator[Window]:
        """What other runs hold behind the plan's window."""
        if plan.late is None or plan.late.since >= plan.window.since:
            return
        behind = Window(plan.late.since, plan.window.since)
        for other, window in _overlapping(connection, plan, behind).items():
            part = window.clamp(behind.since, behind.until)
            probe = self.database.dialect.window_lock(self.database.url, plan.pipeline, part)
            try:
                probe.take(connection, run_id, [other])
            except HeldError:
                yield part
            finally:
                probe.release()

    @contextmanager
    def peek(self, plan: RunPlan) -> Iterator[View]:
        """The view of a dry run: looks up, records nothing, locks nothing, creates nothing."""
        with self.database.reading() as reader:
            with reader.begin():
                ledger.refuse_foreign_token(reader, plan.fingerprint, plan.account)
            view = View(self.database, reader, plan)
            try:
                yield view
            finally:
                view.close()

    def versions(self, pipeline: str, account: str) -> list[SubscriptionVersion]:
        """Every version of every subscription of ``pipeline`` that a run for ``account`` has recorded."""
        with self.database.reading() as connection:
            return ledger.versions(connection, pipeline, account)

    def intervals(self, pipeline: str, account: str) -> dict[str, list[Window]]:
        """Subscription name → its complete intervals, merged."""
        with self.database.reading() as connection:
            return ledger.complete_intervals(connection, pipeline, account)

    def touched(self, pipeline: str, account: str) -> dict[tuple[str, str], list[Window]]:
        """(name, version) → the windows it may have billed (``RunPlan.touches``), merged."""
        with self.database.reading() as connection:
            return ledger.touched(connection, pipeline, account)

    def pipelines(self, account: str) -> list[str]:
        """Those that have run for ``account``."""
        with self.database.reading() as connection:
            return ledger.pipelines(connection, account)

    def inputs(self, pipeline: str, account: str) -> dict[tuple[str, str], str]:
        """(input, name) → what the config of the last run said; see ``etl.pipeline.versions``."""
        with self.database.reading() as connection:
            return ledger.inputs_of(connection, pipeline, account)


def _overlapping(connection: sa.Connection, plan: RunPlan, window: Window) -> dict[str, Window]:
    """Run id → window of the pipeline's runs that are marked as running one which shares a moment with ``window``."""
    if window.empty:
        return {}
    columns = runs.c
    query = sa.select(columns.run_id, columns.since, columns.until).where(
        columns.pipeline == plan.pipeline, columns.status == "running", columns.since < columns.until,
        columns.since < window.until, columns.until > window.since,
    )  # fmt: skip
    return {row.run_id: Window(row.since, row.until) for row in connection.execute(query)}


def _abandon(connection: sa.Connection, run_ids: Sequence[str], now: datetime) -> None:
    values = {"status": "abandoned", "ended": now, "error": "its process ended without closing the run"}
    connection.execute(runs.update().where(runs.c.run_id.in_(run_ids)).values(values))


def _busy(connection: sa.Connection, plan: RunPlan, run_id: str | None) -> str:
    message = f"pipeline {plan.pipeline!r}: the window {plan.window} is being run by another process"
    row = connection.execute(sa.select(runs).where(runs.c.run_id == run_id)).one_or_none()
    if row is not None:
        window = Window(row.since, row.until)
        message += (
            f": run {row.run_id} of {window}, on {row.host} (pid {row.pid}), since {rfc3339(row.started)}"
        )
    return f"{message}. Nothing was touched; run again when it has ended."
