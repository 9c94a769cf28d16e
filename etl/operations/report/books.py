"""The runs in scope, read one by one and added up, so that memory does not grow with their number.

What was sent, counted by the database: by time, subscription, event type and customer.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from etl.core.outcomes import LETTERS, OUTCOMES
from etl.core.report import total
from etl.core.sql import statement
from etl.core.windows import Window
from etl.state.schema import microseconds, runs
from etl.state.sent_log.rows import restored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from etl.operations.report.scope import Scope


#: Rows of the table of runs; the sums count all.
LISTED = 500
#: Distances between runs that the usual one is taken from.
_DISTANCES = 200


@dataclass(frozen=True)
class RunLine:
    """One run. ``behind``: how old the newest complete moment had become when it ended; only of scheduled runs."""

    run_id: str
    kind: str
    status: str
    account: str
    since: datetime
    until: datetime
    started: datetime
    ended: datetime | None
    error: str | None
    counts: dict[str, Any]
    behind: timedelta | None

    @property
    def took(self) -> timedelta | None:
        """Wall-clock time; None while it runs. A clock that was set back makes it zero, not negative."""
        return None if self.ended is None else max(self.ended - self.started, timedelta(0))

    @property
    def to_look_at(self) -> int:
        """Pairs and rows of this run that somebody should look at."""
        return sum(self.counts.get(name, 0) for name in LETTERS)


@dataclass(frozen=True)
class Left:
    """Pairs of a subscription that a stopped run had matched and not sent, and its window."""

    subscription: str
    window: Window
    pairs: int


@dataclass
class Books:
    """``totals`` and ``subscriptions`` (by name) hold the sums of the runs' counts, named as in the run's report.

    ``listed``: the newest runs, newest first. ``first``/``last``: the least and the greatest epoch.
    ``quantities``: of `report.quantity`, all subscriptions together, by outcome; ``unsummed``: runs
    that sent something and were not asked for it.
    ``left``: what stopped runs left, as far as no later run has taken their windows up.
    ``usual``: the usual distance between two complete scheduled runs; None when there are too few to know.
    """

    number: int = 0
    first: int = 0
    last: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    subscriptions: dict[str, Counter[str]] = field(default_factory=dict)
    quantities: dict[str, Decimal] = field(default_factory=dict)
    unsummed: int = 0
    left: list[Left] = field(default_factory=list)
    listed: deque[RunLine] = field(default_factory=lambda: deque(maxlen=LISTED))
    #: By hour of their start: requests repeated, and the most that the schedule was behind.
    retries: Counter[datetime] = field(default_factory=Counter)
    behind: dict[datetime, timedelta] = field(default_factory=dict)
    ended: datetime | None = None
    _distances: deque[float] = field(default_factory=lambda: deque(maxlen=_DISTANCES))

    @property
    def billed(self) -> int:
        """Usage events that Metronome confirmed to these runs; held ones that came due included."""
        return self.totals["sent"] + self.totals["released"]

    @property
    def usual(self) -> timedelta | None:
        """See the class."""
        return timedelta(seconds=median(self._distances)) if len(self._distances) >= 3 else None

    def add(self, epoch: int, run: RunLine, since_last: timedelta | None) -> None:
        """Count a run; ``since_last``: how far after the complete scheduled run before it."""
        self.number += 1
        self.first, self.last = self.first or epoch, epoch
        self.statuses[run.status] += 1
        self.listed.appendleft(run)
        self._count(run.counts)
        self._take_up(run)
        hour = run.started.replace(minute=0, second=0, microsecond=0)
        self.retries[hour] += run.counts.get("retries", 0)
        if run.behind is not None:
            self.behind[hour] = max(run.behind, self.behind.get(hour, run.behind))
        if run.ended is not None:
            self.ended = max(run.ended, self.ended or run.ended)
        if since_last is not None:
            self._distances.append(since_last.total_seconds())

    def _take_up(self, run: RunLine) -> None:
        """A run bills again what its window holds, so it alone says what of that is left."""
        if run.status == "running":
            return
        pairs, window = run.counts.get("by_subscription", {}), Window(run.since, run.until)
        self.left = [one for one in self.left if one.subscription not in pairs or not _holds(window, one)]
        if run.status != "complete":
            self.left += [Left(name, window, of["unsent"]) for name, of in pairs.items() if of["unsent"]]

    @property
    def unsent(self) -> int:
        """Pairs that nobody has sent or listed yet."""
        return sum(one.pairs for one in self.left)

    def _count(self, counts: dict[str, Any]) -> None:
        self.totals.update({name: n for name, n in counts.items() if isinstance(n, int)})
        self.unsummed += bool(counts.get("sent") and not counts.get("quantities"))
        for sums in (counts.get("quantities") or {}).values():
            for name, text in sums.items():
                self.quantities[name] = total((self.quantities.get(name, Decimal(0)), Decimal(text)))
        for name, pairs in counts.get("by_subscription", {}).items():
            self.subscriptions.setdefault(name, Counter()).update(pairs)

    @property
    def adds_up(self) -> bool:
        """The identity: every matched pair has exactly one outcome."""
        return self.totals["matched"] == sum(self.totals[outcome] for outcome in OUTCOMES)


def _holds(window: Window, left: Left) -> bool:
    return window.since <= left.window.since and left.window.until <= window.until


def books(connection: sa.Connection, scope: Scope) -> Books:
    """The books of the runs in scope, from the oldest to the newest."""
    found = Books()
    query = sa.select(runs).where(scope.selection()).order_by(runs.c.epoch)
    rows = connection.execution_options(yield_per=500).execute(query)
    reached: datetime | None = None
    for number, row in enumerate(_each(rows)):
        if number == 0:
            reached = _reached_before(connection, scope, row.epoch)
        found.add(row.epoch, _line(row, reached), _since_last(row, reached))
        if row.kind == "scheduled" and row.status == "complete":
            reached = row.until if reached is None else max(reached, row.until)
    return found


def _each(rows: Any) -> Iterator[Any]:
    yield from rows


def _reached_before(connection: sa.Connection, scope: Scope, epoch: int) -> datetime | None:
    columns = runs.c
    query = sa.select(sa.func.max(columns.until, type_=columns.until.type)).where(
        columns.pipeline == scope.pipeline, columns.account == scope.account,
        columns.kind == "scheduled", columns.status == "complete", columns.epoch < epoch,
    )  # fmt: skip
    found: datetime | None = connection.execute(query).scalar()
    return found


def _line(row: Any, reached: datetime | None) -> RunLine:
    known = row.kind == "scheduled" and row.ended is not None and reached is not None
    return RunLine(
        row.run_id, row.kind, row.status, row.account, row.since, row.until, row.started, row.ended, row.error,
        counts=orjson.loads(row.counts) if row.counts else {},
        behind=max(row.ended - reached, timedelta(0)) if known else None,
    )  # fmt: skip


def _since_last(row: Any, reached: datetime | None) -> timedelta | None:
    if row.kind != "scheduled" or row.status != "complete" or reached is None or row.until <= reached:
        return None
    distance: timedelta = row.until - reached
    return distance


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
