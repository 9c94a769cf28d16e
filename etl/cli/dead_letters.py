"""``etl dead-letters``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from etl.cli.options import config_option, json_option, load
from etl.core.outcomes import LETTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from etl.config import Config
    from etl.state import StateStore


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which letters: by number, outcome, stage, subscription or run."""
    for option in (
        click.option("--run", "run_id", help="First recorded by this run."),
        click.option("--subscription", help="Of this subscription."),
        click.option("--stage", help="Rejected at this stage."),
        click.option("--outcome", type=click.Choice(LETTERS), help="With this outcome."),
        click.argument("numbers", nargs=-1, type=int),
    ):
        command = option(command)
    return command


@click.group("dead-letters")
def command() -> None:
    """What was not sent, and why; repair it."""


@command.command("list")
@config_option
@_filters
@click.option("--all", "everything", is_flag=True, help="Also those resolved or discarded.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array on stdout, an object per letter.")
def list_(config_path: str, everything: bool, limit: int, as_json: bool, **filters: Any) -> int:
    """A line per dead letter, after a count by outcome and reason."""
    from etl.cli.output import print_json
    from etl.operations.export import without_content

    config, state = _opened(config_path)
    found = _found(config, state, filters, status=None if everything else "open", limit=limit)
    if as_json:
        print_json(without_content(found))
        return 0
    of = (config.pipeline, config.destination.account)
    for line in _counted(state.letter_counts(*of, status=None if everything else "open")):
        click.echo(line)
    for line in _listed(found, limit):
        click.echo(line)
    return 0


@command.command()
@config_option
@click.argument("number", type=int)
def show(config_path: str, number: int) -> int:
    """Everything kept of one dead letter, its event included, as JSON."""
    from etl.cli.output import print_json
    from etl.operations.export import with_content

    config, state = _opened(config_path)
    found = _found(config, state, {"numbers": (number,)}, status=None)
    print_json(with_content(found)[0])
    return 0


@command.command()
@config_option
@_filters
@click.option("--out", help="A .parquet or .ndjson file; NDJSON on stdout if left out.")
@click.option("--all", "everything", is_flag=True, help="Also those resolved or discarded.")
def export(config_path: str, out: str | None, everything: bool, **filters: Any) -> int:
    """Dead letters with their events, for whoever repairs them elsewhere."""
    from etl.operations.export import export_to, ndjson

    config, state = _opened(config_path)
    found = _found(config, state, filters, status=None if everything else "open")
    if out is None:
        sys.stdout.writelines(ndjson(found))
    else:
        export_to(found, out)
        click.echo(f"{len(found):,} dead letters in {out}", err=True)
    return 0


@command.command()
@config_option
@_filters
@click.option("--dry-run", is_flag=True, help="Say what would become of them; send nothing.")
@json_option
def retry(config_path: str, dry_run: bool, as_json: bool, **filters: Any) -> int:
    """Map them again with today's config and send what can be sent now.

    What the version of its time rejects, the version that applies now maps: correct the mapping, then retry.
    The same id is never billed twice: whatever is in the sent log is not sent again. A letter is resolved when its
    usage event is in the sent log.
    """
    from etl.cli.options import interruptible, load_for_run
    from etl.cli.output import print_json, readers_may_leave
    from etl.operations.retry import retry as retry_letters

    config = load_for_run(config_path)
    found = _found(config, _opened(config_path)[1], filters)
    if not len(found):
        click.echo("no open dead letters to retry", err=True)
    with interruptible() as interrupted:
        retried = retry_letters(config, found, dry_run=dry_run, interrupted=interrupted)
    with readers_may_leave():
        if as_json:
            print_json(retried.as_dict())
        for line in () if as_json else retried.lines():
            click.echo(line)
    return 1 if retried.still_open else 0


@command.command()
@config_option
@_filters
@click.option("--all", "everything", is_flag=True, help="Every open one, where nothing else is named.")
@click.option("--why", required=True, help="Kept with them, for the auditor.")
def discard(config_path: str, everything: bool, why: str, **filters: Any) -> int:
    """These are not to be billed. Seen again, they stay closed.

    A held pair (in_future) is not sent when it comes due, either. A rejected one is sent only when what was wrong with
    it has been put right and its time is run again.
    """
    if not everything and not any(filters.values()):
        raise click.UsageError("name the dead letters by number or filter, or all of them with --all")
    config, state = _opened(config_path)
    closed = state.discard([int(n) for n in _found(config, state, filters)["letter"]], why)
    click.echo(f"{closed:,} dead letters discarded", err=True)
    return 0


def _opened(config_path: str) -> tuple[Config, StateStore]:
    from etl.pipeline.wiring import state_of

    config = load(config_path)
    return config, state_of(config)


def _found(
    config: Config,
    state: StateStore,
    filters: dict[str, Any],
    status: str | None = "open",
    limit: int | None = None,
) -> pd.DataFrame:
    where = {name: value for name, value in filters.items() if name not in ("numbers", "run_id") and value}
    where["account"] = config.destination.account
    if filters.get("numbers"):
        where["letter"] = list(filters["numbers"])
    if filters.get("run_id") or filters.get("numbers"):
        limit = None
    found = state.dead_letters(config.pipeline, status=status, limit=limit, **where)
    _refuse_unknown(config, set(where.get("letter", ())) - set(found["letter"]), status)
    return found[found["first_run"] == filters["run_id"]] if filters.get("run_id") else found


def _refuse_unknown(config: Config, numbers: set[int], status: str | None) -> None:
    """Raise ``ConfigError`` for letters asked for by number that are not there: a typo is not an answer."""
    from etl.core.errors import ConfigError

    if numbers:
        which, where = (f"{status} ", "; list --all shows those that were closed") if status else ("", "")
        named = ", ".join(map(str, sorted(numbers)))
        raise ConfigError(f"there is no {which}dead letter {named} in pipeline {config.pipeline!r}{where}")


def _counted(counts: pd.DataFrame) -> list[str]:
    lines = [
        f"{row.letters:>9,}  {row.outcome:<10} {_fitting(row.reason)}"
        for row in counts.itertuples(index=False)
    ]
    return [*lines, ""] if lines else ["no dead letters"]


def _fitting(reason: str) -> str:
    """Cut where a terminal would break the line; whole where a program or a file takes it."""
    return reason[:57] if sys.stdout.isatty() else reason


def _listed(found: pd.DataFrame, limit: int) -> list[str]:
    lines = [
        f"{row.letter:>6} {row.outcome:<10} {_where(row)[:38]:<38} {_id(row)[:24]}"
        for row in found.itertuples(index=False)
    ]
    return [*lines, f"(the first {limit}; --limit for more)"] if len(found) == limit else lines


def _where(row: Any) -> str:
    name = str(row.origin.rsplit("/", 1)[-1])
    return f"{name}:{row.row}" if row.row or row.outcome != "broken" else name


def _id(row: Any) -> str:
    """What there is of its ids; a missing value is no text."""
    return next((id_ for id_ in (row.transaction_id, row.message_id) if isinstance(id_, str)), "")
