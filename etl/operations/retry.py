"""Dead letters mapped again with today's config and sent, through the same pipeline as everything else.

``etl.operations.repair`` says which version of a subscription maps which letter. A letter's usage event is held against the limits, the sent log and its age like any other; what cannot be sent is
the same dead letter once more, and what is in the sent log afterwards is resolved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from etl.core.errors import EtlError
from etl.core.outcomes import RETRIED
from etl.core.ports import Content
from etl.core.windows import Window
from etl.operations.repair import Kept, Repair, batch_of, by_layout, repairs
from etl.pipeline import wiring
from etl.pipeline.precedence import contents_of, same_content
from etl.pipeline.run import run
from etl.transform import Events, columns, compile_subscription, event_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from threading import Event

    import pandas as pd

    from etl.config import Config
    from etl.core.layouts import Layout, Path
    from etl.core.ports import EventBatch, Late
    from etl.core.report import Report
    from etl.state import StateStore
    from etl.transform import Compiled

_TICK = timedelta(microseconds=1)


@dataclass
class Retried:
    """Letter numbers by what became of them; ``unsent`` counts usage events a dry run would send."""

    resolved: list[int] = field(default_factory=list)
    no_event: list[int] = field(default_factory=list)
    unmatched: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    unsent: int = 0

    @property
    def still_open(self) -> int:
        """How many letters are as they were."""
        return len(self.no_event) + len(self.unmatched) + len(self.refused)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        names = ("resolved", "refused", "unmatched", "no_event", "unsent")
        return {name: getattr(self, name) for name in names}

    def lines(self) -> Iterator[str]:
        """For people."""
        if self.unsent:
            yield f"{self.unsent:>9,}  would be sent"
        for what, numbers in (
            ("resolved: their usage event is in the sent log", self.resolved),
            ("refused again: see `etl dead-letters show`", self.refused),
            (
                "not matched by their subscription's trigger any more: discard them if that is meant",
                self.unmatched,
            ),
            ("without their event: it was not kept, and the source does not hold it any more", self.no_event),
        ):
            if numbers:
                yield f"{len(numbers):>9,}  {what}"


class _Letters:
    """Dead letters as a source: each event once, under its old origin and row, so that it stays the same letter."""

    def __init__(self, kept: Sequence[Kept]) -> None:
        self._kept = kept

    def batches(
        self,
        window: Window,
        paths: Collection[Path] | None = None,
        done: Collection[str] = frozenset(),
        late: Late | None = None,
    ) -> Iterator[EventBatch]:
        """One batch for each origin; the window is not looked at."""
        del window, paths, done, late
        for origin in sorted({one.origin for one in self._kept}):
            for alike in by_layout([one for one in self._kept if one.origin == origin]):
                yield batch_of(origin, alike)

    def check(self) -> None:
        """Nothing to reach."""

    def missing(self, origins: Collection[str]) -> set[str]:
        """See ``Source.missing``: letters are no parts of it."""
        return set(origins)

    def seen(self) -> Sequence[str]:
        """Nothing that ``etl check`` would say."""
        return ()

    def newest(self) -> datetime | None:
        """Not of interest here."""
        return None


def retry(
    config: Config, letters: pd.DataFrame, *, dry_run: bool = False, interrupted: Event | None = None
) -> Retried:
    """Retry ``letters`` (as ``StateStore.dead_letters`` gives them); held and unreadable ones are left alone.

    Raises a subclass of ``EtlError`` as a run does; what was sent until then is recorded.
    """
    retried = Retried()
    pairs = letters[letters["outcome"].isin(RETRIED)]
    for name in dict.fromkeys(pairs["subscription"]):
        _retry_one(config, str(name), pairs[pairs["subscription"] == name], retried, dry_run, interrupted)
    return retried


def _retry_one(
    config: Config,
    name: str,
    letters: pd.DataFrame,
    retried: Retried,
    dry_run: bool,
    interrupted: Event | None,
) -> None:
    kept = _events_of(config, letters)
    found = {one.number for one in kept}
    retried.no_event += [int(n) for n in letters["letter"] if n not in found]
    chosen = repairs(config, name, kept, datetime.now(UTC))
    retried.unmatched += sorted(found - {one.number for repair in chosen for one in repair.letters})
    for repair in chosen:
        source = _Letters(repair.letters)
        job = wiring.repair_job_of(
            config, repair.version, source, repair.bound, dry_run=dry_run, interrupted=interrupted
        )
        report = run(job)
        retried.unsent += report.unsent if dry_run else 0
        if not dry_run:
            _resolve(config, repair, report, retried)


def _resolve(config: Config, repair: Repair, report: Report, retried: Retried) -> None:
    """Close the letters whose usage event, with the same content, is in the sent log now."""
    state = wiring.state_of(config)
    mapped = _mapped(repair)
    sent = _sent(config, state, [event.transaction_id for event in mapped.values() if event])
    resolved = []
    for one in repair.letters:
        event = mapped.get(one.number)
        there = event and sent.get(event.transaction_id)
        if event and there and same_content(event.body, event.content, there):
            resolved.append(one.number)
        else:
            (retried.refused if one.number in mapped else retried.unmatched).append(one.number)
    state.resolve(resolved, f"retried by run {report.run_id}")
    retried.resolved += resolved


def _sent(config: Config, state: StateStore, transaction_ids: Sequence[str]) -> dict[str, Content]:
    if not transaction_ids:
        return {}
    tables = state.sent_log(account=config.destination.account, transaction_ids=transaction_ids)
    return {
        transaction_id: Content(digest, time)
        for table in tables
        for transaction_id, digest, time in zip(
            table["transaction_id"].to_pylist(),
            table["digest"].to_pylist(),
            table["event_time"].cast(pa.int64()).to_pylist(),
            strict=True,
        )
    }


class _UsageEvent(NamedTuple):
    transaction_id: str
    body: str
    content: Content


def _mapped(repair: Repair) -> dict[int, _UsageEvent | None]:
    """Letter → its usage event now (None: rejected); no entry where the trigger does not match."""
    compiled = compile_subscription(repair.version)
    return {
        number: event
        for alike in by_layout(repair.letters)
        for number, event in _mapped_alike(compiled, alike).items()
    }


def _mapped_alike(compiled: Compiled, kept: Sequence[Kept]) -> dict[int, _UsageEvent | None]:
    batch = batch_of("", kept)
    events = Events(batch.table, batch.layout)
    mask, failed = compiled.match(events)
    matched = {*np.flatnonzero(mask).tolist(), *failed["row"].tolist()}
    accepted = compiled.map(events).accepted
    made = zip(accepted["transaction_id"], accepted["body"], contents_of(accepted), strict=True)
    by_row = dict(zip(accepted["row"].tolist(), (_UsageEvent(*pair) for pair in made), strict=True))
    return {one.number: by_row.get(row) for row, one in enumerate(kept) if row in matched}


# ---------------------------------------------------------------------------- where the events come from


def _events_of(config: Config, letters: pd.DataFrame) -> list[Kept]:
    """Each letter's event, whole from the source where that still has it, else as far as it was kept."""
    fresh, layouts = _from_source(config, letters)
    usual = _usual_layout(config)
    kept = []
    for row in letters.itertuples(index=False):
        event = fresh.get((row.origin, int(row.row))) or (row.event if isinstance(row.event, str) else None)
        if event is not None:
            id_ = row.transaction_id if isinstance(row.transaction_id, str) else None
            cursor = row.cursor.to_pydatetime(warn=False)
            of = (int(row.letter), row.outcome, row.stage, id_)
            layout = layouts.get(row.origin, usual)
            kept.append(Kept(*of, row.origin, int(row.row), cursor, event, layout))
    return kept


