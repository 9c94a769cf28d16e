"""The version of a state database, and the steps that bring an older one up to date.

A new database is made whole, at ``schema.VERSION``. A change to the schema adds one step to ``STEPS``, raises
``schema.VERSION`` and adds a dump of the version before it to ``tests/state/dumps``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from etl.core.errors import ConfigError
from etl.state import schema
from etl.state.sent_log import log as sentlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _index_by_key(connection: sa.Connection) -> None:
    """1 → 2: the sent log's index by key becomes a table, of a faster hash; some seconds for a million ids.

    A run of the older release that is still going can append nothing more, and stops: its ids would be in no index.
    """
    for statement in (
        "DROP INDEX sent_log_keys",
        "ALTER TABLE sent_log DROP COLUMN key",
        "ALTER TABLE sent_segments RENAME COLUMN bloom_upto TO stored_upto",
    ):
        connection.exec_driver_sql(statement)
    schema.sent_keys.create(connection)
    columns = schema.sent_segments.c
    for row in connection.execute(
        sa.select(columns.segment, columns.first_number, columns.last_number)
    ).all():
        sentlog.index_anew(connection, row.segment, row.first_number, row.last_number)


def _keep_inputs(connection: sa.Connection) -> None:
    """2 → 3: what the config says that decides what kept state means; the next runs write it down."""
    schema.inputs.create(connection)


def _keep_what_was_said(connection: sa.Connection) -> None:
    """3 → 4: which letters a completed run has counted as new. Of those there are, all: each was counted by its run."""
    for statement in (
        "ALTER TABLE dead_letters ADD COLUMN said BIGINT",
        "UPDATE dead_letters SET said = last_seen",
        "CREATE INDEX dead_letters_said ON dead_letters (said)",
    ):
        connection.exec_driver_sql(statement)


def _count_rows_from_1(connection: sa.Connection) -> None:
    """4 → 5: the rows of letters count from 1, as those of unreadable rows did before."""
    columns = schema.dead_letters.c
    update = schema.dead_letters.update().where(columns.outcome != "unreadable")
    connection.execute(update.values(row=columns.row + 1))


#: Version → what makes the next version of it, in the transaction of the caller.
STEPS: Mapping[int, Callable[[sa.Connection], None]] = {
    1: _index_by_key,
    2: _keep_inputs,
    3: _keep_what_was_said,
    4: _count_rows_from_1,
}


def version(connection: sa.Connection) -> int | None:
    """The database's version; None when it holds no state yet.

    Raises ``ConfigError`` when it was made by a newer release.
    """
    if not sa.inspect(connection).has_table("state_version"):
        return None
    found: int | None = connection.execute(sa.select(schema.state_version.c.version)).scalar()
    if found is not None and found > schema.VERSION:
        raise ConfigError(
            f"state.url: the state database has version {found}, this release knows versions up to "
            f"{schema.VERSION}. Install the release that wrote it, or a newer one; nothing was touched."
        )
    return found


def migrate(connection: sa.Connection) -> None:
    """Make the tables, or bring them up to ``schema.VERSION``; needs the writer lock."""
    found = version(connection)
    if found is None:
        schema.metadata.create_all(connection)
        connection.execute(schema.state_version.insert().values(version=schema.VERSION))
        return
    for step in range(found, schema.VERSION):
        STEPS[step](connection)
        connection.execute(schema.state_version.update().values(version=step + 1))
