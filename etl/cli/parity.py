"""``etl parity``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import orjson

from etl.cli.options import config_option, json_option, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.authoring.parity import Comparison


@click.command("parity")
@config_option
@click.option("--events", required=True, metavar="SAMPLE", help="Track events: JSON lines or Parquet.")
@click.option(
    "--expected",
    required=True,
    metavar="FILE",
    help="Usage events recorded for them: JSON, JSON lines or Parquet.",
)
@click.option(
    "--by-value", is_flag=True, help="Numbers equal as doubles, times at the same instant, do not differ."
)
@click.option(
    "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="Show so many differences."
)
@json_option
def command(config_path: str, events: str, expected: str, by_value: bool, limit: int, as_json: bool) -> int:
    """Our usage events compared with recorded ones: what Segment sent, or what Metronome has.

    They are matched by transaction_id and compared value by value, numbers digit for digit. FILE holds usage events;
    or objects with one or several under "payload", "body" or "data"; or Metronome's events export. Sends nothing and
    needs no token. Exits 1 if anything differs.
    """
    from etl.authoring.notebook import parity
    from etl.cli.output import print_json

    found = parity(load(config_path), events, expected, by_value=by_value)
    if as_json:
        print_json(_as_json(found))
    else:
        for line in _lines(found, limit):
            click.echo(line)
    return 0 if found.agree else 1


def _as_json(found: Comparison) -> dict[str, Any]:
    """The fields of ``Comparison``; a difference has ``ours`` and ``expected`` as JSON, unless absent."""
    rows = found.differences.astype(object).where(found.differences.notna(), None).to_dict("records")
    told = [_embedded(row) for row in rows]
    return {"ours": found.ours, "expected": found.expected, "equal": found.equal, "differences": told}


def _embedded(row: dict[str, Any]) -> dict[str, Any]:
    sides = {side: row.pop(side) for side in ("ours", "expected")}
    return row | {side: orjson.Fragment(text) for side, text in sides.items() if text is not None}


def _lines(found: Comparison, limit: int) -> Iterator[str]:
    yield f"{found.ours:,} usage events of ours, {found.expected:,} recorded: {found.equal:,} are equal"
    if found.agree:
        return
    yield ""
    for (difference, path, note), count in found.by_field().most_common():
        yield f"{count:>9,}  {difference:<8} {path}{_in_brackets(note)}"
    yield ""
    for row in found.differences.head(limit).itertuples(index=False):
        yield from _difference(row)
    if len(found.differences) > limit:
        yield f"({len(found.differences) - limit:,} more; --limit to see them, --json for all)"


def _difference(row: Any) -> Iterator[str]:
    if row.difference != "differs":
        yield f"{row.transaction_id}  {row.difference}{_in_brackets(row.note)}"
        return
    yield f"{row.transaction_id}  {row.path}{_in_brackets(row.note)}"
    yield f"  ours      {_value(row.ours)}"
    yield f"  recorded  {_value(row.expected)}"


def _value(text: Any) -> str:
    return text if isinstance(text, str) else "(absent)"


def _in_brackets(note: Any) -> str:
    return f"  ({note})" if isinstance(note, str) and note else ""
