"""Dead letters: what is kept of a pair that was not sent, so that somebody can see why and repair it. Pure.

A pair comes from a batch of the source, or from a letter of an earlier run that held it until it was due: ``of_batch``
and ``of_held`` make the letters of either.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
import pyarrow as pa

from etl.core.outcomes import LETTERS
from etl.core.ports import DeadLetter
from etl.pipeline.precedence import MAX_AHEAD
from etl.transform import columns, event_json
from etl.transform.json.text import parse, without_surrogates

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from etl.core.ports import HeldLetter, Unreadable
    from etl.pipeline.pairs import Examined


class Letters(Protocol):
    """One letter for each of ``pairs``; ``more``: further fields of the letters, each as long as ``pairs``."""

    def __call__(  # noqa: D102 - the class says it
        self, pairs: pd.DataFrame, outcome: str, reasons: Sequence[str], **more: Sequence[Any]
    ) -> list[DeadLetter]: ...


def unreadable(rows: Iterable[Unreadable]) -> list[DeadLetter]:
    """One letter for each broken row; it belongs to no subscription."""
    nothing = dict.fromkeys(("cursor", "message_id", "transaction_id", "customer_id", "body"))
    return [
        DeadLetter("", "unreadable", "", row.reason, row.origin, row.row, event=row.text, **nothing)
        for row in rows
    ]


def rejected(examined: Examined) -> list[DeadLetter]:
    """One letter for each pair that mapping, schema or limits refused."""
    frame = examined.rejected
    return of_batch(examined, frame, "rejected", list(frame["reason"]), stage=list(frame["stage"]))


def not_sent(letters: Letters, judged: pd.DataFrame, max_age: timedelta) -> list[DeadLetter]:
    """One letter for each pair that is too old, held until it is due, or whose id had other content before."""
    return [
        letter
        for outcome in judged["outcome"].unique()
        if outcome in LETTERS
        for letter in _of_outcome(letters, judged[judged["outcome"] == outcome], outcome, max_age)
    ]


def _of_outcome(letters: Letters, pairs: pd.DataFrame, outcome: str, max_age: timedelta) -> list[DeadLetter]:
    match outcome:
        case "too_old":
            reason = f"older than max_age ({max_age / timedelta(days=1):g} days)"
            return letters(pairs, outcome, [reason] * len(pairs))
        case "in_future":
            due = [datetime.fromisoformat(stamp) - MAX_AHEAD for stamp in pairs["timestamp"]]
            reason = "more than 24 hours ahead; held until it is due"
            return letters(pairs, outcome, [reason] * len(pairs), due=due)
        case _:
            digest, earlier = ([one.hex() for one in pairs[name]] for name in ("digest", "earlier"))
            reason = (
                "its id was sent, or met earlier in the run, with other content; Metronome keeps the first"
            )
            return letters(pairs, outcome, [reason] * len(pairs), digest=digest, sent_digest=earlier)


def of_batch(
    examined: Examined, pairs: pd.DataFrame, outcome: str, reasons: Sequence[str], **more: Sequence[Any]
) -> list[DeadLetter]:
    """Letters of a batch's pairs (see ``Letters``); ``row`` is the position in the batch."""
    if not len(pairs):
        return []
    rows = [int(row) for row in pairs["row"]]
    batch = examined.batch
    values_of: dict[str, Sequence[Any]] = {
        "stage": [_stage(outcome)] * len(pairs),
        "reason": reasons,
        "row": [position + 1 for position in batch.rows.take(rows).to_pylist()],
        "cursor": batch.cursor.take(rows).to_pylist(),
        "event": event_json(examined.events, rows),
        "message_id": _texts(examined.events.column(("messageId",)).iloc[rows]),
        "subscription": list(pairs["subscription"]),
        **{name: _texts(pairs[name]) for name in ("transaction_id", "customer_id", "body")},
        **more,
    }
    return [
        DeadLetter(outcome=outcome, origin=batch.origin, **dict(zip(values_of, values, strict=True)))
        for values in zip(*values_of.values(), strict=True)
    ]


def of_held(
    held: Sequence[HeldLetter],
    pairs: pd.DataFrame,
    outcome: str,
    reasons: Sequence[str],
    **more: Sequence[Any],
) -> list[DeadLetter]:
    """Letters of held pairs that were not taken after all (see ``Letters``); ``row`` is the position in ``held``."""
    values_of = {"reason": reasons, **more}
    return [
        replace(
            held[row].letter,
            outcome=outcome,
            stage=_stage(outcome),
            due=None,
            **dict(zip(values_of, values, strict=True)),
        )
        for row, *values in zip(pairs["row"], *values_of.values(), strict=True)
    ]


def _stage(outcome: str) -> str:
    """Of a pair that was mapped: only Metronome can still refuse it."""
    return "metronome" if outcome == "rejected" else ""


def _texts(column: pd.Series) -> list[str | None]:
    """Of any kind of column; what is missing, or no text, is None."""
    return [value if isinstance(value, str) else None for value in columns.cells(column)]


def due(
    held: Sequence[HeldLetter], names: Collection[str], retired: Mapping[str, datetime]
) -> list[HeldLetter]:
    """Those that can be sent: their body was kept, and it was the time of their subscription, one of ``names``."""
    return [
        one
        for one in held
        if one.letter.body is not None
        and one.letter.subscription in names
        and not _after(one.letter.cursor, retired.get(one.letter.subscription))
    ]


def _after(cursor: datetime | None, end: datetime | None) -> bool:
    return cursor is not None and end is not None and cursor >= end


def pairs_of(held: Sequence[HeldLetter]) -> pd.DataFrame:
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
    arrays = {name: pd.array(values, dtype=pd.ArrowDtype(pa.string())) for name, values in text.items()}
    return pd.DataFrame({"row": range(len(held)), "number": [one.number for one in held], **arrays})
