"""SQLite: a file on one machine; locks belong to the kernel, rows go in by the thousand."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
import struct
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count as count_from
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.compiler import compiles

from etl.core.errors import ConfigError
from etl.core.hashing import WIDTH
from etl.core.ids import key_words
from etl.state.dialects.dialect import BUSY_SECONDS, Dialect, HeldError, Wait, WindowLock
from etl.state.schema import Number
from etl.state.sent_log.rows import COLUMNS, INTO, SAME, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from etl.core.windows import Window

#: SQLite itself waits no longer for the write lock, because Python sees no signal meanwhile.
_STEP_MS = 100
_IN_THE_WAY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

_SETTINGS = (
    # Every commit reaches the disk: what is recorded stays recorded when the machine loses power.
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -4096",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA temp_store = MEMORY",
)

#: Rows in one INSERT, where SQLite takes that many values: 32,766 unless it was built otherwise.
_MOST_ROWS = 4_000


class SQLite(Dialect):
    """With a write-ahead log, so that readers and the one writer do not wait for each other."""

    backend = "sqlite"
    example = "sqlite:///path/to/etl.db"
    connect_arguments: ClassVar[Mapping[str, Any]] = {"timeout": BUSY_SECONDS, "check_same_thread": False}

    def driven(self, url: sa.URL) -> sa.URL:
        """A database in memory would forget what was sent."""
        if url.database in (None, "", ":memory:"):
            raise ConfigError("state.url: SQLite needs a file, such as sqlite:///state/etl.db")
        return url

    def exists(self, url: sa.URL) -> bool:
        """A file that is not empty."""
        path = file_of(url)
        return path.is_file() and path.stat().st_size > 0

    def make(self, url: sa.URL) -> None:
        """The folder and the file."""
        path = file_of(url)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Made here, because SQLite would make it readable for everybody; its -wal and -shm follow suit.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise ConfigError(
                f"state.url: cannot write {path}: {error.strerror}. Nothing was touched; make the folder writable or "
                "name another file."
            ) from None

    def listen(self, engine: sa.Engine, wait: Wait) -> None:
        """Settings; and transactions begin as SQLAlchemy's, not as the driver's."""

        def begin(connection: sa.Connection) -> None:
            _begin(connection, wait)

        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", begin)

    def first(self, connection: sa.Connection, wait: Wait) -> None:
        """The page size of a new database, and the write-ahead log."""
        # A journal mode cannot change inside a transaction, so this goes past SQLAlchemy's.
        driver: Any = connection.connection.driver_connection
        # For a new database only. Measured: commits of 40,000 rows cost a third less than with pages of 4 KB.
        driver.execute("PRAGMA page_size = 16384")
        # SQLite does not wait here for another process that is just making the database, so we do.
        _execute(driver, "PRAGMA journal_mode = WAL", wait)

    def comes_back(self, error: Exception) -> bool:
        """A lock may be free later; a file that cannot be opened stays so."""
        code: int = getattr(getattr(error, "orig", None) or error, "sqlite_errorcode", 0)
        return code & 0xFF in _IN_THE_WAY

    def window_lock(self, url: sa.URL, pipeline: str, window: Window) -> WindowLock:
        """A range of bytes of a file beside the database."""
        return RangeLock(lock_path(file_of(url), pipeline), window)

    def freeze(self, connection: sa.Connection) -> None:
        """A transaction sees one state anyway. Sorting many millions of rows belongs on the disk."""
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA temp_store = FILE")

    def append(
        self,
        connection: sa.Connection,
        same: Sequence[int],
        first: int,
        digests: pd.Series,
        columns: Sequence[pa.Array],
    ) -> None:
        """Many rows a statement, and few parameters.

        Between two statements, and while it takes parameters, SQLite's thread holds or awaits the interpreter's lock,
        which made a row cost twice as much while other threads were busy. So numbers are counted by SQLite, digests cut
        out of one value, and what all rows have in common is given once.
        """
        driver: Any = connection.connection.driver_connection
        packed = key_words(digests)
        values_left = driver.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) - len(SAME) - 2
        once = tuple(_is_one_number(column) for column in columns)
        own = [column for column, is_one in zip(columns, once, strict=True) if not is_one]
        common = [column[0].as_py() for column, is_one in zip(columns, once, strict=True) if is_one]
        start = 0
        for count in _counts(len(packed), min(values_left // len(COLUMNS), _MOST_ROWS)):
            digest = packed[start : start + count].tobytes()
            # As Python's objects, values take many times the room they have in columns.
            values = _by_row([listed(column.slice(start, count)) for column in own])
            driver.execute(_insert(count, once), [*same, first + start, digest, *common, *values])
            start += count

    def among(self, column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """One of a JSON array."""
        given = sa.func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(sa.select(given.c.value))

    def size(self, engine: sa.Engine) -> int:
        """The file's, with the log beside it."""
        path = file_of(engine.url)
        files = (path.with_name(path.name + end) for end in ("", "-wal", "-shm"))
        return sum(file.stat().st_size for file in files if file.is_file())


