"""``etl backfill``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from etl.cli.options import (
    config_option,
    json_option,
    load_for_run,
    metrics_option,
    quiet_option,
    refuse_no_window,
    time_option,
)
from etl.core import logs
from etl.core.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from etl.core.report import Report
    from etl.pipeline.backfill import BackfillReport


@click.command("backfill")
@config_option
@time_option("--since", "Begin; UTC if it has no zone.", required=True)
@time_option("--until", "End; now if that is still to come.", required=True)
@click.option(
    "--by", type=click.Choice(["day", "hour"]), default="day", show_default=True, help="Length of a window."
)
@click.option(
    "--subscription", "subscriptions", multiple=True, metavar="NAME", help="Only this one; may be repeated."
)
@click.option("--plan", is_flag=True, help="Count what would be sent, window by window; send nothing.")
@click.option("--redo", is_flag=True, help="Also windows that an earlier backfill completed.")
@metrics_option
@json_option
@quiet_option
def command(
    config_path: str,
    since: datetime,
    until: datetime,
    by: str,
    subscriptions: Sequence[str],
    plan: bool,
    redo: bool,
    metrics_file: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """The past, in windows of a day, each resumable.

    Stopped, it goes on where it was: windows it completed are skipped. A window that the schedule is running at the
    same time exits 75; all others may run beside the schedule.
    """
    from datetime import timedelta

    from etl.cli.options import interruptible
    from etl.cli.output import report_of
    from etl.cli.progress import progress_for
    from etl.core.memory import settle
    from etl.core.windows import Window
    from etl.operations.after_run import announced
    from etl.pipeline.backfill import Backfill, backfill

    refuse_no_window(since, until)

    def announced_run() -> BackfillReport:
        config = load_for_run(config_path)
        settle()
        step = timedelta(hours=1) if by == "hour" else timedelta(days=1)
        asked = Backfill(config, Window(since, until), step, subscriptions or None, plan, redo)
        watcher = None if quiet or as_json else _Lines()

        def run() -> BackfillReport:
            with interruptible() as interrupted, progress_for(quiet=quiet) as progress:
                return backfill(asked, watcher=watcher, progress=progress, interrupted=interrupted)

        return announced(config, "etl.backfill", run, metrics_file=metrics_file, dry_run=plan)

    return report_of(announced_run, as_json=as_json, quiet=quiet)


class _Lines:
    """A line for each window, on stderr; a log event where JSON was asked for.

    In a plan, windows without a row that follow one another share a line: the past of most sources begins late.
    """

    def __init__(self) -> None:
        self._empty: list[tuple[int, Report]] = []

    def window(self, number: int, of: int, report: Report, seconds_left: float) -> None:
        """What became of it, and about how long the rest takes."""
        if logs.only_json():
            told = {name: value for name, value in report.as_dict().items() if name != "error"}
            logs.tell("window", number=number, of=of, seconds_left=round(seconds_left), **told)
            return
        if report.dry_run and not report.read:
            self._empty.append((number, report))
            if number < of:
                return
        self._echo_empty(of)
        if report.dry_run and not report.read:
            return
        day = f"{report.window.since:%Y-%m-%d %H:%M}" if report.window else ""
        what = f"{report.unsent:,} to send" if report.dry_run else f"{report.sent:,} sent"
        more = "".join(
            f", {value:,} {name}"
            for name in OUTCOMES
            if name not in ("sent", "unsent") and (value := getattr(report, name))
        )
        left = f"; about {seconds_left / 60:.0f} min left" if seconds_left >= 60 else ""
        click.echo(f"{number:>4}/{of}  {day}  {what}{more}{left}", err=True)

    def _echo_empty(self, of: int) -> None:
        if self._empty:
            (first, one), (last, other) = self._empty[0], self._empty[-1]
            numbers = f"{first:>4}" if first == last else f"{first:>4} to {last}"
            until = f" to {other.window.until:%Y-%m-%d %H:%M}" if other.window and first != last else ""
            since = f"{one.window.since:%Y-%m-%d %H:%M}" if one.window else ""
            click.echo(f"{numbers}/{of}  {since}{until}  no rows", err=True)
            self._empty.clear()
