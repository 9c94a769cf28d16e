"""What is let go: whole old segments of the sent log, old marks, and the content of old dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from etl.core.outcomes import HELD
from etl.state.schema import dead_letters, marks, runs, sent_log, sent_segments
from etl.state.sent_log import index as keyindex
from etl.state.sent_log.rows import storable

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from etl.state.database import Database

_ROWS_AT_ONCE = 50_000
_SCAN = 500_000
#: Transactions a run spends on pruning; what is left is left to the next run.
_STEPS = 40


def prune(
    database: Database, writer: sa.Connection, now: datetime, retention: timedelta, steps: int = _STEPS
) -> int:
    """Drop what was last sent before ``now - retention``; how many rows of the sent log. Bounded by ``steps``."""
    before = now - retention
    with database.writing(writer) as connection:
        _prune_small(connection, before)
    dropped = 0
    for _ in range(steps):
        with database.writing(writer) as connection:
            rows = _prune_segment(connection, before)
        if rows is None:
            break
        dropped += rows
    return dropped


def _prune_small(connection: sa.Connection, before: datetime) -> None:
    connection.execute(marks.delete().where(marks.c.recorded < before))
    columns = dead_letters.c
    old = columns.last_seen < before
    connection.execute(dead_letters.delete().where(old, columns.status != "open"))
    # An open letter stays until somebody closes it, but what the event held does not; held pairs are still to be sent.
    emptied = dead_letters.update().where(
        old, columns.outcome.not_in(HELD), columns.event.is_not(None) | columns.body.is_not(None)
    )
    connection.execute(emptied.values(event=None, body=None))


def _prune_segment(connection: sa.Connection, before: datetime) -> int | None:
    """Delete a part of the oldest segment that is past; None when there is none. The last part takes the segment."""
    columns = sent_segments.c
    running = sa.select(runs.c.epoch).where(runs.c.status == "running")
    past = (columns.last_sent < before) & columns.owner.not_in(running)
    query = sa.select(columns.segment, columns.first_number, columns.last_number).where(past)
    segment = connection.execute(query.order_by(columns.segment).limit(1)).one_or_none()
    if segment is None:
        return None
    mine = sa.and_(
        sent_log.c.segment == segment.segment,
        sent_log.c.number.between(segment.first_number, segment.last_number),
    )
    part = sa.select(sent_log.c.number).where(mine).order_by(sent_log.c.number).limit(_ROWS_AT_ONCE)
    last = connection.execute(sa.select(sa.func.max(part.subquery().c.number))).scalar() or 0
    deleted = connection.execute(sent_log.delete().where(mine, sent_log.c.number <= last)).rowcount
    of = columns.segment == segment.segment
    if deleted < _ROWS_AT_ONCE:
        connection.execute(sent_segments.delete().where(of))
        keyindex.forget(connection, segment.segment)
    else:
        # The next part begins here, without a look at the rows of others in between.
        connection.execute(sent_segments.update().where(of).values(first_number=last + 1))
    return deleted


def erase_customer(database: Database, customer_id: str) -> int:
    """Drop ``customer_id`` from the sent log, a part at a time; how many rows had it."""
    erased, start = 0, 0
    with database.writing_engine.connect() as writer:
        last = _last_number(database, writer)
        while start <= last:
            part = sent_log.c.number.between(start, start + _SCAN - 1)
            mine = sent_log.update().where(part, sent_log.c.customer_id == storable(customer_id))
            with database.writing(writer) as connection:
                erased += connection.execute(mine.values(customer_id=None)).rowcount
            start += _SCAN
    return erased


def _last_number(database: Database, writer: sa.Connection) -> int:
    with database.writing(writer) as connection:
        return int(connection.execute(sa.select(sa.func.max(sent_log.c.number))).scalar() or 0)
