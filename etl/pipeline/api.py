"""The public functions behind ``import etl``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from etl import config as configs
from etl.core.errors import ConfigError
from etl.core.windows import Window, moment
from etl.pipeline import wiring
from etl.pipeline.run import run as run_job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path
    from threading import Event

    from etl.config import Config
    from etl.core.ports import Progress
    from etl.core.report import Report
    from etl.pipeline.backfill import BackfillReport


def load_config(path: str | Path, env: Mapping[str, str] | None = None) -> Config:
    """Read and check a config; ``${VAR}`` is taken from ``env`` (default: the process's environment).

    Raises ``ConfigError`` with every problem found, each with file, line and key.
    """
    return configs.load_config(path, wiring.environment() if env is None else env)


def run(
    config: Config,
    since: datetime | date | str | None = None,
    until: datetime | date | str | None = None,
    *,
    dry_run: bool = False,
    subscriptions: Sequence[str] | None = None,
    progress: Progress | None = None,
    interrupted: Event | None = None,
) -> Report:
    """Run one window: the scheduled one, or ``[since, until)``; times without a zone are UTC.

    Returns the report (the fields of ``--json`` as attributes). Raises a subclass of ``EtlError`` with
    ``exit_code`` and ``report`` for what the CLI exits 2, 3 and 75 with.
    """
    window = _window(since, until)
    job = wiring.job_of(
        config,
        window=window,
        kind="ad-hoc" if window else "scheduled",
        subscriptions=subscriptions,
        dry_run=dry_run,
        progress=progress,
        interrupted=interrupted,
    )
    return run_job(job)


def _window(since: Any, until: Any) -> tuple[datetime, datetime] | None:
    """None for the scheduled run; ``since`` alone reaches to now."""
    if since is None and until is None:
        return None
    if since is None:
        raise ConfigError("--until needs --since; leave out both for the scheduled run")
    return moment(since), datetime.now(UTC) if until is None else moment(until)


def backfill(
    config: Config,
    since: datetime | date | str,
    until: datetime | date | str,
    *,
    by: Literal["day", "hour"] = "day",
    subscriptions: Sequence[str] | None = None,
    plan: bool = False,
    redo: bool = False,
    progress: Progress | None = None,
    interrupted: Event | None = None,
) -> BackfillReport:
    """Run ``[since, until)`` in windows of a day or an hour, cut at midnight UTC or the full hour.

    ``plan`` counts and sends nothing. Windows that an earlier backfill of the same subscriptions completed are
    skipped unless ``redo``. Raises as ``run``; the error's report holds the windows so far.
    """
    from etl.pipeline.backfill import Backfill
    from etl.pipeline.backfill import backfill as run_backfill

    step = timedelta(hours=1) if by == "hour" else timedelta(days=1)
    asked = Backfill(config, Window(moment(since), moment(until)), step, subscriptions, plan, redo)
    return run_backfill(asked, progress=progress, interrupted=interrupted)
