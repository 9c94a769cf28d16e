"""Everything a report shows, read from the state in one go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.core.outcomes import ENDS, OUTCOMES
from etl.operations.report.books import Books, Volumes, books, volumes
from etl.operations.report.completeness import Completeness, completeness, up_to
from etl.operations.report.dead_letters import Letters, letters
from etl.pipeline.planning import outlook_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from etl.config import Config
    from etl.operations.report.scope import Scope
    from etl.state import StateStore


@dataclass(frozen=True)
class ReportData:
    """``config``: how the config's file is named in commands to copy. ``with_events``: letters hold their events."""

    scope: Scope
    account: str
    config: str
    books: Books
    volumes: Volumes
    letters: Letters
    completeness: Sequence[Completeness]
    with_events: bool

    @property
    def up_to(self) -> datetime | None:
        """Up to where every subscription is complete without a gap."""
        return up_to(self.completeness)

    @property
    def missing(self) -> int:
        """How many stretches of time were never completed."""
        return sum(len(one.missing) for one in self.completeness)

    @property
    def ends(self) -> Counter[str]:
        """Pairs by what became of them: of a run as it counted them, of a period as they stand now, each pair once."""
        if self.scope.run_id:
            return Counter({name: self.books.totals[name] for name in OUTCOMES})
        sent, unsent = self.books.billed, self.books.unsent
        return Counter({name: self.letters.open[name] for name in ENDS}) + Counter(sent=sent, unsent=unsent)

    @property
    def subscriptions(self) -> dict[str, Counter[str]]:
        """The same of each subscription."""
        if self.scope.run_id:
            return self.books.subscriptions
        found = {name: Counter(sent=number) for name, number in self.volumes.subscriptions.items()}
        letters = self.letters.by_subscription.items()
        left = [(one.subscription, Counter(unsent=one.pairs)) for one in self.books.left]
        for name, more in (*letters, *left):
            if name:
                found[name] = found.get(name, Counter()) + more
        return found

    @property
    def unlisted(self) -> int:
        """Usage events that the runs counted and the sent log does not hold under them."""
        return self.books.billed - self.volumes.events


def collect(config: Config, state: StateStore, scope: Scope, *, with_events: bool = False) -> ReportData:
    """The report's figures. Raises ``StateError`` when the state cannot be read; makes no state where there is none.

    One transaction, so that the figures belong together while a run goes on.
    """
    outlook = outlook_of(config, state)
    with state.database.snapshot() as connection:
        found = books(connection, scope)
        return ReportData(
            scope=scope,
            account=config.destination.account,
            config=str(config.path),
            books=found,
            volumes=volumes(connection, scope, found),
            letters=letters(connection, scope, found, events=with_events),
            completeness=completeness(outlook.everything, outlook.histories, scope),
            with_events=with_events,
        )
