"""What becomes of each mapped pair before anything is sent: one look-up, and one precedence of outcomes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.core.ids import digests, transaction_keys
from etl.pipeline.seen import SeenIds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from etl.state.run_log import View

#: What can become of a pair, from the weakest to the strongest: of those that apply, the last.
OUTCOMES = ("send", "in_future", "too_old", "drift", "already_sent", "duplicate")

#: What is known of a pair's id: nothing, that the same content had it, or that other content had.
NEW, SAME, OTHER = 0, 1, 2

#: Metronome refuses events more than 24 hours ahead of its clock.
MAX_AHEAD = timedelta(hours=24)


class LookUp:
    """Judges pairs by the ids that the run has met, by the sent log, and by their age. A context manager.

    Judged pairs have four columns more: ``key`` (16 bytes of the id), ``outcome`` (categorical, ``OUTCOMES``) and,
    where the id is in the sent log, ``digest`` and ``sent_digest`` (16 bytes; else None): of the pair's body and of
    what was sent.
    """

    def __init__(self, log: View, clock: Callable[[], datetime], max_age: timedelta) -> None:
        self._log, self._clock, self._max_age = log, clock, max_age
        self._seen = SeenIds()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._seen.close()

    def judge(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Pairs of the window, in the order in which the run meets them."""
        pairs = pairs.assign(key=transaction_keys(pairs["transaction_id"]))
        judged = self._judge(pairs, self._seen.first_seen(pairs["key"]))
        if self._log.discarded:
            ids = zip(pairs["subscription"], pairs["transaction_id"], strict=True)
            discarded = np.fromiter((one in self._log.discarded for one in ids), bool, len(pairs))
            # As when it was held: the same letter, which stays closed.
            judged.loc[discarded & (judged["outcome"] == "send"), "outcome"] = "in_future"
        return judged

    def judge_held(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Pairs of earlier windows: whether this run has met their id matters as far as it was sent."""
        pairs = pairs.assign(key=transaction_keys(pairs["transaction_id"]))
        return self._judge(pairs, np.ones(len(pairs), bool))

    def _judge(self, pairs: pd.DataFrame, first: np.ndarray) -> pd.DataFrame:
        found = self._log.lookup(pairs)
        own, sent = np.full(len(pairs), None, object), np.full(len(pairs), None, object)
        positions = list(found)
        own[positions] = list(digests(pairs["body"].iloc[positions]))
        sent[positions] = [content.digest for content in found.values()]
        known = np.zeros(len(pairs), np.int8)
        known[positions] = np.where(own[positions] == sent[positions], SAME, OTHER)
        outcome = decide(pairs["timestamp"], first, known, self._clock(), self._max_age)
        return pairs.assign(outcome=outcome, digest=own, sent_digest=sent)


def decide(
    timestamps: pd.Series, first: np.ndarray, sent: np.ndarray, now: datetime, max_age: timedelta
) -> pd.Categorical:
    """The outcome of each pair, one of ``OUTCOMES``.

    ``timestamps``: canonical text (``YYYY-MM-DDTHH:MM:SS.mmmZ``), which sorts as it counts. ``first``: bool, False
    where an earlier pair of this run had the id. ``sent``: int8, ``NEW``, ``SAME`` or ``OTHER`` by the sent log.
    """
    stamps = pa.array(timestamps)
    applies = {
        "send": np.ones(len(timestamps), bool),
        "in_future": _true(pc.greater(stamps, canonical(now + MAX_AHEAD))),
        "too_old": _true(pc.less(stamps, canonical(now - max_age))),
        "drift": sent == OTHER,
        "already_sent": sent == SAME,
        "duplicate": ~first,
    }
    codes = np.zeros(len(timestamps), np.int8)
    for code, outcome in enumerate(OUTCOMES):
        codes[applies[outcome]] = code
    return pd.Categorical.from_codes(codes, OUTCOMES)


def canonical(moment: datetime) -> str:
    """``moment`` (UTC) as a usage event's timestamp is written."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _true(mask: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return np.array(mask.to_numpy(zero_copy_only=False) if isinstance(mask, pa.Array) else mask.to_numpy())
