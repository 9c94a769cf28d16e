"""One state database: opening it, reading, and writing one transaction at a time.

Writers of a database exclude each other for the length of a transaction, so what a transaction checks still holds when
it commits. What depends on the kind of database is asked of its dialect.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.pool import NullPool, StaticPool

from etl.core.errors import ConfigError, StateError
from etl.state import migrations, schema
from etl.state.dialects import dialect_of, opened
from etl.state.dialects.dialect import BUSY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BUSY_STEP = 0.01
#: How much longer a run that is to stop waits for other writers: it has ten seconds for everything.
_LAST_SECONDS = 1.0

_SAFE = "What was recorded before stays recorded, the window is not complete; run it again when the database is well."


class Database:
    """The database behind ``state.url``. Nothing is opened or made before it is needed."""

    def __init__(self, url: str, interrupted: threading.Event | None = None) -> None:
        """``interrupted``: once it is set, nothing waits longer than a second for another writer."""
        self._interrupted = interrupted or threading.Event()
        self.url, self.dialect = opened(url)

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @cached_property
    def engine(self) -> sa.Engine:
        """Connections of this engine are opened and closed with their use; reading transactions."""
        # hide_parameters: a row's values must not show in a message.
        arguments = dict(self.dialect.connect_arguments)
        engine = sa.create_engine(self.url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
        self.dialect.listen(engine, self._patiently)
        return engine

    @cached_property
    def writing_engine(self) -> sa.Engine:
        """The same for writing transactions, which wait for each other from their beginning."""
        return self.engine.execution_options(writing=True)

    def prepare(self) -> None:
        """Make the database, or bring it up to date.

        Raises ``ConfigError`` when the file cannot be made, opened or written, or is of a newer version;
        ``StateError`` when PostgreSQL cannot be reached.
        """
        self.dialect.make(self.url)
        with self._opening(), self.writing_engine.connect() as connection:
            self.dialect.first(connection, self._patiently)
            with self._alone(connection):
                migrations.migrate(connection)

    @contextmanager
    def _opening(self) -> Iterator[None]:
        """What goes wrong here is a matter of the config (SQLite) or of a server that may come back."""
        try:
            yield
        except self._errors() as error:
            message = f"cannot open the state database {self}: {_reason(error)}. Nothing was touched."
            passing = self.dialect.comes_back(error)
            raise (StateError(message) if passing else ConfigError(f"state.url: {message}")) from None

    @contextmanager
    def writing(self, connection: sa.Connection) -> Iterator[sa.Connection]:
        """One transaction on a connection of ``writing_engine``, alone among writers. Raises ``StateError``."""
        with self.guarded(), self._alone(connection):
            yield connection

    @contextmanager
    def _alone(self, connection: sa.Connection) -> Iterator[None]:
        with connection.begin():
            if not self.dialect.exclude_writers(connection, self._patiently):
                raise StateError(f"the state database {self} is being written by another process. {_SAFE}")
            yield

    def _patiently(self, attempt: Callable[[], bool]) -> bool:
        """Attempt until it succeeds, for a minute; not much longer when the run is to stop. Whether it did."""
        end, told = time.monotonic() + BUSY_SECONDS, False
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

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """The same in a transaction in which every statement sees the same state, while runs go on."""
        with self.reading() as connection:
            dialect_of(connection).freeze(connection)
            with connection.begin():
                yield connection

    def _readable(self) -> sa.Engine:
        if not self.dialect.exists(self.url):
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
        """Bytes on disk; of a server those of the whole database."""
        with self.guarded():
            return self.dialect.size(self.engine)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn what the database raises into ``StateError``, without a row's values."""
        try:
            yield
        except self._errors() as error:
            raise StateError(f"the state database {self} failed: {_reason(error)}. {_SAFE}") from None

    def _errors(self) -> tuple[type[Exception], ...]:
        return (sa.exc.SQLAlchemyError, self.engine.dialect.loaded_dbapi.Error)


def _empty() -> sa.Engine:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    schema.metadata.create_all(engine)
    return engine


def _reason(error: Exception) -> str:
    """The driver's own words, first line only: further lines may quote a row."""
    origin = getattr(error, "orig", None) or error
    return next(iter(str(origin).strip().splitlines()), type(origin).__name__)
