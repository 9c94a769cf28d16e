"""Dead letters: what is kept of a pair that was not sent, so that somebody can see why and repair it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.ports import DeadLetter
from etl.transform import event_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import pandas as pd

    from etl.examine import Examined
    from etl.ports import Unreadable


def rejected(examined: Examined) -> list[DeadLetter]:
    """One letter for each pair that mapping, schema or limits refused."""
    frame = examined.rejected
    return _letters(examined, frame, ("rejected",) * len(frame), list(frame["stage"]), list(frame["reason"]))


def held_back(
    examined: Examined, pairs: pd.DataFrame, outcome: str, reasons: Sequence[str], **more: Any
) -> list[DeadLetter]:
    """One letter for each of ``pairs`` (drift, too_old, in_future, or rejected by Metronome).

    ``more``: further fields of the letters, each a sequence as long as ``pairs``.
    """
    stages = ["metronome" if outcome == "rejected" else ""] * len(pairs)
    return _letters(examined, pairs, (outcome,) * len(pairs), stages, reasons, **more)


def unreadable(rows: Iterable[Unreadable]) -> list[DeadLetter]:
    """One letter for each broken row; it belongs to no subscription."""
    return [
        DeadLetter(
            subscription="",
            outcome="unreadable",
            stage="",
            reason=row.reason,
            origin=row.origin,
            row=row.row,
            cursor=None,
            message_id=None,
            transaction_id=None,
            customer_id=None,
            event=row.text,
            body=None,
        )
        for row in rows
    ]


def _letters(
    examined: Examined,
    pairs: pd.DataFrame,
    outcomes: Sequence[str],
    stages: Sequence[str],
    reasons: Sequence[str],
    **more: Any,
) -> list[DeadLetter]:
    if not len(pairs):
        return []
    rows = [int(row) for row in pairs["row"]]
    sources = event_json(examined.events, rows)
    messages = _message_ids(examined, rows)
    batch = examined.batch
    cursors: list[datetime] = batch.cursor.take(rows).to_pylist()
    origins = batch.rows.take(rows).to_pylist()
    return [
        DeadLetter(
            subscription=pair.subscription,
            outcome=outcomes[i],
            stage=stages[i],
            reason=reasons[i],
            origin=batch.origin,
            row=origins[i],
            cursor=cursors[i],
            message_id=messages[i],
            transaction_id=_text(pair.transaction_id),
            customer_id=_text(pair.customer_id),
            event=sources[i],
            body=_text(pair.body),
            **{name: values[i] for name, values in more.items()},
        )
        for i, pair in enumerate(pairs.itertuples(index=False))
    ]


def _message_ids(examined: Examined, rows: Sequence[int]) -> list[str | None]:
    column = examined.events.column(("messageId",)).iloc[list(rows)]
    return [value if isinstance(value, str) else None for value in column]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
