"""What the state needs of a database, beyond the SQL that all of them understand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import pyarrow as pa
    import sqlalchemy as sa

    from etl.core.windows import Window

#: How long a writer waits for others.
BUSY_SECONDS = 60

#: Attempts what it is given until that succeeds, but not for ever; whether it did.
Wait = Callable[[Callable[[], bool]], bool]


class HeldError(Exception):
    """The window is held; ``run_id`` of the holder where known."""

    def __init__(self, run_id: str | None) -> None:
        self.run_id = run_id
        super().__init__(run_id)


class WindowLock(Protocol):
    """The lock of one run on its window.

    The kernel or the session drops it when its holder dies: there are no heartbeats, and ``kill -9`` frees a window at
    once. Overlapping windows exclude each other, also inside one process; disjoint ones do not meet.
    """

    def take(self, connection: sa.Connection, run_id: str, others: Sequence[str]) -> None:
        """Take it or raise ``HeldError``. ``others``: running, overlapping runs; after it, all are known dead."""
        ...

    def release(self) -> None:
        """Let it go."""
        ...


class Dialect(ABC):
    """One kind of database; the object holds nothing, and serves any number of databases.

    ``backend``: SQLAlchemy's name of it. ``example``: how its ``state.url`` looks. ``connect_arguments``: of its driver.
    """

    backend: ClassVar[str]
    example: ClassVar[str]
    connect_arguments: ClassVar[Mapping[str, Any]]

    # ---------------------------------------------------------------------------------------- opening

    @abstractmethod
    def driven(self, url: sa.URL) -> sa.URL:
        """``url`` with the driver that is used. Raises ``ConfigError`` where what it names would not last."""

    def exists(self, url: sa.URL) -> bool:  # noqa: ARG002 - for those whose databases can be missing
        """Whether a connection finds a database that is not made by connecting."""
        return True

    def make(self, url: sa.URL) -> None:  # noqa: B027 - a server's databases are made by who runs it
        """Make what a connection needs to be there. Raises ``ConfigError``."""

    @abstractmethod
    def listen(self, engine: sa.Engine, wait: Wait) -> None:
        """Set up each new connection of ``engine``; with the execution option ``writing`` it is to write."""

    def first(self, connection: sa.Connection, wait: Wait) -> None:  # noqa: B027 - most need nothing
        """Before the first transaction of all: settings that cannot change inside one."""

    @abstractmethod
    def comes_back(self, error: Exception) -> bool:
        """Whether a database that cannot be opened for ``error`` may open later, unchanged."""

    # ------------------------------------------------------------------------ transactions and locks

    def exclude_writers(self, connection: sa.Connection, wait: Wait) -> bool:  # noqa: ARG002 - where beginning does it
        """Within a writing transaction: no other writes until it ends; False when others did not make way."""
        return True

    @abstractmethod
    def window_lock(self, url: sa.URL, pipeline: str, window: Window) -> WindowLock:
        """The lock of a run of ``pipeline``."""

    @abstractmethod
    def freeze(self, connection: sa.Connection) -> None:
        """Before a reading transaction: its statements all see the same state, and may sort much."""

    # -------------------------------------------------------------------------------------- the rows

    @abstractmethod
    def append(
        self,
        connection: sa.Connection,
        same: Sequence[int],
        first: int,
        digests: pd.Series,
        columns: Sequence[pa.Array],
    ) -> None:
        """Append rows to the sent log the fastest way there is.

        ``same``: what all rows have in the columns ``rows.SAME``. ``first``: the number of the first row; the others
        follow. ``digests``: dtype ``binary[16]``. ``columns``: the values of the others, in the order of
        ``rows.COLUMNS``.
        """

    @abstractmethod
    def among(self, column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """``column`` (of whole numbers or texts) is one of ``values``, any count, in one parameter."""

    @abstractmethod
    def size(self, engine: sa.Engine) -> int:
        """Bytes on disk of the database."""
