"""``etl run``."""

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

if TYPE_CHECKING:
    from datetime import datetime

    from etl.core.report import Report


@click.command("run")
@config_option
@time_option("--since", "Begin of an ad-hoc window; UTC if it has no zone.")
@time_option("--until", "End of it; now if left out.")
@click.option("--dry-run", is_flag=True, help="Send and record nothing; say what would be sent.")
@metrics_option
@json_option
@quiet_option
def command(
    config_path: str,
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    metrics_file: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """The scheduled job: from the watermark less the overlap, to now.

    With --since (and --until) that window instead. Running any window again is safe: nothing is billed twice.
    """
    from etl.metronome.process import started_early

    refuse_no_window(since, until)
    if not dry_run:  # before the rest is loaded, until the command ends
        click.get_current_context().with_resource(started_early())

    from etl.cli.options import interruptible
    from etl.cli.output import report_of
    from etl.cli.progress import progress_for
    from etl.core.memory import settle
    from etl.operations.after_run import announced
    from etl.pipeline import api

    def announced_run() -> Report:
        config = load_for_run(config_path)
        settle()

        def run() -> Report:
            with interruptible() as interrupted, progress_for(quiet=quiet) as progress:
                return api.run(
                    config, since, until, dry_run=dry_run, progress=progress, interrupted=interrupted
                )

        return announced(config, "etl.run", run, metrics_file=metrics_file, dry_run=dry_run)

    return report_of(announced_run, as_json=as_json, quiet=quiet)
