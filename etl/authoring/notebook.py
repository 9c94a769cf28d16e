"""What people ask from a notebook; every answer is a DataFrame, or holds one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from etl.authoring.event_files import tables
from etl.authoring.parity import Comparison, compare, read_recorded
from etl.authoring.survey import Survey
from etl.core.errors import ConfigError
from etl.core.report import Counts
from etl.core.subscription import Subscription
from etl.core.windows import ALL_TIME, moment
from etl.pipeline import wiring
from etl.pipeline.pairs import opted_out
from etl.transform import Compiled, Events, columns, compile_subscription, map_events
from etl.transform.frame import as_events
from etl.transform.json.text import parse as parse_json

#: What a run counts, as the report names it.
_COUNTS = tuple(name for name, value in Counts().as_dict().items() if isinstance(value, int))

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date, datetime

    from etl.config import Config
    from etl.core.ports import EventBatch
    from etl.core.windows import Window

    Moment = datetime | date | str


def fields(
    config: Config,
    *,
    trigger: str | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    limit: int | None = None,
    samples: bool = True,
    seen: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Every path in the config's source: what the variables picker of Segment's mapping editor shows.

    Memory does not depend on the size of the source. No token is needed.

    Args:
        config: its source is read; rows of every type, those of other calls than track included.
        trigger: only events that this FQL matches.
        since: only events whose cursor lies at or after this.
        until: only events whose cursor lies before this.
        limit: only the first so many of these events.
        samples: whether to show values.
        seen: called with the number of events looked at, batch by batch.

    Returns:
        A row per path, the event's own fields first, with Arrow types: ``path`` (``$.properties.jobId``; a warehouse's
        column under the path that leads there), ``reachable`` (false where no path of Segment's leads there: a key with
        dots, a column like a warehouse's event slug, whose name then stands for the path), ``types`` (list, the
        commonest first: string, boolean, integer, number, decimal, time, date, array, object, null), ``filled`` (how
        many events have a value there that is not null), ``fill`` (their share, 0 to 1), ``distinct`` (how many
        different values; null for objects), ``exact`` (whether that is no estimate: up to 4,096 it is none, above it
        typically within 2 %), ``samples`` (list of up to three values as JSON text, cut at 120 characters).
        ``attrs``: ``rows`` (the events looked at) and ``more_paths`` (there were more than 2,000).

    Raises:
        ConfigError: the trigger does not parse; the source has no cursor column.
        SourceError: the source cannot be read.
    """
    survey = Survey(samples=samples)
    matching = None if trigger is None else _trigger(trigger)
    for batch in _batches(config, since, until):
        table = _matched(batch, matching)
        survey.add(table if limit is None else table.slice(0, limit - survey.rows), batch.layout)
        if seen is not None:
            seen(survey.rows)
        if survey.rows == limit:
            break
    frame = survey.frame()
    frame.attrs = {"rows": survey.rows, "more_paths": survey.more}
    return frame


def sample(
    config: Config,
    *,
    trigger: str | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    limit: int = 1000,
) -> pa.Table:
    """The first events of the config's source, as they are stored: what ``map_events`` and ``parity`` take.

    At most ``limit`` rows of one file or table (others may have other columns); of those that ``trigger`` matches and
    whose cursor lies in ``[since, until)``. Raises as ``fields``.
    """
    matching = None if trigger is None else _trigger(trigger)
    events: pa.Table = pa.table({})
    for batch in _batches(config, since, until):
        events = _matched(batch, matching)
        if events.num_rows:
            break
    return events.slice(0, min(limit, events.num_rows))


def _trigger(text: str) -> Compiled:
    compiled = compile_subscription(Subscription("", text, {}))
    if compiled.invalid is not None:
        raise ConfigError(f"the trigger {text!r} does not parse: {compiled.invalid}")
    return compiled


def _batches(config: Config, since: Moment | None, until: Moment | None) -> Iterator[EventBatch]:
    return wiring.source_of(config).batches(_window(since, until))


def _window(since: Moment | None, until: Moment | None) -> Window:
    return ALL_TIME.clamp(*(None if at is None else moment(at) for at in (since, until)))


def _matched(batch: EventBatch, matching: Compiled | None) -> pa.Table:
    if matching is None:
        return batch.table
    mask, _ = matching.match(Events(batch.table, batch.layout))
    return batch.table.filter(pa.array(mask))


