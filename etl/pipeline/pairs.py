"""One batch of track events → the pairs that may be sent and the pairs that are rejected. Pure.

A *pair* is a track event and a subscription that matched it. An event that Segment's ``integrations`` object opts out
of Metronome is not billed. Nothing here knows the clock, the state or Metronome.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.pipeline import limits as metronome_limits
from etl.transform import UNDEFINED, Events, columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from etl.core.layouts import Path
    from etl.core.ports import EventBatch
    from etl.core.windows import Window
    from etl.pipeline.limits import Limits
    from etl.transform import Compiled
    from etl.transform.columns.tracks import Roots


#: The destination's exact, case-sensitive name in Segment.
DESTINATION = "Metronome (Actions)"

OPT_OUT_PATHS: frozenset[Path] = frozenset({("integrations", "All"), ("integrations", DESTINATION)})


def opted_out(events: Roots) -> np.ndarray:
    """Bool per event: ``{"All": false}`` or ``{"Metronome (Actions)": false}``.

    An explicit key beats ``All``; anything but ``false`` there (an object, null) counts as true.
    """
    named = events.column(("integrations", DESTINATION))
    out: np.ndarray = _false(named) | (_absent(named) & _false(events.column(("integrations", "All"))))
    return out


def _false(column: pd.Series) -> np.ndarray:
    if columns.is_objects(column) or columns.is_json(array := columns.arrow(column)):
        return np.fromiter((value is False for value in columns.cells(column)), bool, len(column))
    if not pa.types.is_boolean(array.type):
        return np.zeros(len(column), bool)
    return np.array(pc.fill_null(pc.invert(array), fill_value=False).to_numpy(zero_copy_only=False))


def _absent(column: pd.Series) -> np.ndarray:
    if column.dtype == object:
        return np.fromiter((value is UNDEFINED for value in column), bool, len(column))
    return np.array(column.isna())


PAIR_COLUMNS = ["row", "subscription", "transaction_id", "customer_id", "timestamp", "event_type", "body"]
REJECTED_COLUMNS = ["row", "subscription", "stage", "reason", "transaction_id", "customer_id", "body"]
#: That one piece of a batch should make: memory must not grow with the subscriptions that match the same events.
MOST_PAIRS = 40_000


@dataclass(frozen=True)
class Billing:
    """A subscription as a run bills it: compiled, and the part of the cursor's time line that belongs to it."""

    name: str
    compiled: Compiled
    part: Window


@dataclass(frozen=True)
class Examined:
    """A batch after triggers, mappings and limits.

    ``pairs``: columns ``PAIR_COLUMNS``, ordered by row, then subscription. ``rejected``: ``REJECTED_COLUMNS``.
    ``row`` is the position in the batch. ``matched_rows``: rows that at least one subscription matched.
    ``warned``: pairs with a property value over the warning length.
    """

    batch: EventBatch
    pairs: pd.DataFrame
    rejected: pd.DataFrame
    matched_rows: int
    warned: int

    @property
    def events(self) -> Events:
        """The batch's events, without what was read of them to map them: it is kept until all of them are recorded."""
        return Events(self.batch.table, self.batch.layout)


def in_pieces(
    batches: Iterable[EventBatch], billings: Sequence[Billing], limits: Limits
) -> Iterator[Examined]:
    """Every batch examined, in pieces that make about ``MOST_PAIRS`` at most, judged by what those before made."""
    pairs_a_row = float(len(billings))
    for batch in batches:
        start, rows = 0, batch.table.num_rows
        while not start or start < rows:
            piece = _piece(batch, start, max(1, int(MOST_PAIRS / max(1.0, pairs_a_row))))
            examined = [examine(piece, billings, limits)]
            made = len(examined[0].pairs) + len(examined[0].rejected)
            # Slowly down: what matches everything may come next.
            pairs_a_row = max(made / max(1, piece.table.num_rows), pairs_a_row / 2)
            start += max(1, piece.table.num_rows)
            del piece
            yield examined.pop()  # which is not kept here while the next is made


