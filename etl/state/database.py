"""One state database, SQLite or PostgreSQL: opening it, reading, and writing one transaction at a time.

Writers of a database exclude each other for the length of a transaction (SQLite's write lock, an advisory lock on
PostgreSQL), so what a transaction checks still holds when it commits.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool, StaticPool

from etl.core.errors import ConfigError, StateError
from etl.state import migrations, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BUSY_SECONDS = 60
_BUSY_STEP = 0.01
#: How much longer a run that is to stop waits for other writers: it has ten seconds for everything.
_LAST_SECONDS = 1.0
#: SQLite itself waits no longer for the write lock, because Python sees no signal meanwhile.
_SQLITE_STEP_MS = 100
_WRITER_LOCK = 0x65746C5F77726974

_IN_THE_WAY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

_SAFE = "What was recorded before stays recorded, the window is not complete; run it again when the database is well."

_SQLITE_SETTINGS = (
    # Every commit reaches the disk: what is recorded stays recorded when the machine loses power.
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -4096",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA temp_store = MEMORY",
)
_POSTGRES_SETTINGS = (
    "SET client_encoding = 'UTF8'",
    # A machine that falls asleep inside a transaction must not keep everybody else waiting.
    f"SET idle_in_transaction_session_timeout = '{_BUSY_SECONDS}s'",
    f"SET lock_timeout = '{2 * _BUSY_SECONDS}s'",
    # A vanished host's session, and with it its window, is given up after a minute.
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)


class Database:
    """The database behind ``state.url``. Nothing is opened or made before it is needed."""

    def __init__(self, url: str, interrupted: threading.Event | None = None) -> None:
        """``interrupted``: once it is set, nothing waits longer than a second for another writer."""
        self._interrupted = interrupted or threading.Event()
        try:
            self.url = sa.make_url(url)
            self.backend = self.url.get_backend_name()
        except sa.exc.ArgumentError:
            raise ConfigError(
                "state.url: not a database URL; write sqlite:///path/to/etl.db or postgresql+psycopg://…"
            ) from None
        if self.backend not in ("sqlite", "postgresql"):
            raise ConfigError(f"state.url: {self.backend} is not supported; use sqlite or postgresql+psycopg")
        if self.backend == "sqlite" and self.url.database in (None, "", ":memory:"):
            raise ConfigError("state.url: SQLite needs a file, such as sqlite:///state/etl.db")
        if self.backend == "postgresql" and self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return Path(self.url.database or "")

    @cached_property
    def engine(self) -> sa.Engine:
        """Connections of this engine are opened and closed with their use; reading transactions."""
        # hide_parameters: a row's values must not show in a message.
        engine = sa.create_engine(
            self.url, poolclass=NullPool, hide_parameters=True, connect_args=self._connect_arguments()
        )
        event.listen(engine, "connect", self._set_up)
        if self.backend == "sqlite":
            event.listen(engine, "begin", self._begin_sqlite)
        else:
            event.listen(engine, "before_cursor_execute", _in_binary)
        return engine

    @cached_property
    def writing_engine(self) -> sa.Engine:
        """The same for writing transactions, which wait for each other from their beginning."""
        return self.engine.execution_options(begin="BEGIN IMMEDIATE")

    def _connect_arguments(self) -> dict[str, Any]:
        if self.backend == "sqlite":
            return {"timeout": _BUSY_SECONDS, "check_same_thread": False}
        return {"connect_timeout": 15}

    def _set_up(self, connection: Any, _record: object) -> None:
        if self.backend == "sqlite":
            connection.isolation_level = None
            for setting in _SQLITE_SETTINGS:
                connection.execute(setting)
            return
        connection.autocommit = True
        for setting in _POSTGRES_SETTINGS:
            connection.execute(setting)
        connection.autocommit = False

    def prepare(self) -> None:
        """Make the database, or bring it up to date.

        Raises ``ConfigError`` when the file cannot be made, opened or written, or is of a newer version;
        ``StateError`` when PostgreSQL cannot be reached.
        """
        if self.backend == "sqlite":
            self._make_file()
        with self._opening(), self.writing_engine.connect() as connection:
            if self.backend == "sqlite":
                self._use_wal(connection)
            with self._alone(connection):
                migrations.migrate(connection)

    def _make_file(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Made here, because SQLite would make it readable for everybody; its -wal and -shm follow suit.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise ConfigError(
                f"state.url: cannot write {self.path}: {error.strerror}. Nothing was touched; make the folder "
                f"writable or name another file."
            ) from None

    @contextmanager
    def _opening(self) -> Iterator[None]:
        """What goes wrong here is a matter of the config (SQLite) or of a server that may come back."""
        try:
            yield
        except self._errors() as error:
            message = f"cannot open the state database {self}: {_reason(error)}. Nothing was touched."
            raise (
                StateError(message) if self._may_come_back(error) else ConfigError(f"state.url: {message}")
            ) from None

    def _may_come_back(self, error: Exception) -> bool:
        """A server may be up again later, a lock free; a file that cannot be opened stays so."""
        code = getattr(getattr(error, "orig", None) or error, "sqlite_errorcode", 0)
        return self.backend == "postgresql" or code & 0xFF in _IN_THE_WAY

    @contextmanager
    def writing(self, connection: sa.Connection) -> Iterator[sa.Connection]:
        """One transaction on a connection of ``writing_engine``, alone among writers. Raises ``StateError``."""
        with self.guarded(), self._alone(connection):
            yield connection

    @contextmanager
    def _alone(self, connection: sa.Connection) -> Iterator[None]:
        with connection.begin():
            if self.backend == "postgresql":
                self._lock_postgres(connection)
            yield

    def _lock_postgres(self, connection: sa.Connection) -> None:
        attempt = sa.select(sa.func.pg_try_advisory_xact_lock(_WRITER_LOCK))
        if not self._patiently(lambda: bool(connection.execute(attempt).scalar_one())):
            raise StateError(f"the state database {self} is being written by another process. {_SAFE}")

    def _begin_sqlite(self, connection: sa.Connection) -> None:
        begin = connection.get_execution_options().get("begin", "BEGIN")
        if begin == "BEGIN":  # which waits for nobody
            connection.exec_driver_sql(begin)
            return
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout = {_SQLITE_STEP_MS}")
        try:
            self._patiently_in_sqlite(driver, begin)
        finally:
            driver.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")

    def _use_wal(self, connection: sa.Connection) -> None:
        # A journal mode cannot change inside a transaction, so this goes past SQLAlchemy's.
        driver: Any = connection.connection.driver_connection
        # For a new database only. Measured: commits of 40,000 rows cost a third less than with pages of 4 KB.
        driver.execute("PRAGMA page_size = 16384")
        # SQLite does not wait here for another process that is just making the database, so we do.
        self._patiently_in_sqlite(driver, "PRAGMA journal_mode = WAL")

    def _patiently_in_sqlite(self, driver: Any, statement: str) -> None:
        """Execute it once no other process is in the way. Raises SQLite's own error."""
        if not self._patiently(lambda: _done(driver, statement)):
            driver.execute(statement)

    def _patiently(self, attempt: Callable[[], bool]) -> bool:
        """Attempt until it succeeds, for a minute; not much longer when the run is to stop. Whether it did."""
        end, told = time.monotonic() + _BUSY_SECONDS, False
        while not attempt():
            if self._interrupted.is_set() and not told:
                end, told = min(end, time.monotonic() + _LAST_SECONDS), True
            if time.monotonic() >= end:
                return False
            time.sleep(_BUSY_STEP)
        return True

    @contextmanager
    def written(self) -> Iterator[sa.Connection]:
        """A writing transaction of its own, in a database that is made when it is missing."""
        self.prepare()
        with self.transaction() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A writing transaction on a connection of its own. Raises ``StateError``."""
        with self.guarded(), self.writing_engine.connect() as connection, self.writing(connection):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to read from, outside any transaction; where there is no state yet, one to empty tables.

        Makes nothing. Raises ``ConfigError`` for a database of another version.
        """
        with self._readable().connect() as connection, self.guarded():
            yield connection

    def _readable(self) -> sa.Engine:
        if self.backend == "sqlite" and not (self.path.is_file() and self.path.stat().st_size):
            return _empty()
        with self._opening(), self.engine.connect() as connection:
            found = migrations.version(connection)
        if found is None:
            return _empty()
        if found < schema.VERSION:
            raise ConfigError(
                f"state.url: the state database has version {found}, this release uses {schema.VERSION}; "
                "the next `etl run` brings it up to date. Nothing was touched."
            )
        return self.engine

    @property
    def present(self) -> bool:
        """Whether there is a state to change."""
        return self._readable() is self.engine

    def size(self) -> int:
        """Bytes on disk; on PostgreSQL those of the whole database."""
        if self.backend == "sqlite":
            files = (self.path.with_name(self.path.name + end) for end in ("", "-wal", "-shm"))
            return sum(file.stat().st_size for file in files if file.is_file())
        with self.guarded(), self.engine.connect() as connection:
            size = sa.func.pg_database_size(sa.func.current_database())
            return int(connection.execute(sa.select(size)).scalar_one())

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn what the database raises into ``StateError``, without a row's values."""
        try:
            yield
        except self._errors() as error:
            raise StateError(f"the state database {self} failed: {_reason(error)}. {_SAFE}") from None

    def _errors(self) -> tuple[type[Exception], ...]:
        return (sa.exc.SQLAlchemyError, self.engine.dialect.loaded_dbapi.Error)


def _in_binary(
    _connection: sa.Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
) -> None:
    """What PostgreSQL answers to a query that asks for it so (``schema.IN_BINARY``): bytes as text are twice as long."""
    if context.execution_options.keys() & schema.IN_BINARY:
        cursor.format = 1


def _done(driver: Any, statement: str) -> bool:
    """Whether ``statement`` was executed; False when another process is in the way."""
    try:
        driver.execute(statement)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _IN_THE_WAY:
            raise
        return False
    return True


def _empty() -> sa.Engine:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    schema.metadata.create_all(engine)
    return engine


def _reason(error: Exception) -> str:
    """The driver's own words, first line only: further lines may quote a row."""
    origin = getattr(error, "orig", None) or error
    return next(iter(str(origin).strip().splitlines()), type(origin).__name__)
