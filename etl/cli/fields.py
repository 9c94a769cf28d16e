"""``etl fields``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from etl.cli.options import config_option, json_option, load, quiet_option, time_option

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

_WIDTH = 80
#: Columns and how wide they may get.
_COLUMNS = (("PATH", 34), ("TYPES", 9), ("FILL", 6), ("DISTINCT", 12))
_NUMBERS = ("FILL", "DISTINCT")


@click.command("fields")
@config_option
@click.option("--trigger", metavar="FQL", help="Only events that this trigger matches.")
@time_option("--since", "Only events whose cursor lies at or after this.")
@time_option("--until", "Only events whose cursor lies before this.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first so many events.")
@click.option("--no-samples", is_flag=True, help="Show no values.")
@json_option
@quiet_option
def command(
    config_path: str,
    trigger: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    no_samples: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Every path in the source, with types, fill rate and samples: the variables picker.

    FILL is the share of events with a value there that is not null; DISTINCT how many different values there are,
    about where it has a ~. Needs no token.
    """
    from etl.authoring.notebook import fields
    from etl.cli.output import print_json
    from etl.cli.progress import counting

    with counting("events", quiet=quiet) as seen:
        frame = fields(
            load(config_path),
            trigger=trigger,
            since=since,
            until=until,
            limit=limit,
            samples=not no_samples,
            seen=seen,
        )
    if as_json:
        print_json(_as_json(frame))
    else:
        _print(frame, samples=not no_samples)
    return 0


def _as_json(frame: pd.DataFrame) -> dict[str, Any]:
    """``rows``, ``more_paths`` and ``fields``: the columns of ``etl.fields`` as keys; samples are JSON text."""
    found = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return {**frame.attrs, "fields": found}


def _print(frame: pd.DataFrame, *, samples: bool) -> None:
    """A table as wide as the terminal, or 80 columns, and what is to be known of it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else _WIDTH
    rows = [_cells(field)[: 4 + samples] for field in frame.itertuples(index=False)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, width in _widths(rows, console.width).items():
        table.add_column(
            name,
            width=width,
            justify="right" if name in _NUMBERS else "left",
            no_wrap=name == "SAMPLES",
            overflow="ellipsis" if name == "SAMPLES" else "fold",
        )
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
    for line in _notes(frame):
        click.echo(line, err=True)


def _widths(rows: list[list[str]], whole: int) -> dict[str, int]:
    """Column → its width: what it needs, up to a limit; samples have what the others leave."""
    widths = {
        name: min(most, max(len(text) for text in (name, *(row[number] for row in rows))))
        for number, (name, most) in enumerate(_COLUMNS)
    }
    if rows and len(rows[0]) > len(widths):
        widths["SAMPLES"] = max(whole - sum(widths.values()) - 2 * len(widths), len("SAMPLES"))
    return widths


def _cells(field: Any) -> list[str]:
    types = ", ".join(field.types)
    return [_path(field), types, _percent(field.fill), _distinct(field), " ".join(field.samples)]


def _notes(frame: pd.DataFrame) -> list[str]:
    lines = [f"{frame.attrs['rows']:,} events"]
    hidden = frame["path"][~frame["reachable"]]
    if len(hidden):
        included = hidden.str.startswith("$.properties").any()
        whole = "; $.properties as a whole includes it" if included else ""
        lines.append(f"* no path of Segment's leads there{whole}")
    if frame.attrs["more_paths"]:
        lines.append("more paths than are shown: some object's keys look like ids")
    return lines


def _path(field: Any) -> str:
    return field.path if field.reachable else f"{field.path} *"


def _percent(share: float) -> str:
    """Never 100 % or 0 % for almost all or almost none."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.0%}" if share in (0, 1) else f"{share:.1%}"


def _distinct(field: Any) -> str:
    if not isinstance(field.distinct, int):
        return ""
    return f"{field.distinct:,}" if field.exact else f"~{field.distinct:,}"
