"""``etl report``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etl.cli.options import config_option, load, quiet_option, time_option

if TYPE_CHECKING:
    from datetime import datetime

    from etl.config import Config
    from etl.operations.report import Scope
    from etl.state import StateStore

_DAYS = 30


@click.command("report")
@config_option
@click.option("--run", "run_id", metavar="RUN_ID", help="One run.")
@time_option("--since", "The runs that began at or after this; UTC if it has no zone.")
@time_option("--until", "And before this; the end of today if left out.")
@click.option("--days", type=click.IntRange(min=1), metavar="N", help=f"The last N days.  [default: {_DAYS}]")
@click.option("--out", metavar="FILE", help="The HTML file to write; stdout if left out.")
@click.option("--with-events", is_flag=True, help="Show the events of dead letters, too.")
@quiet_option
def command(
    config_path: str,
    run_id: str | None,
    since: datetime | None,
    until: datetime | None,
    days: int | None,
    out: str | None,
    with_events: bool,
    quiet: bool,
) -> int:
    """Did it run, and was everything billed? A run or a period as one HTML file.

    The file needs no network and holds no event content, unless asked for. Times are UTC.
    """
    from etl.operations.report import collect, render
    from etl.pipeline.wiring import state_of

    _refuse_mixtures(run_id, since, until, days)
    if out is None and sys.stdout.isatty():
        raise click.UsageError("name the file to write with --out, or redirect the output")
    config = load(config_path)
    state = state_of(config)
    scope = _scope(config, state, run_id, since, until, days or _DAYS)
    page = render(collect(config, state, scope, with_events=with_events))
    if out is None:
        # Bytes, because stdout may be of another encoding than the page says.
        sys.stdout.buffer.write(page.encode())
    else:
        _write(Path(out), page)
        if not quiet:
            click.echo(f"{out}: {len(page.encode()) / 1000:,.0f} kB", err=True)
    return 0


def _refuse_mixtures(
    run_id: str | None, since: datetime | None, until: datetime | None, days: int | None
) -> None:
    if sum(1 for given in (run_id, since or until, days) if given) > 1:
        raise click.UsageError(
            "name a run (--run), a period (--since, --until) or a number of --days: one of them"
        )
    if until and not since:
        raise click.UsageError("--until needs --since")


def _scope(
    config: Config,
    state: StateStore,
    run_id: str | None,
    since: datetime | None,
    until: datetime | None,
    days: int,
) -> Scope:
    from datetime import UTC, datetime, timedelta

    from etl.operations.report import period, single_run

    if run_id:
        return single_run(config, state, run_id)
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    if since is None:
        return period(config, midnight - timedelta(days=days), midnight, now)
    return period(config, since, until or max(midnight, since), now)


def _write(path: Path, page: str) -> None:
    """All of it or nothing: who opens the file meanwhile sees the one before."""
    from etl.core.errors import ConfigError

    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"--out: cannot write {path}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink()
