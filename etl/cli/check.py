"""``etl check``."""

from __future__ import annotations

import click

from etl.cli.options import config_option, json_option


@click.command("check")
@config_option
@click.option("--online", is_flag=True, help="Also ask Metronome, the source and the state, sending nothing.")
@click.option("--strict", is_flag=True, help="Exit 1 if there is any lint.")
@json_option
def command(config_path: str, online: bool, strict: bool, as_json: bool) -> int:
    """Problems (exit 2) and surprises (exit 0, or 1 with --strict) in a config.

    Each surprise is explained, with the fix; docs/lints.md has them all. Files and a state on this machine are looked
    at, too: what would stop a run now is said.
    """
    from etl.authoring.check import check
    from etl.cli.output import print_json

    result = check(config_path, online=online)
    surprises = len(result.lints) + len(result.warnings)
    code = 2 if result.problems else int(strict and bool(result.lints))
    if as_json:
        print_json({"config": config_path, "exit_code": code, **result.as_dict()})
        return code
    for problem in result.problems:
        click.secho(f"etl: {problem}", fg="red", err=True)
    for lint in result.lints:
        click.echo(str(lint))
    for line in (*(f"a run would stop: {text}" for text in result.warnings), *result.notes):
        click.echo(line, err=True)
    if not result.problems:
        click.echo(f"{config_path}: {_summary(surprises)}", err=True)
    return code


def _summary(surprises: int) -> str:
    return "no problems" + (
        f", {surprises} surprise{'s' * (surprises > 1)} explained above" if surprises else ""
    )
