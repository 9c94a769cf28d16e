"""``etl demo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from etl.core.report import Report

EVENTS = 12_000


@click.command("demo")
@click.option(
    "--dir", "folder", default="etl-demo", show_default=True, help="Where to put sample, config and state."
)
def command(folder: str) -> int:
    """Sample data, a local Metronome stand-in, a run, a second run that sends nothing.

    Needs no account and no server, and sends nothing anywhere but to this machine.
    """
    from pathlib import Path

    from etl.pipeline import api
    from etl.standin import Standin, demo

    place = Path(folder)
    demo.prepare(place, EVENTS)
    _step(f"1. {EVENTS:,} sample rows, as a Parquet export of Segment track events", place / "tracks")
    with Standin(token=demo.TOKEN) as standin:
        path = demo.write_config(place, standin.url)
        _step("2. A config that bills them through a local stand-in for Metronome", path)
        config = api.load_config(path, {"METRONOME_BEARER_TOKEN": demo.TOKEN})
        _step("3. The first run sends every usage event")
        first = _show(api.run(config, demo.WINDOW.since, demo.WINDOW.until))
        _step("4. The same window again sends nothing: every id is in the sent log")
        second = _show(api.run(config, demo.WINDOW.since, demo.WINDOW.until))
        accepted = standin.stats()["accepted"]
    _step("5. A report for whoever asks whether everything was billed", demo.write_report(place, config))
    _step(f"Metronome's stand-in accepted {accepted:,} usage events, each of them once.")
    click.echo(_next_steps(path))
    return 0 if accepted == first.sent > 0 and second.sent == 0 else 3


def _step(what: str, where: Path | None = None) -> None:
    click.secho(f"\n{what}", bold=True)
    if where is not None:
        click.echo(f"   {where}")


def _show(report: Report) -> Report:
    from etl.cli.output import summary

    for line in summary(report):
        click.echo(f"   {line}")
    return report


def _next_steps(config: Path) -> str:
    return f"""
Look around:
   etl check -c {config}               what surprises hide in this config?
   etl map -c {config} | head -3       what would be sent?
   etl status -c {config}              what was run?
   etl dead-letters list -c {config}   what was not sent, and why?"""