@compiles(Number, "sqlite")
def _number(_type: Number, _compiler: object, **_more: object) -> str:
    """Only a column of this very type is the table's row number."""
    return "INTEGER"


def file_of(url: sa.URL) -> Path:
    """The database."""
    return Path(url.database or "")


# ---------------------------------------------------------------------------------------- transactions


def _set_up(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for setting in _SETTINGS:
        connection.execute(setting)


def _begin(connection: sa.Connection, wait: Wait) -> None:
    if not connection.get_execution_options().get("writing"):
        connection.exec_driver_sql("BEGIN")  # which waits for nobody
        return
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA busy_timeout = {_STEP_MS}")
    try:
        _execute(driver, "BEGIN IMMEDIATE", wait)
    finally:
        driver.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def _execute(driver: Any, statement: str, wait: Wait) -> None:
    """Execute it once no other process is in the way. Raises SQLite's own error."""
    if not wait(lambda: _done(driver, statement)):
        driver.execute(statement)


def _done(driver: Any, statement: str) -> bool:
    """Whether ``statement`` was executed; False when another process is in the way."""
    try:
        driver.execute(statement)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _IN_THE_WAY:
            raise
        return False
    return True


# --------------------------------------------------------------------------------------------- windows

_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
#: C's ``struct flock``: type, whence, start, length, pid.
_FLOCK = "hhqqi4x"


def lock_path(database: Path, pipeline: str) -> Path:
    """The lock file of a pipeline: beside the database, named after both."""
    return database.with_name(f"{database.name}.{quote(pipeline, safe='')}.lock")


class RangeLock:
    """A byte range of the pipeline's lock file, one byte for each millisecond of the window.

    The lock belongs to the open file description, so two runs of one process exclude each other too. Where the
    system has no such locks (macOS), the whole file is locked: one run of a pipeline at a time.
    """

    def __init__(self, path: Path, window: Window) -> None:
        self.path = path
        self._range = None if window.empty else _byte_range(window)
        self._descriptor: int | None = None

    def take(self, connection: sa.Connection, run_id: str, others: Sequence[str]) -> None:
        """Lock the range; what has it otherwise is running."""
        del connection, run_id
        if self._range is None:
            return
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"state.url: cannot write {self.path}: {error.strerror}. Nothing was touched."
            ) from None
        try:
            _lock(self._descriptor, *self._range)
        except OSError as error:
            self.release()
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise ConfigError(
                    f"state.url: cannot lock {self.path}: {error.strerror}. The file system must support locks."
                ) from None
            raise HeldError(others[0] if others else None) from None

    def release(self) -> None:
        """Close the file, which drops its locks. The file stays: removing it would part those who wait for it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(descriptor: int, start: int, length: int) -> None:
    if hasattr(fcntl, "F_OFD_SETLK"):
        wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _byte_range(window: Window) -> tuple[int, int]:
    start = (window.since - _YEAR_ONE) // _MILLISECOND
    stop = -((_YEAR_ONE - window.until) // _MILLISECOND)
    return start, stop - start


# ------------------------------------------------------------------------------------------------ rows


def _is_one_number(column: pa.Array) -> bool:
    """Whether it holds the same number in every row: as a rule there are few subscriptions, and often one."""
    if not pa.types.is_integer(column.type) or column.null_count:
        return False
    edges = pc.min_max(column)
    return bool(edges["min"] == edges["max"])


def _counts(rows: int, most: int) -> Iterator[int]:
    """``rows`` as a sum of few different numbers: the driver keeps statements, and each of these takes a megabyte."""
    count = most
    while rows:
        while count > rows:
            count = max(1, count // 8)
        yield count
        rows -= count


def _by_row(columns: Sequence[Sequence[Any]]) -> list[Any]:
    """The values of the first row, then of the second, and so on."""
    width = len(columns)
    values: list[Any] = [None] * (width * len(columns[0]))
    for at, column in enumerate(columns):
        values[at::width] = column
    return values


@lru_cache(32)
def _insert(count: int, once: tuple[bool, ...]) -> str:
    """The statement for so many rows, and which of ``COLUMNS`` are given once for all of them.

    Its parameters: ``SAME``, the number of the first row, the digests in a row, what is given once; then each row's own.
    What is computed is written once, not in each row: SQLite compares such terms, each with every other, as it compiles.
    """
    number, digests = len(SAME) + 1, len(SAME) + 2
    given, own = count_from(digests + 1), count_from(2)
    terms = [
        *(f"?{at}" for at in range(1, number)),
        f"?{number} + column1",
        f"substr(?{digests}, 1 + {WIDTH} * column1, {WIDTH})",
        *(f"?{next(given)}" if is_one else f"column{next(own)}" for is_one in once),
    ]
    marks = ", ?" * once.count(False)
    values = ", ".join(f"({row}{marks})" for row in range(count))
    # Marks without a number go on from the highest number before them.
    return f"INSERT INTO {INTO} SELECT {', '.join(terms)} FROM (VALUES {values})"
