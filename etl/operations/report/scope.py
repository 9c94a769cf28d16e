"""What a report is about: one run, or all runs of a pipeline that began in a period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from etl.core.errors import ConfigError
from etl.core.windows import Window, rfc3339
from etl.state.schema import runs

if TYPE_CHECKING:
    from datetime import datetime

    from etl.config import Config
    from etl.state import StateStore


@dataclass(frozen=True)
class Scope:
    """A pipeline's runs for an account that are reported together; ``run_id``: None for a period.

    ``window``: the part of the cursor's time line that completeness is shown for: the period, or the run's window.
    ``began``: when the runs in scope began. ``at``: the moment that lag counts from: the end of the period or, while
    that is still to come, the clock; None for a run, which is reported the same for ever.
    """

    pipeline: str
    account: str
    window: Window
    began: Window
    at: datetime | None = None
    run_id: str | None = None

    @property
    def open(self) -> bool:
        """Whether the period is not over yet."""
        return self.at is not None and self.at < self.window.until

    def selection(self) -> sa.ColumnElement[bool]:
        """The runs in scope, as a condition on ``runs``."""
        columns = runs.c
        mine = (columns.pipeline == self.pipeline) & (columns.account == self.account)
        if self.run_id is not None:
            return mine & (columns.run_id == self.run_id)
        return mine & (columns.started >= self.began.since) & (columns.started < self.began.until)


def period(config: Config, since: datetime, until: datetime, now: datetime) -> Scope:
    """All runs of the config's pipeline that began in ``[since, until)``. Raises ``ConfigError`` if that is empty."""
    if since >= until:
        raise ConfigError(f"--since {rfc3339(since)} is not before --until {rfc3339(until)}")
    window = Window(since, until)
    minute = now.replace(second=0, microsecond=0)
    return Scope(config.pipeline, config.destination.account, window, window, at=min(minute, until))


def single_run(config: Config, state: StateStore, run_id: str) -> Scope:
    """One run of the config's pipeline. Raises ``ConfigError`` when it has no such run."""
    account = config.destination.account
    mine = (runs.c.pipeline == config.pipeline) & (runs.c.account == account)
    query = sa.select(runs).where(mine, runs.c.run_id == run_id)
    with state.database.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise ConfigError(
            f"pipeline {config.pipeline!r} has no run {run_id!r} for account {account!r}; `etl status --runs 50` lists the newest"
        )
    window, began = Window(row.since, row.until), Window(row.started, row.started)
    return Scope(config.pipeline, account, window, began, run_id=run_id)
