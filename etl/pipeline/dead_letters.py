"""Dead letters: what is kept of a pair that was not sent, so that somebody can see why and repair it. Pure.

Pairs that earlier runs held because they lay in the future: sent by the first run after they came due. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from etl.core.ports import DeadLetter
from etl.transform import event_json
from etl.transform.json.text import parse, without_surrogates

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from etl.core.ports import HeldLetter, Unreadable
    from etl.pipeline.pairs import Examined


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


def due(held: Sequence[HeldLetter], names: Collection[str]) -> list[HeldLetter]:
    """Those that can be sent: their body was kept, and their subscription is still billed."""
    return [one for one in held if one.letter.body is not None and one.letter.subscription in names]


def pairs(held: Sequence[HeldLetter]) -> pd.DataFrame:
    """As a frame like ``etl.pipeline.pairs``'s pairs; ``row`` is the position in ``held``, ``number`` the letter's."""
    bodies: list[Any] = [parse(one.letter.body or "{}") for one in held]
    text: dict[str, list[Any]] = {
        "subscription": [one.letter.subscription for one in held],
        **{
            name: [without_surrogates(body[name]) for body in bodies]
            for name in ("transaction_id", "customer_id", "timestamp", "event_type")
        },
        "body": [one.letter.body for one in held],
    }
    columns = {name: pd.array(values, dtype=pd.ArrowDtype(pa.string())) for name, values in text.items()}
    return pd.DataFrame({"row": range(len(held)), "number": [one.number for one in held], **columns})


def letters(
    held: Sequence[HeldLetter], refused: pd.DataFrame, outcome: str, reasons: Sequence[str]
) -> list[DeadLetter]:
    """The letters of held pairs that were not taken after all."""
    stage = "metronome" if outcome == "rejected" else ""
    return [
        replace(held[row].letter, outcome=outcome, stage=stage, reason=reason, due=None)
        for row, reason in zip(refused["row"], reasons, strict=True)
    ]
