"""The runs in scope, read one by one and added up, so that memory does not grow with their number."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from etl.report import OUTCOMES
from etl.state.schema import runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.reporting.scope import Scope

#: Rows of the table of runs; the sums count all.
LISTED = 500
#: Distances between runs that the usual one is taken from.
_DISTANCES = 200
_TO_LOOK_AT = ("rejected", "drift", "too_old", "in_future", "unreadable")


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
        return sum(self.counts.get(name, 0) for name in _TO_LOOK_AT)


@dataclass
class Books:
    """``totals`` and ``subscriptions`` (by name) hold the sums of the runs' counts, named as in the run's report.

    ``listed``: the newest runs, newest first. ``first``/``last``: the least and the greatest epoch.
    ``usual``: the usual distance between two complete scheduled runs; None when there are too few to tell.
    """

    number: int = 0
    first: int = 0
    last: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    subscriptions: dict[str, Counter[str]] = field(default_factory=dict)
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
        hour = run.started.replace(minute=0, second=0, microsecond=0)
        self.retries[hour] += run.counts.get("retries", 0)
        if run.behind is not None:
            self.behind[hour] = max(run.behind, self.behind.get(hour, run.behind))
        if run.ended is not None:
            self.ended = max(run.ended, self.ended or run.ended)
        if since_last is not None:
            self._distances.append(since_last.total_seconds())

    def _count(self, counts: dict[str, Any]) -> None:
        self.totals.update({name: n for name, n in counts.items() if isinstance(n, int)})
        for name, pairs in counts.get("by_subscription", {}).items():
            self.subscriptions.setdefault(name, Counter()).update(pairs)

    @property
    def adds_up(self) -> bool:
        """The identity of DESIGN §1: every matched pair has exactly one outcome."""
        return self.totals["matched"] == sum(self.totals[outcome] for outcome in OUTCOMES)


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
