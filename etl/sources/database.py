"""A connection to a warehouse: sessions in UTC, read-only where that can be said, and errors people can act on."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from etl.core.errors import ConfigError, EtlError, SourceError
from etl.sources.dialects import Warehouse, extra_of, quoted, warehouse_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

#: What to do about an error, by the beginning of its SQLSTATE.
_ADVICE = {
    "42501": "Grant the user of source.url USAGE on the schema and SELECT on its tables",
    "42P01": "The table was dropped or renamed after the run began to look at it; see source.tables",
    "42703": "A column was dropped or renamed after the run began to look at it",
    "3F000": "There is no such schema any more; see source.schema",
    "57014": "The query was cancelled: by someone, or because the warehouse allows it too little time",
    "57P": "The warehouse was shut down or closed the connection",
    "08": "The connection was lost",
    "28": "The warehouse refuses the user or password of source.url",
}

#: SQLSTATEs by PostgreSQL's words: ADBC tells no state amid a result.
_TOLD = {
    "canceling statement": "57014",
    "terminating connection": "57P01",
    "server closed the connection": "08006",
    "permission denied": "42501",
}


class Database:
    """A warehouse by its SQLAlchemy URL; connects when asked to, and never shows its password."""

    def __init__(self, url: str) -> None:
        try:
            self.url = sa.make_url(url)
        except sa.exc.ArgumentError:  # its message would show the URL
            raise ConfigError("source.url is no SQLAlchemy URL such as postgresql+psycopg://…") from None
        self.engine = self._engine()
        self._own: Any = None
        self._noted: set[str] = set()

    @property
    def dialect(self) -> sa.Dialect:
        """SQLAlchemy's dialect of the warehouse."""
        return self.engine.dialect

    @property
    def warehouse(self) -> Warehouse:
        """What is particular about the warehouse."""
        return warehouse_of(self.dialect)

    def quoted(self, *names: str) -> str:
        """A name of several parts, each quoted as it is spelt."""
        return ".".join(quoted(self.dialect, name) for name in names)

    def _engine(self) -> sa.Engine:
        backend = self.url.get_backend_name()
        try:
            engine = sa.create_engine(self.url, pool_pre_ping=True)
        except (ImportError, sa.exc.NoSuchModuleError) as error:
            extra = extra_of(backend)
            how = (
                f"pip install 'segment-metronome-etl[{extra}]'" if extra else "install its SQLAlchemy dialect"
            )
            raise ConfigError(f"source.url needs a driver for {backend}: {how}") from error
        except Exception as error:  # noqa: BLE001 - dialects may ask their client, which raises what it likes
            raise ConfigError(f"source.url cannot be used: {self._reason(error)}") from None
        warehouse = warehouse_of(engine.dialect)
        if session := warehouse.file("session"):
            undone = warehouse.name in {"postgresql", "redshift"}  # with the transaction, unless committed
            sa.event.listen(engine, "connect", lambda driver, _: _begin(driver, session, commit=undone))
        return engine

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Connections are kept from one statement to the next, and closed at the end."""
        try:
            yield
        finally:
            self.engine.dispose()
            own, self._own = self._own, None
            if own is not None:
                with suppress(Exception):  # whatever stopped the reading is told, not that closing failed too
                    own.close()

    def own_connection(self, connect: Callable[[], Any]) -> Any:
        """The connection of a driver that SQLAlchemy does not know of; opened once while ``in_use``."""
        if self._own is None:
            self._own = connect()
        return self._own

    def note_once(self, text: str) -> None:
        """Logs ``text``, unless it was logged before."""
        if text not in self._noted:
            self._noted.add(text)
            log.warning(text)

    @contextmanager
    def connect(self, where: str) -> Iterator[sa.Connection]:
        """A connection in one transaction that is rolled back; errors tell of ``where``."""
        with self.errors(where), self.engine.connect() as connection:
            yield connection.execution_options(postgresql_readonly=True)

    def rows(self, statement: sa.TextClause, where: str) -> list[tuple[Any, ...]]:
        """All rows of a small result."""
        with self.connect(where) as connection:
            return [tuple(row) for row in connection.execute(statement)]

    @contextmanager
    def errors(self, where: str, *drivers: type[Exception]) -> Iterator[None]:
        """Turns errors of SQLAlchemy and of ``drivers`` into ``SourceError``, and never shows the password."""
        try:
            yield
        except EtlError:
            raise
        except Exception as error:
            if isinstance(error, (sa.exc.SQLAlchemyError, OSError, *_errors_of(self.dialect), *drivers)):
                raise SourceError(self._message(error, where)) from None
            raise

    def _message(self, error: Exception, where: str) -> str:
        reason = self._reason(error)
        state = _sqlstate(error) or next((code for words, code in _TOLD.items() if words in reason), "")
        advice = next((advice for code, advice in _ADVICE.items() if state.startswith(code)), None)
        told = f" {advice}." if advice else ""
        return (
            f"cannot read {where}: {reason}.{told} "
            f"Run again once that is mended; nothing of the window is marked complete."
        )

    def _reason(self, error: Exception) -> str:
        cause = getattr(error, "orig", None) or error
        text = " ".join(str(cause).split("\n")[0].split()).rstrip(".")
        password = str(self.url.password or "")
        return text.replace(password, "***") if password else text or type(cause).__name__


def _errors_of(dialect: sa.Dialect) -> Iterator[type[Exception]]:
    """What a driver raises while rows are fetched, where SQLAlchemy does not see it."""
    if isinstance(error := getattr(dialect.loaded_dbapi, "Error", None), type):
        yield error
    if dialect.name == "bigquery":
        yield import_module("google.api_core.exceptions").GoogleAPIError
        yield import_module("google.auth.exceptions").GoogleAuthError


def _sqlstate(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or "")


def _begin(driver: Any, session: str, *, commit: bool) -> None:
    cursor = driver.cursor()
    cursor.execute(session)
    cursor.close()
    if commit:
        driver.commit()
