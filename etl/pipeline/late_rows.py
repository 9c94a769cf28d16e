"""Rows behind a scheduled window: which of them are billed, and what is said of those that cannot be any more. Pure.

Which window a row belongs to is decided by its cursor, whether it may be sent by its ``timestamp``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.core.ports import DeadLetter, Late
from etl.core.windows import rfc3339
from etl.pipeline import dead_letters

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    import pandas as pd

    from etl.core.ports import EventBatch, LatePlan
    from etl.core.windows import Window
    from etl.pipeline.pairs import Examined

#: So many pairs of a file or table are a letter each; where there are more, one letter counts them.
_MOST = 100

#: The mark of a pipeline whose runs have looked for late rows.
LOOKED = "late"


def pass_mark(plan: LatePlan, now: datetime) -> str:
    """Names the time in which a warehouse is asked once."""
    every = max(plan.every.total_seconds(), 1)
    return f"late|{int(now.timestamp() // every)}|{every:g}s"


def late_of(plan: LatePlan, known: Collection[str], now: datetime) -> Late:
    """What to look for, by what earlier runs have dealt with (``known``)."""
    listing = plan.begun and LOOKED not in known
    return Late(plan.since, plan.begin, known, listing, asked=pass_mark(plan, now) not in known)


def apart(
    batches: Iterable[EventBatch], window: Window, late: Late, busy: Sequence[Window]
) -> Iterator[EventBatch]:
    """``batches`` with rows that cannot be billed in batches of their own (``EventBatch.late``).

    Rows in ``busy`` stretches, which other runs hold, are left out, and no part that has such is marked.
    """
    left: set[str] = set()
    for batch in batches:
        first = pc.min(batch.cursor).as_py()
        if first is not None and first < window.since:
            yield from _parts(batch, window, late, busy, left)
        else:
            yield replace(batch, mark=None) if batch.origin in left else batch


def _parts(
    batch: EventBatch, window: Window, late: Late, busy: Sequence[Window], left: set[str]
) -> Iterator[EventBatch]:
    behind = _before(batch.cursor, window.since)
    lost = behind if late.listing else _before(batch.cursor, late.since)
    elsewhere = np.zeros(len(lost), bool)
    for part in busy:
        elsewhere |= ~_before(batch.cursor, part.since) & _before(batch.cursor, part.until)
    elsewhere &= behind & ~lost
    if elsewhere.any():
        left.add(batch.origin)
    if lost.any():
        yield replace(_only(batch, lost), late=True, mark=None, unreadable=())
    mark = None if batch.origin in left else batch.mark
    yield replace(_only(batch, ~(lost | elsewhere)), mark=mark)


def _before(cursor: pa.Array, moment: datetime) -> np.ndarray:
    return np.array(pc.less(cursor, pa.scalar(moment, cursor.type)).to_numpy(zero_copy_only=False))


def _only(batch: EventBatch, rows: np.ndarray) -> EventBatch:
    if rows.all():
        return batch
    mask = pa.array(rows)
    kept: dict[str, Any] = {name: getattr(batch, name).filter(mask) for name in ("table", "cursor", "rows")}
    return replace(batch, **kept)


@dataclass
class _Origin:
    """What one file or table has of them."""

    letters: list[DeadLetter] = field(default_factory=list)
    pairs: int = 0
    first: datetime | None = None
    last: datetime | None = None


class Unbilled:
    """The late pairs of a run that cannot be billed: counted, and a letter for each, or for each file with many."""

    def __init__(self, late: Late | None) -> None:
        self._why = "received longer ago than max_age when it arrived"
        if late is not None and late.listing:
            self._why = "it was there, unbilled, before late rows were looked for"
        self._origins: dict[str, _Origin] = {}

    def add(self, examined: Examined, judged: pd.DataFrame) -> int:
        """Those of a late batch's pairs that no run has sent; how many."""
        pairs = judged[~judged["outcome"].isin(["already_sent", "drift"]).to_numpy(bool)]
        if not len(pairs):
            return 0
        cursor = examined.batch.cursor.take(pa.array([int(row) for row in pairs["row"]]))
        first, last = pc.min(cursor).as_py(), pc.max(cursor).as_py()
        of = self._origins.setdefault(examined.batch.origin, _Origin())
        of.first = first if of.first is None else min(of.first, first)
        of.last = last if of.last is None else max(of.last, last)
        of.pairs += len(pairs)
        if of.pairs <= _MOST:
            reasons = [f"behind the watermark: {self._why}"] * len(pairs)
            of.letters += dead_letters.of_batch(examined, pairs, "late", reasons)
        return len(pairs)

    def letters(self) -> list[DeadLetter]:
        """To record at the end of the run."""
        return [
            letter
            for origin, of in self._origins.items()
            for letter in (of.letters if of.pairs <= _MOST else [self._together(origin, of)])
        ]

    def _together(self, origin: str, of: _Origin) -> DeadLetter:
        since, until = (rfc3339(moment) for moment in (of.first, of.last) if moment)
        reason = (
            f"{of.pairs:,} pairs behind the watermark, received from {since} to {until}: {self._why}. "
            f"`etl run --since {since} --until {until} --dry-run` counts them, `etl map` prints them"
        )
        nothing = dict.fromkeys(("message_id", "transaction_id", "customer_id", "event", "body"))
        return DeadLetter("", "late", "", reason, origin, 0, cursor=of.first, **nothing)
