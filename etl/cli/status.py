"""``etl status``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from etl.cli.options import config_option, json_option, load, metrics_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.operations.status import Status


@click.command("status")
@config_option
@click.option(
    "--runs", type=click.IntRange(min=0), default=10, show_default=True, help="How many of the newest runs."
)
@click.option(
    "--alarms", "asked", is_flag=True, help="Only what the config's alarms complain about; exit 1 if any."
)
@metrics_option
@json_option
def command(config_path: str, runs: int, asked: bool, metrics_file: str | None, as_json: bool) -> int:
    """Runs, watermark and lag, gaps, counts, dead letters."""
    from datetime import UTC, datetime

    from etl.cli.output import print_json
    from etl.operations.alarms import alarms
    from etl.operations.status import status

    config, now = load(config_path), datetime.now(UTC)
    if metrics_file:
        from etl.operations.after_run import state_figures

        state_figures(config, metrics_file)
    firing = alarms(config, now) if asked else []
    if as_json:
        told = status(config, now, runs).as_dict()
        print_json({**told, "alarms": [alarm.as_dict() for alarm in firing]} if asked else told)
        return int(bool(firing))
    for line in (
        (f"{alarm.name}: {alarm.message}" for alarm in firing) if asked else _lines(status(config, now, runs))
    ):
        click.echo(line)
    return int(bool(firing))


def _lines(found: Status) -> Iterator[str]:
    told = found.as_dict()
    yield f"pipeline    {found.pipeline}, billed to account {found.account}"
    yield f"watermark   {_watermark(found)}"
    if len(found.watermarks) > 1 or found.needs:
        for name, mark in told["subscriptions"].items():
            yield f"            {mark['watermark'] or mark['needs'] or 'never complete'}  {name}"
    for name, until in told["removed"].items():
        yield f"removed     {until}  {name}: late rows of before are still billed"
    for name, some in found.gaps.items():
        for gap in some:
            yield f"gap         {gap}  {name}"
    letters = ", ".join(f"{count:,} {outcome}" for outcome, count in found.letters.items())
    yield f"to look at  {letters or 'nothing'}" + (": etl dead-letters list" if letters else "")
    yield f"sent log    {found.sizes['sent_log']:,} ids, {found.sizes['bytes'] / 1e6:,.1f} MB of state"
    yield from _runs(told["runs"])


def _watermark(found: Status) -> str:
    if found.watermark is None or found.lag is None:
        return "none: no scheduled window is complete yet"
    hours, minutes = divmod(int(found.lag) // 60, 60)
    return f"{found.as_dict()['watermark']}, {hours} h {minutes} min behind now"


def _runs(runs: list[dict[str, Any]]) -> Iterator[str]:
    if not runs:
        return
    yield ""
    yield f"{'started (UTC)':<17}{'kind':<10}{'status':<10}{'read':>11}{'sent':>11}{'to look':>9}  window since"
    for run in runs:
        counts = run["counts"] or {}
        yield (
            f"{run['started'][:16].replace('T', ' '):<17}{run['kind']:<10}{run['status']:<10}"
            f"{counts.get('read', 0):>11,}{counts.get('sent', 0):>11,}{counts.get('new_letters', 0):>9,}"
            f"  {run['since'][:16].replace('T', ' ')}"
        )
        if run["error"]:
            yield f"  {run['error'].splitlines()[0][:76]}"
