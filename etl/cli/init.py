"""``etl init``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from etl.cli.options import force_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.authoring.init import Answers

_KINDS = ("parquet", "logs", "warehouse")


@click.command("init")
@click.option("--source", "kind", type=click.Choice(_KINDS), help="Where track events come from.")
@click.option("--path", help="Of parquet and logs: file, folder, glob or URL.")
@click.option("--schema", help="Of a warehouse: the schema of a Segment source.")
@click.option(
    "--table", "tables", multiple=True, help='Of a warehouse: an event\'s table, or "*"; may be repeated.'
)
@click.option(
    "--query", metavar="FILE", help="Of a warehouse: read it with your own SQL; a file to start from is made."
)
@click.option("--pipeline", default="product-usage", show_default=True, help="The name state is kept under.")
@click.option("--account", help="The Metronome account or environment to bill.  [default: production]")
@click.option("--start", metavar="DAY", help="Where the first scheduled run begins.  [default: today]")
@click.option("--out", default="etl.yml", show_default=True, metavar="CONFIG", help="The config to write.")
@force_option
def command(kind: str | None, out: str, force: bool, **given: Any) -> int:
    """A commented config to start from, which `etl check` accepts.

    Asks for what is not given as an option; with --source it asks only for what that source needs.
    """
    from etl.authoring.init import initial_files, write_new

    asks_all = kind is None
    try:
        answers = _answers(
            kind or _ask("Where do track events come from?", "--source", _KINDS), asks_all, given
        )
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError(
            "nobody is there to answer; give --source, and --path or --schema and --table"
        ) from None
    files = initial_files(answers, out)
    write_new(files, force=force)
    for path in files:
        click.echo(f"{path} is written", err=True)
    click.echo(f"next: etl fields -c {out}, then etl check -c {out}", err=True)
    return 0


def _answers(kind: str, asks_all: bool, given: dict[str, Any]) -> Answers:
    from datetime import UTC, datetime

    from etl.authoring.init import Answers
    from etl.core.windows import moment

    where = _ask_where(kind, given)
    today = datetime.now(UTC).date().isoformat()
    for name, question, default in (
        ("account", "Which Metronome account or environment is billed?", "production"),
        ("start", "From which day on?", today),
    ):
        given[name] = given[name] or (_ask(question, f"--{name}", default=default) if asks_all else default)
    start = moment(given["start"]).date()
    return Answers(kind=kind, start=start, pipeline=given["pipeline"], account=given["account"], **where)  # type: ignore[arg-type]


def _ask_where(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """What the kind of source needs; options of another kind are refused."""
    _refuse_others(kind, given)
    if kind != "warehouse":
        return {"path": given["path"] or _ask("Which file, folder, glob or URL?", "--path")}
    if given["query"]:
        return {name: given[name] or "" for name in ("schema", "query", "tables")}
    schema = given["schema"] or _ask("Which schema?", "--schema")
    tables: Sequence[str] = (
        given["tables"] or _ask('Which tables? (with spaces between; "*": all)', "--table").split()
    )
    return {"schema": schema, "tables": [name.strip('",') for name in tables]}


def _refuse_others(kind: str, given: dict[str, Any]) -> None:
    others = ("schema", "tables", "query") if kind != "warehouse" else ("path",)
    wrong = next((name for name in others if given[name]), None)
    if wrong:
        raise click.UsageError(f"--{wrong.removesuffix('s')} is no option of --source {kind}")


def _ask(question: str, option: str, choices: Sequence[str] = (), default: str | None = None) -> str:
    kind = click.Choice(choices) if choices else None
    answer: str = click.prompt(f"{question} ({option})", type=kind, default=default, err=True)
    return answer
