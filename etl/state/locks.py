"""Who may run a window: locks that the kernel (SQLite) or the session (PostgreSQL) drops when their holder dies.

So there are no heartbeats, and ``kill -9`` frees a window at once. Overlapping windows exclude each other, also
inside one process; disjoint ones do not meet.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import sqlalchemy as sa

from etl.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etl.core.windows import Window
    from etl.state.database import Database

_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
#: C's ``struct flock``: type, whence, start, length, pid.
_FLOCK = "hhqqi4x"


class HeldError(Exception):
    """The window is held; ``run_id`` of the holder where known."""

    def __init__(self, run_id: str | None) -> None:
        self.run_id = run_id
        super().__init__(run_id)


class WindowLock(Protocol):
    """The lock of one run."""

    def take(self, connection: sa.Connection, run_id: str, others: Sequence[str]) -> None:
        """Take it or raise ``HeldError``. ``others``: running, overlapping runs; after it, all are known dead."""
        ...

    def release(self) -> None:
        """Let it go."""
        ...


def window_lock(database: Database, pipeline: str, window: Window) -> WindowLock:
    """The lock for ``window`` of ``pipeline`` that fits the database."""
    if database.backend == "postgresql":
        return SessionLock()
    return RangeLock(lock_path(database.path, pipeline), window)


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

    def take(self, connection: sa.Connection, run_id: str, others: Sequence[str]) -> None:  # noqa: ARG002 - the protocol's signature
        """Lock the range; what has it otherwise is running."""
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


class SessionLock:
    """An advisory lock of the database session that also carries the run's writes: no session, no writing."""

    def take(self, connection: sa.Connection, run_id: str, others: Sequence[str]) -> None:
        """Hold the run's own lock; another run whose lock is free is dead, one whose lock is held is running."""
        for other in others:
            if not connection.execute(
                sa.select(sa.func.pg_try_advisory_xact_lock(_lock_key(other)))
            ).scalar_one():
                raise HeldError(other)
        connection.execute(sa.select(sa.func.pg_advisory_lock(_lock_key(run_id))))

    def release(self) -> None:
        """The session ends with its connection, and the lock with it."""


def _lock_key(run_id: str) -> int:
    digest = hashlib.blake2b(f"etl run {run_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
