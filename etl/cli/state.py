"""``etl state``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from etl.cli.options import config_option, load, quiet_option, time_option

if TYPE_CHECKING:
    from datetime import datetime

    from etl.state import StateStore


@click.group("state")
def command() -> None:
    """The state database: export the sent log, prune it, erase a customer."""


@command.command()
@config_option
@click.option("--out", required=True, metavar="FILE", help="A Parquet file to write.")
@time_option("--since", "Sent at or after this.")
@time_option("--until", "Sent before this.")
@quiet_option
def export(config_path: str, out: str, since: datetime | None, until: datetime | None, quiet: bool) -> int:
    """The sent log of the config's account as Parquet: every id that was ever sent, with digest, run and time."""
    from datetime import UTC, datetime

    from etl.cli.progress import counting
    from etl.operations.export import export_sent_log

    sent = None
    if since or until:
        sent = (since or datetime(1970, 1, 1, tzinfo=UTC), until or datetime.now(UTC))
    config = load(config_path)
    state = _state(config_path)
    with counting("ids", quiet=quiet, total=None if sent else state.sizes()["sent_log"]) as seen:
        rows = export_sent_log(state, config.destination.account, out, sent, seen)
    if not quiet:
        click.echo(f"{rows:,} ids in {out}", err=True)
    return 0


@command.command()
@config_option
def prune(config_path: str) -> int:
    """Drop what is older than state.retention now; the run does this a little at a time."""
    click.echo(f"{_state(config_path).prune():,} ids dropped from the sent log", err=True)
    return 0


@command.command()
@config_option
@click.option("--customer", "customer_id", metavar="ID", help="Erase this customer_id.")
@click.option("--message", "message_id", metavar="ID", help="Erase the event with this messageId.")
def erase(config_path: str, customer_id: str | None, message_id: str | None) -> int:
    """Forget a customer or an event: content and ids of dead letters, the customer_id in the sent log.

    The sent log keeps the transaction_id: without it the event could be billed twice.
    """
    if (customer_id is None) == (message_id is None):
        raise click.UsageError("name either --customer or --message")
    erased = _state(config_path).erase(customer_id=customer_id, message_id=message_id)
    click.echo(
        f"{erased['dead_letters']:,} dead letters and {erased['sent_log']:,} rows of the sent log", err=True
    )
    return 0


def _state(config_path: str) -> StateStore:
    from etl.pipeline.wiring import state_of

    return state_of(load(config_path))
