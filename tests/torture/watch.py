"""Looking at a running job from outside, without its knowing: its state database and the stand-in's record.

Nothing here needs the job's help, so the code under test is the code that ships.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import psycopg
import sqlalchemy as sa

#: Which byte of SQLite's ``-shm`` file the writer of a transaction locks (https://sqlite.org/walformat.html).
_WAL_WRITE_LOCK = 120
_FLOCK = "hhqqi4x"
#: The advisory lock that a writing transaction holds (``etl/state/database.py``).
_WRITER_LOCK = 0x65746C5F77726974


@dataclass(frozen=True)
class Seen:
    """A run's row: its number, its status, and how many usage events it recorded as sent."""

    epoch: int = 0
    status: str = ""
    sent: int = 0


class Watch(Protocol):
    """A look from outside; a context manager."""

    def look(self) -> Seen:
        """The newest run, as committed."""
        ...

    def committing(self) -> bool:
        """Whether somebody is inside a writing transaction right now."""
        ...

    def value(self, query: str) -> int:
        """The single number that a query yields."""
        ...

    def column(self, query: str) -> list:
        """The first value of each row that a query yields."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


_NEWEST = "SELECT epoch, status, counts FROM runs ORDER BY epoch DESC LIMIT 1"


def _seen(row: tuple | None) -> Seen:
    return Seen(row[0], row[1], json.loads(row[2])["sent"] if row[2] else 0) if row else Seen()


def watch(url: str) -> Watch:
    """The watch that fits the state's URL."""
    parsed = sa.make_url(url)
    return SqliteWatch(Path(parsed.database)) if parsed.get_backend_name() == "sqlite" else PostgresWatch(url)


class SqliteWatch:
    """Reads the file, and asks the kernel who has its write lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._connection: sqlite3.Connection | None = None
        self._shared: int | None = None
        return self

    def __exit__(self, *error: object) -> None:
        # In this order: closing any descriptor of a file drops this process's locks on it.
        if self._connection is not None:
            self._connection.close()
        if self._shared is not None:
            os.close(self._shared)

    def look(self) -> Seen:
        if not self._path.exists():
            return Seen()
        try:
            return _seen(self._read(_NEWEST).fetchone())
        except sqlite3.OperationalError:  # the tables are just being made
            return Seen()

    def value(self, query: str) -> int:
        return self._read(query).fetchone()[0]

    def column(self, query: str) -> list:
        return [row[0] for row in self._read(query)]

    def _read(self, query: str) -> sqlite3.Cursor:
        if self._connection is None:
            self._connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, isolation_level=None)
        return self._connection.execute(query)

    def committing(self) -> bool:
        if self._shared is None:
            try:
                self._shared = os.open(f"{self._path}-shm", os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
        wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _WAL_WRITE_LOCK, 1, 0)
        return struct.unpack(_FLOCK, fcntl.fcntl(self._shared, fcntl.F_GETLK, wanted))[0] != fcntl.F_UNLCK


class PostgresWatch:
    """Asks the server over a connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("+psycopg", "")

    def __enter__(self) -> Self:
        self._connection = psycopg.connect(self._url, autocommit=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def look(self) -> Seen:
        try:
            return _seen(self._connection.execute(_NEWEST).fetchone())
        except psycopg.errors.UndefinedTable:  # the tables are just being made
            return Seen()

    def value(self, query: str) -> int:
        return self._connection.execute(query).fetchone()[0]

    def column(self, query: str) -> list:
        return [row[0] for row in self._connection.execute(query)]

    def committing(self) -> bool:
        high, low = _WRITER_LOCK >> 32, _WRITER_LOCK & 0xFFFFFFFF
        return bool(
            self.value(
                "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
                "WHERE datname = current_database() AND locktype = 'advisory' AND granted AND objsubid = 1 "
                f"AND classid = {high} AND objid = {low}"
            )
        )