def _piece(batch: EventBatch, start: int, rows: int) -> EventBatch:
    """So many rows of ``batch``; what was unreadable comes with the first of them, the mark with the last."""
    count = batch.table.num_rows
    if not start and rows >= count:
        return batch
    return replace(
        batch,
        table=batch.table.slice(start, rows),
        cursor=batch.cursor.slice(start, rows),
        rows=batch.rows.slice(start, rows),
        unreadable=() if start else batch.unreadable,
        mark=batch.mark if start + rows >= count else None,
    )


def examine(batch: EventBatch, billings: Sequence[Billing], limits: Limits) -> Examined:
    """Match and map every row of ``batch`` for every subscription, then hold the pairs against the limits."""
    events = Events(batch.table, batch.layout)
    if not len(events):  # it carries a mark, or nothing but unreadable rows
        return Examined(batch, _concat([], PAIR_COLUMNS), _concat([], REJECTED_COLUMNS), 0, 0)
    billable = ~opted_out(events)
    matched = np.zeros(len(events), bool)
    accepted, rejected = [], []
    for billing in billings:
        pairs, refused, rows = _map(events, billing, billable & within(batch.cursor, billing.part))
        matched |= rows
        accepted.append(pairs)
        rejected.append(refused)
    pairs = _in_row_order(accepted)
    reasons, warned = metronome_limits.check(pairs, limits)
    broken = reasons.notna().to_numpy(bool)
    if broken.any():
        rejected.append(_over_limits(pairs[broken], reasons[broken]))
        pairs = pairs[~broken]
    return Examined(
        batch,
        pairs,
        _concat(rejected, REJECTED_COLUMNS),
        int(matched.sum()),
        warned,
    )


def within(cursor: pa.Array, part: Window) -> np.ndarray:
    """Bool per row: whether its cursor lies in ``part``."""
    if part.empty:
        return np.zeros(len(cursor), bool)
    since, until = (pa.scalar(edge, cursor.type) for edge in (part.since, part.until))
    inside = pc.and_(pc.greater_equal(cursor, since), pc.less(cursor, until))
    return np.array(inside.to_numpy(zero_copy_only=False))


def _map(
    events: Events, billing: Billing, eligible: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Accepted pairs, rejected pairs, and which rows matched (a trigger that fails on a row counts as matched)."""
    mask, failed = billing.compiled.match(events)
    failed = failed[eligible[failed["row"].to_numpy(np.int64)]]
    mask = mask & eligible
    positions = np.flatnonzero(mask)
    mapped = billing.compiled.map(events if len(positions) == len(events) else events.take(positions))
    mask = mask.copy()
    mask[failed["row"].to_numpy(np.int64)] = True
    refused = _concat([failed, _at(mapped.rejected, positions)], REJECTED_COLUMNS)
    return _at(mapped.accepted, positions), refused, mask


def _at(frame: pd.DataFrame, positions: np.ndarray) -> pd.DataFrame:
    """``frame`` with ``row`` turned from a position among the matched events into one in the batch."""
    rows = positions[frame["row"].to_numpy(np.int64)]
    return frame.assign(row=pd.array(rows, dtype=pd.ArrowDtype(pa.int64())))


def _in_row_order(accepted: Sequence[pd.DataFrame]) -> pd.DataFrame:
    pairs = _concat(accepted, PAIR_COLUMNS)
    if sum(len(frame) > 0 for frame in accepted) < 2:
        return pairs
    return pairs.sort_values("row", kind="stable", ignore_index=True)


def _over_limits(pairs: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    return pairs.assign(stage="limits", reason=reasons)


def _concat(frames: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return pd.DataFrame({c: pd.array([], dtype=pd.ArrowDtype(_type(c))) for c in columns})
    if len(filled) == 1:
        return filled[0].reindex(columns=columns).reset_index(drop=True)
    return pd.concat([frame.reindex(columns=columns) for frame in filled], ignore_index=True)


def _type(column: str) -> pa.DataType:
    return pa.int64() if column == "row" else pa.string()
