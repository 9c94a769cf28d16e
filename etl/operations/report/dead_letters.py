"""The dead letters of the scope: counted by reason, and the newest open ones by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from etl.core.outcomes import HELD
from etl.state.schema import dead_letters
from etl.state.sent_log.rows import restored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from etl.operations.report.books import Books
    from etl.operations.report.scope import Scope

#: Reasons and letters that are listed; the sums count all.
REASONS, LISTED, LISTED_WITH_EVENTS = 60, 200, 100
#: Characters of an event that are shown: a page with a hundred of them stays readable.
EVENT_CHARACTERS = 2_000

_NAMES = ("letter", "subscription", "outcome", "stage", "reason", "origin", "row", "message_id")
_MORE = ("transaction_id", "customer_id", "count", "first_seen", "last_seen", "due")


@dataclass(frozen=True)
class Reason:
    """Letters of the same outcome, stage and reason; ``sightings``: how often they were met, all runs together."""

    outcome: str
    stage: str
    reason: str
    open: int
    closed: int
    sightings: int
    subscriptions: int


@dataclass(frozen=True)
class Letter:
    """One open dead letter. ``event`` and ``body``: JSON text, cut; None unless asked for, or not kept."""

    letter: int
    subscription: str
    outcome: str
    stage: str
    reason: str
    origin: str
    row: int
    message_id: str | None
    transaction_id: str | None
    customer_id: str | None
    count: int
    first_seen: datetime
    last_seen: datetime
    due: datetime | None
    event: str | None = None
    body: str | None = None


@dataclass
class Letters:
    """``open``: by outcome, of all reasons; ``by_subscription``: the same of each name. ``discarded`` are among ``closed``.

    ``kinds``: how many reasons there are; ``reasons`` holds the commonest.
    """

    open: Counter[str] = field(default_factory=Counter)
    by_subscription: dict[str, Counter[str]] = field(default_factory=dict)
    closed: int = 0
    discarded: int = 0
    kinds: int = 0
    reasons: Sequence[Reason] = ()
    listed: Sequence[Letter] = ()

    @property
    def to_look_at(self) -> int:
        """Open letters of any outcome."""
        return sum(self.open.values())

    @property
    def held(self) -> int:
        """Those that later runs send by themselves, once they are due."""
        return sum(self.open[outcome] for outcome in HELD)


def letters(connection: sa.Connection, scope: Scope, books: Books, *, events: bool) -> Letters:
    """Letters first met before the last run in scope ended and last met after the first began, as they are now."""
    found = Letters()
    if not books.number:
        return found
    columns = dead_letters.c
    mine = (columns.pipeline == scope.pipeline) & (columns.account == scope.account)
    mine &= (columns.first_run <= books.last) & (columns.last_run >= books.first)
    _count(connection, mine, found)
    found.reasons = _reasons(connection, mine)
    found.listed = _listed(connection, mine & (columns.status == "open"), events=events)
    return found


def _count(connection: sa.Connection, mine: sa.ColumnElement[bool], found: Letters) -> None:
    columns = dead_letters.c
    by = (columns.outcome, columns.stage, columns.reason)
    kinds = sa.select(*by).where(mine).distinct().subquery()
    found.kinds = connection.execute(sa.select(sa.func.count()).select_from(kinds)).scalar_one()
    by = (columns.subscription, columns.outcome, columns.status)
    query = sa.select(*by, sa.func.count()).where(mine).group_by(*by)
    for subscription, outcome, status, number in connection.execute(query):
        if status == "open":
            found.open[outcome] += number
            found.by_subscription.setdefault(restored(subscription), Counter())[outcome] += number
        else:
            found.closed += number
            found.discarded += number if status == "discarded" else 0


def _reasons(connection: sa.Connection, mine: sa.ColumnElement[bool]) -> list[Reason]:
    columns = dead_letters.c
    by = (columns.outcome, columns.stage, columns.reason)
    still_open = sa.func.sum(sa.case((columns.status == "open", 1), else_=0)).label("still_open")
    query = sa.select(
        *by, still_open, (sa.func.count() - still_open).label("closed"),
        sa.func.sum(columns.count).label("sightings"),
        sa.func.count(columns.subscription.distinct()).label("subscriptions"),
    ).where(mine).group_by(*by).order_by(still_open.desc(), *by).limit(REASONS)  # fmt: skip
    return [
        Reason(row.outcome, row.stage, restored(row.reason), *(int(number) for number in row[3:]))
        for row in connection.execute(query)
    ]


def _listed(connection: sa.Connection, mine: sa.ColumnElement[bool], *, events: bool) -> list[Letter]:
    columns = dead_letters.c
    names = (*_NAMES, *_MORE, "event", "body") if events else (*_NAMES, *_MORE)
    query = sa.select(*(columns[name] for name in names)).where(mine).order_by(columns.letter.desc())
    rows = connection.execute(query.limit(LISTED_WITH_EVENTS if events else LISTED)).mappings()
    return [Letter(**{name: _value(name, row[name]) for name in names}) for row in rows]


def _value(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = restored(value)
    cut = name in ("event", "body") and len(text) > EVENT_CHARACTERS
    return text[:EVENT_CHARACTERS] + "…" if cut else text
