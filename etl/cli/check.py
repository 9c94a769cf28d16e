"""``etl check``."""

from __future__ import annotations

import click

from etl.cli.options import config_option


@click.command("check")
@config_option
@click.option("--online", is_flag=True, help="Also ask Metronome, the source and the state, sending nothing.")
@click.option("--strict", is_flag=True, help="Exit 1 if there is any lint.")
def command(config_path: str, online: bool, strict: bool) -> int:
    """Problems (exit 2) and surprises (exit 0, or 1 with --strict) in a config.

    Each surprise is explained, with the fix; docs/lints.md has them all.
    """
    from etl.authoring.check import check

    result = check(config_path, online=online)
    for problem in result.problems:
        click.secho(f"etl: {problem}", fg="red", err=True)
    for lint in result.lints:
        click.echo(str(lint))
    for line in result.notes:
        click.echo(line, err=True)
    if result.problems:
        return 2
    click.echo(f"{config_path}: {_summary(len(result.lints))}", err=True)
    return 1 if strict and result.lints else 0


def _summary(lints: int) -> str:
    return "no problems" + (f", {lints} surprise{'s' * (lints > 1)} explained above" if lints else "")