def sent_log(
    config: Config,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    customer_id: str | None = None,
    run_id: str | None = None,
    transaction_ids: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The usage events that were sent to the config's account, in the order of recording.

    ``since`` and ``until`` are about the time sent. A month may hold many millions: narrow it, or take
    ``etl state export``. The columns, with Arrow types: ``account``, ``transaction_id``, ``digest`` (of the body, 16
    bytes), ``subscription``, ``customer_id``, ``event_type``, ``event_time``, ``pipeline``, ``run_id``, ``sent_at``
    (times in UTC). Raises ``StateError`` when the state cannot be read.
    """
    asked = _window(since, until)
    tables = wiring.state_of(config).sent_log(
        account=config.destination.account,
        transaction_ids=transaction_ids,
        run_id=run_id,
        customer_id=customer_id,
        sent=None if asked == ALL_TIME else (asked.since, asked.until),
    )
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def runs(config: Config, *, limit: int | None = None) -> pd.DataFrame:
    """The runs of the config's pipeline for its account, the newest first, and what each counted.

    The columns, with Arrow types: ``run_id``, ``pipeline``, ``account``, ``kind`` (scheduled, ad-hoc or backfill),
    ``status`` (running, complete, stopped or abandoned), ``since`` and ``until`` (the window), ``started``, ``ended``,
    ``error``, ``host``, ``pid``, ``scope``, and each count of the report as a column of its own (null before the run
    recorded anything), but for ``by_subscription``, which holds dicts (subscription → its counts).
    Raises ``StateError`` when the state cannot be read.
    """
    table = wiring.state_of(config).runs(config.pipeline, config.destination.account, limit=limit)
    counts = [{name: (held or {}).get(name) for name in _COUNTS} for held in table["counts"]]
    counted = pd.DataFrame(counts, columns=list(_COUNTS), index=table.index).astype(pd.ArrowDtype(pa.int64()))
    by_subscription = [(held or {}).get("by_subscription") for held in table["counts"]]
    return (
        table.drop(columns="counts")
        .join(counted)
        .assign(by_subscription=pd.Series(by_subscription, dtype=object))
    )


def dead_letters(
    config: Config,
    *,
    status: str | None = "open",
    limit: int | None = None,
    content: bool = False,
    **where: object,
) -> pd.DataFrame:
    """What the config's pipeline did not send to its account, oldest first, a row per dead letter, with Arrow types.

    Args:
        config: its pipeline's.
        status: ``open``, ``resolved``, ``discarded``, or None for all.
        limit: only the first so many.
        content: with ``event`` and ``body``, the event and the usage event as JSON text.
        where: columns and the value, or list of values, they must have: ``outcome="rejected"``, ``stage="limits"``.

    Returns:
        Among the columns: ``letter`` (the number that ``etl dead-letters`` takes), ``subscription``, ``outcome``
        (rejected, drift, too_old, in_future or unreadable), ``stage``, ``reason``, ``origin`` and ``row`` (file or
        table, and where in it), ``message_id``, ``transaction_id``, ``customer_id``, ``count`` (how often it was met),
        ``first_seen``, ``last_seen``, ``first_run``, ``last_run``, ``status``.

    Raises:
        ConfigError: ``where`` names no column.
        StateError: the state cannot be read.
    """
    state = wiring.state_of(config)
    known = state.dead_letters(config.pipeline, limit=0).columns
    if wrong := [name for name in where if name not in known]:
        raise ConfigError(f"dead letters have no column {wrong[0]!r}; they have {', '.join(known)}")
    of = {"account": config.destination.account, **where}
    letters = state.dead_letters(config.pipeline, status=status, limit=limit, **of)
    shown: pd.DataFrame = letters if content else letters.drop(columns=["event", "body"])
    return shown


def parity(
    config: Config,
    events: str | Sequence[Any] | pd.DataFrame | pa.Table,
    expected: str | Sequence[Any],
    *,
    by_value: bool = False,
) -> Comparison:
    """Our usage events for a sample of events, compared with recorded ones of the same transaction_id.

    Ours are what ``map_events`` makes with the config's subscriptions, without events that opted out; of several with
    one id the first. Numbers are compared digit for digit, all else as it stands. No token is needed.

    Args:
        config: its subscriptions.
        events: the sample: a file (JSON lines or Parquet), or what ``map_events`` takes.
        expected: the recorded usage events: a file, or JSON values (``etl.authoring.parity.read_recorded`` has the shapes).
        by_value: take numbers that agree as doubles, and timestamps that are the same instant, for equal.

    Returns:
        How many agree, and ``differences``, a DataFrame with a row for every value that differs.

    Raises:
        ConfigError: a file cannot be read, or holds something else.
    """
    ours: dict[str, Any] = {}
    unmade: dict[str, str] = {}
    for batch in tables(events) if isinstance(events, str) else [events]:
        _add_ours(ours, unmade, batch, config)
    recorded = {key: one.body for key, one in read_recorded(expected).items()}
    return compare(ours, recorded, unmade, by_value=by_value)


def _add_ours(ours: dict[str, Any], unmade: dict[str, str], events: Any, config: Config) -> None:
    """Bodies by transaction_id, and by messageId what became of events that have none."""
    roots = as_events(events)
    out = opted_out(roots)
    ids = columns.cells(roots.column(("messageId",)))
    for outcome in map_events(events, list(config.subscriptions)).itertuples(index=False):
        message_id = ids[outcome.row]
        if outcome.outcome == "mapped" and not out[outcome.row]:
            body = parse_json(outcome.body)
            ours.setdefault(body["transaction_id"], body)
        elif not isinstance(message_id, str):
            continue  # no recorded event can be its own
        elif out[outcome.row]:
            unmade[message_id] = "its event opted out"
        elif outcome.outcome == "rejected":
            unmade[message_id] = f"its event was rejected ({outcome.stage}: {outcome.reason})"
        else:
            unmade.setdefault(message_id, "no trigger matches its event")
