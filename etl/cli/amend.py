"""``etl amend``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from etl.cli.options import config_option, load_for_run, time_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from etl.authoring.amend import Amendment, Share


@click.command("amend")
@config_option
@click.option("--subscription", "name", metavar="NAME", help="Only this one.")
@time_option("--from", "Since when it applies; default: what was run so far.", name="since")
@click.option("--dry-run", is_flag=True, help="Show everything, write nothing.")
@click.option("--yes", is_flag=True, help="Write without asking.")
def command(config_path: str, name: str | None, since: datetime | None, dry_run: bool, yes: bool) -> int:
    """An edited, renamed or removed subscription: say so in the config.

    Shows what has changed since it ran and what each version bills of all that can still arrive late, then writes from,
    was or retired into the config. Comments and order stay.
    """
    from datetime import UTC, datetime
    from pathlib import Path

    from etl.authoring import amend

    config, now, path = load_for_run(config_path), datetime.now(UTC), Path(config_path)
    found = amend.amendments(config, name, since, now)
    if not found:
        click.echo(f"{config_path}: nothing to amend", err=True)
        return 0
    with path.open(encoding="utf-8", newline="") as file:
        before = file.read()
    after, new = amend.amended(config, before, [edit for one in found for edit in one.edits])
    for line in _lines(found, amend.shares(new, {one.name for one in found}, now)):
        click.echo(line)
    for line in amend.difference(before, after, path):
        click.echo(line)
    if dry_run or not (yes or _asked(config_path)):
        click.echo(f"{config_path}: nothing was written", err=True)
        return 0
    amend.write(path, after)
    click.echo(f"{config_path}: written", err=True)
    return 0


def _asked(config_path: str) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("there is nobody to ask: add --yes to write, or --dry-run to look")
    return click.confirm(f"Write this into {config_path}?", err=True)


def _lines(found: list[Amendment], shares: list[Share]) -> Iterator[str]:
    for one in found:
        yield f"subscription {one.name!r} {one.what}"
        yield from (f"  {line}" for line in one.differences)
        for share in shares:
            if share.name == one.name:
                pairs = share.pairs
                yield f"  of {share.part}: {pairs.matched:,} matched, {pairs.unsent:,} would be sent"
        yield ""