def _usual_layout(config: Config) -> Layout:
    """Of events whose origin can be read no more."""
    if config.source.type == "warehouse":
        return "warehouse"
    return "warehouse" if getattr(config.source, "layout", "auto") == "warehouse" else "segment"


def _from_source(
    config: Config, letters: pd.DataFrame
) -> tuple[dict[tuple[str, int], str], dict[str, Layout]]:
    """(origin, row) → the event's JSON text, from the moments of the source that the letters name; origin → layout.

    Rows are recognised by origin, row and message id: a file that was written anew does not pass for the old one, and
    without a message id nothing does.
    """
    wanted = {
        (one.origin, int(one.row)): one.message_id
        for one in letters.itertuples(index=False)
        if isinstance(one.message_id, str)
    }
    found: dict[tuple[str, int], str] = {}
    layouts: dict[str, Layout] = {}
    try:
        for since in sorted({c.to_pydatetime(warn=False) for c in letters["cursor"].dropna()}):
            for batch in wiring.source_of(config).batches(Window(since, since + _TICK)):
                layouts[batch.origin] = batch.layout
                found |= _wanted(batch, wanted)
    except EtlError:
        # The source is gone or cannot be read now: what was kept has to do.
        return found, layouts
    return found, layouts


def _wanted(batch: EventBatch, wanted: dict[tuple[str, int], str]) -> dict[tuple[str, int], str]:
    rows = [position + 1 for position in batch.rows.to_pylist()]
    positions = [i for i, row in enumerate(rows) if (batch.origin, row) in wanted]
    if not positions:
        return {}
    events = Events(batch.table, batch.layout)
    ids = columns.cells(events.column(("messageId",)).iloc[positions])
    same = [i for i, id_ in zip(positions, ids, strict=True) if id_ == wanted[batch.origin, rows[i]]]
    return {(batch.origin, rows[i]): text for i, text in zip(same, event_json(events, same), strict=True)}
