"""What differs between the databases that can hold the state: one object for each, and no other module asks which it is.

For another database, write its ``Dialect`` in a module of its own and add it to ``DIALECTS``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from etl.core.errors import ConfigError
from etl.state.dialects.dialect import Dialect, HeldError, Wait, WindowLock
from etl.state.dialects.postgresql import PostgreSQL
from etl.state.dialects.sqlite import SQLite

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DIALECTS", "Dialect", "HeldError", "Wait", "WindowLock", "dialect_of", "opened"]

#: By SQLAlchemy's name of the backend.
DIALECTS: Final[Mapping[str, Dialect]] = {dialect.backend: dialect for dialect in (SQLite(), PostgreSQL())}


def dialect_of(connection: sa.Connection) -> Dialect:
    """That of an open connection."""
    return DIALECTS[connection.dialect.name]


def opened(url: str) -> tuple[sa.URL, Dialect]:
    """``state.url`` with the driver it is opened with, and its dialect. Raises ``ConfigError``; opens nothing yet."""
    examples = " or ".join(dialect.example for dialect in DIALECTS.values())
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except sa.exc.ArgumentError:
        raise ConfigError(f"state.url: not a database URL; write {examples}") from None
    if backend not in DIALECTS:
        raise ConfigError(f"state.url: {backend} is not supported; write {examples}")
    return DIALECTS[backend].driven(parsed), DIALECTS[backend]
