"""What was sent, counted by the database: by time, subscription, event type and customer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from etl.sqlfiles import statement
from etl.state.rows import restored
from etl.state.schema import microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.reporting.books import Books
    from etl.reporting.scope import Scope

#: Event types and customers that are named; the rest is one line.
TOP = 20
#: A clock that is set back by less than this hides nothing of a run.
_SLACK = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Ranked:
    """The greatest, name (None: not known, or erased) and events; ``kinds``: how many there are; ``rest`` of events."""

    top: Sequence[tuple[str | None, int]] = ()
    kinds: int = 0
    rest: int = 0


@dataclass
class Volumes:
    """Usage events in the sent log that the runs in scope sent.

    ``hours``: by hour of the event's timestamp. ``undated``: events whose timestamp the sent log does not hold.
    """

    events: int = 0
    undated: int = 0
    hours: Counter[datetime] = field(default_factory=Counter)
    subscriptions: Counter[str] = field(default_factory=Counter)
    event_types: Ranked = field(default_factory=Ranked)
    customers: Ranked = field(default_factory=Ranked)

    def add(self, hour: int | None, subscription: str, events: int) -> None:
        """Count the events of an hour (hours since 1970) and subscription."""
        self.events += events
        self.subscriptions[subscription] += events
        if hour is None:
            self.undated += events
        else:
            self.hours[_EPOCH + timedelta(hours=hour)] += events


def volumes(connection: sa.Connection, scope: Scope, books: Books) -> Volumes:
    """Counted in the database; what comes back is small whatever the sent log holds."""
    found = Volumes()
    chosen = _chosen(connection, scope, books)
    if chosen is None:
        return found
    for hour, subscription, events in connection.execute(_sql("sent_by_hour"), chosen):
        found.add(hour, restored(subscription or ""), events)
    found.event_types = _ranked(connection, "sent_by_event_type", chosen, found.events)
    found.customers = _ranked(connection, "sent_by_customer", chosen, found.events)
    return found


def _sql(name: str) -> sa.TextClause:
    return sa.text(statement(f"report/{name}.sql"))


def _chosen(connection: sa.Connection, scope: Scope, books: Books) -> dict[str, Any] | None:
    """Which rows of the sent log: those of the runs in scope, in a range of numbers that holds them all."""
    if not books.number:
        return None
    ended = books.ended if books.ended and not books.statuses["running"] else scope.at
    edges = {"since": microseconds(scope.began.since - _SLACK)}
    edges["until"] = microseconds(ended + _SLACK) if ended else (1 << 62)
    low, high = connection.execute(_sql("sent_range"), edges).one()
    if low is None:
        return None
    began = {"since": microseconds(scope.began.since), "until": microseconds(scope.began.until)}
    of = {"pipeline": scope.pipeline, "account": scope.account}
    return {"low": low, "high": high, **of, "first": books.first, "last": books.last, **began}


def _ranked(connection: sa.Connection, name: str, chosen: Mapping[str, Any], events: int) -> Ranked:
    rows = connection.execute(_sql(name), {**chosen, "top": TOP}).all()
    top = [(None if row.name is None else restored(row.name), int(row.events)) for row in rows]
    return Ranked(top, int(rows[0].kinds) if rows else 0, events - sum(number for _, number in top))
