"""``etl import-segment``."""

from __future__ import annotations

import sys

import click

from etl.cli.options import force_option


@click.command("import-segment")
@click.argument("path", metavar="FILE")
@click.option("--out", metavar="CONFIG", help="Write the config here; stdout if left out.")
@force_option
def command(path: str, out: str | None, force: bool) -> int:
    """A Segment destination's subscriptions as a config.

    FILE is what Segment's Public API answers to GET /destinations/{id}/subscriptions, as JSON; - is stdin. Triggers
    and mappings are taken over as they stand; what Segment would not send with is commented out, with the reason.
    """
    from etl.authoring.import_segment import import_segment
    from etl.authoring.init import write_new
    from etl.core.errors import ConfigError

    try:
        text = sys.stdin.read() if path == "-" else _read(path)
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    config = import_segment(text)
    if out is None:
        click.echo(config, nl=False)
        return 0
    write_new({out: config}, force=force)
    click.echo(f"{out} is written; put in where the events are, then: etl check -c {out}", err=True)
    return 0


def _read(path: str) -> str:
    from pathlib import Path

    from etl.core.errors import ConfigError

    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
