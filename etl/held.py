"""Pairs that earlier runs held because they lay in the future: sent by the first run after they came due. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from etl.transform.jsontext import parse, without_surrogates

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from etl.ports import DeadLetter, HeldLetter


def due(held: Sequence[HeldLetter], names: Collection[str]) -> list[HeldLetter]:
    """Those that can be sent: their body was kept, and their subscription is still billed."""
    return [one for one in held if one.letter.body is not None and one.letter.subscription in names]


def pairs(held: Sequence[HeldLetter]) -> pd.DataFrame:
    """As a frame like ``etl.examine``'s pairs; ``row`` is the position in ``held``, ``number`` the letter's."""
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
