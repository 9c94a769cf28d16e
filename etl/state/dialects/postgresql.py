"""PostgreSQL: any number of machines; locks belong to sessions, rows are copied in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import event

from etl.state import schema
from etl.state.dialects.dialect import BUSY_SECONDS, Dialect, HeldError, Wait, WindowLock
from etl.state.sent_log.rows import INTO, binaries, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import pyarrow as pa

    from etl.core.windows import Window

WRITER_LOCK = 0x65746C5F77726974

_SETTINGS = (
    "SET client_encoding = 'UTF8'",
    # A machine that falls asleep inside a transaction must not keep everybody else waiting.
    f"SET idle_in_transaction_session_timeout = '{BUSY_SECONDS}s'",
    f"SET lock_timeout = '{2 * BUSY_SECONDS}s'",
    # A vanished host's session, and with it its window, is given up after a minute.
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)


class PostgreSQL(Dialect):
    """Reached with psycopg 3."""

    backend = "postgresql"
    example = "postgresql+psycopg://…"
    connect_arguments: ClassVar[Mapping[str, Any]] = {"connect_timeout": 15}

    def driven(self, url: sa.URL) -> sa.URL:
        """SQLAlchemy would take psycopg2 where none is named."""
        return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url

    def listen(self, engine: sa.Engine, wait: Wait) -> None:
        """Settings, and answers in binary where a query asks for them."""
        del wait
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "before_cursor_execute", _in_binary)

    def comes_back(self, error: Exception) -> bool:
        """A server may be up again later."""
        del error
        return True

    def exclude_writers(self, connection: sa.Connection, wait: Wait) -> bool:
        """By an advisory lock, which the end of the transaction frees."""
        attempt = sa.select(sa.func.pg_try_advisory_xact_lock(WRITER_LOCK))
        return wait(lambda: bool(connection.execute(attempt).scalar_one()))

    def window_lock(self, url: sa.URL, pipeline: str, window: Window) -> WindowLock:
        """One for the run; which windows overlap is asked of the table of runs."""
        del url, pipeline, window
        return SessionLock()

    def freeze(self, connection: sa.Connection) -> None:
        """A snapshot, taken by the first statement."""
        connection.execution_options(isolation_level="REPEATABLE READ")

    def append(
        self,
        connection: sa.Connection,
        same: Sequence[int],
        first: int,
        digests: pd.Series,
        columns: Sequence[pa.Array],
    ) -> None:
        """With COPY."""
        driver: Any = connection.connection.driver_connection
        numbers = range(first, first + len(digests))
        with driver.cursor() as cursor, cursor.copy(f"COPY {INTO} FROM STDIN") as copy:
            for row in zip(numbers, binaries(digests), *map(listed, columns), strict=True):
                copy.write_row((*same, *row))

    def among(self, column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """One of an array."""
        return column == sa.any_(sa.bindparam(None, list(values), type_=sa.ARRAY(column.type)))

    def size(self, engine: sa.Engine) -> int:
        """The whole database's, with whatever else is in it."""
        with engine.connect() as connection:
            size = sa.func.pg_database_size(sa.func.current_database())
            return int(connection.execute(sa.select(size)).scalar_one())


def _set_up(connection: Any, _record: object) -> None:
    connection.autocommit = True
    for setting in _SETTINGS:
        connection.execute(setting)
    connection.autocommit = False


def _in_binary(
    _connection: sa.Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
) -> None:
    """What is answered to a query that asks for it so (``schema.IN_BINARY``): bytes as text are twice as long."""
    if context.execution_options.keys() & schema.IN_BINARY:
        cursor.format = 1


class SessionLock:
    """An advisory lock of the database session that also carries the run's writes: no session, no writing."""

    def take(self, connection: sa.Connection, run_id: str, others: Sequence[str]) -> None:
        """Hold the run's own lock; another run whose lock is free is dead, one whose lock is held is running."""
        for other in others:
            free = sa.select(sa.func.pg_try_advisory_xact_lock(_lock_key(other)))
            if not connection.execute(free).scalar_one():
                raise HeldError(other)
        connection.execute(sa.select(sa.func.pg_advisory_lock(_lock_key(run_id))))

    def release(self) -> None:
        """The session ends with its connection, and the lock with it."""


def _lock_key(run_id: str) -> int:
    digest = hashlib.blake2b(f"etl run {run_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
