"""``etl map``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
import orjson

from etl.cli.options import config_option, load, quiet_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from etl.core.ports import Source
    from etl.core.subscription import Subscription


@click.command("map")
@config_option
@click.argument("input_path", metavar="[INPUT]", required=False)
@quiet_option
def command(config_path: str, input_path: str | None, quiet: bool) -> int:
    """Track events in, one outcome per event and subscription out (NDJSON); sends nothing.

    INPUT is a file of JSON lines (also gzipped) or Parquet, or - for JSON lines on stdin; without it the config's
    source is read. Exits 1 if anything was rejected.
    """
    from etl.authoring.event_files import tables
    from etl.cli.progress import counting
    from etl.pipeline.wiring import source_of

    config = load(config_path)
    batches = _tables_of(source_of(config)) if input_path is None else tables(input_path)
    rejected = False
    # What is written to a terminal shows itself how far it is.
    with counting("events", quiet=quiet or sys.stdout.isatty()) as seen:
        for line, was_rejected in _outcomes(batches, list(config.subscriptions), seen):
            sys.stdout.write(line)
            rejected |= was_rejected
    sys.stdout.flush()
    return int(rejected)


def _tables_of(source: Source) -> Iterator[pa.Table]:
    from etl.core.windows import ALL_TIME

    return (batch.table for batch in source.batches(ALL_TIME))


def _outcomes(
    batches: Iterable[Any], subscriptions: list[Subscription], seen: Callable[[int], None]
) -> Iterator[tuple[str, bool]]:
    """Each outcome as a line, and whether it is a rejection; ``row`` counts through all batches."""
    from etl.transform import map_events

    begun = 0
    for events in batches:
        frame = map_events(events, subscriptions)
        frame["row"] += begun
        begun += len(events)
        seen(begun)
        for outcome in frame.itertuples(index=False):
            yield _line(outcome), outcome.outcome == "rejected"


def _line(outcome: Any) -> str:
    """The columns of ``etl.map_events`` as keys; the body is embedded as it is, digit for digit."""
    body = outcome.body if isinstance(outcome.body, str) else "null"
    before = orjson.dumps(
        {"row": int(outcome.row), "subscription": outcome.subscription, "outcome": outcome.outcome}
    )
    after = orjson.dumps({"stage": _text(outcome.stage), "reason": _text(outcome.reason)})
    return f'{before[:-1].decode()},"body":{body},{after[1:].decode()}\n'


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
