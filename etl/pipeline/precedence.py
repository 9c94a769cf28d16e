"""What becomes of each mapped pair before anything is sent: DESIGN §3's precedence, as one pure function."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from datetime import datetime

#: What can become of a pair, from the weakest to the strongest: of those that apply, the last.
OUTCOMES = ("send", "in_future", "too_old", "drift", "already_sent", "duplicate")

#: What ``RunLog.lookup`` answers.
UNKNOWN, SAME, OTHER, THIS_RUN = 0, 1, 2, 3

#: Metronome refuses events more than 24 hours ahead of its clock (FACTS §1.3).
MAX_AHEAD = timedelta(hours=24)


def decide(
    timestamps: pd.Series, first: np.ndarray, known: np.ndarray, now: datetime, max_age: timedelta
) -> pd.Categorical:
    """The outcome of each pair, one of ``OUTCOMES``.

    ``timestamps``: canonical text (``YYYY-MM-DDTHH:MM:SS.mmmZ``), which sorts as it counts.
    ``first``: bool, False where an earlier pair of this run had the id. ``known``: int8, from ``RunLog.lookup``.
    """
    stamps = pa.array(timestamps)
    applies = {
        "send": np.ones(len(timestamps), bool),
        "in_future": _true(pc.greater(stamps, canonical(now + MAX_AHEAD))),
        "too_old": _true(pc.less(stamps, canonical(now - max_age))),
        "drift": known == OTHER,
        "already_sent": known == SAME,
        "duplicate": ~first | (known == THIS_RUN),
    }
    found = np.zeros(len(timestamps), np.int8)
    for code, outcome in enumerate(OUTCOMES):
        found[applies[outcome]] = code
    return pd.Categorical.from_codes(found, OUTCOMES)


def canonical(moment: datetime) -> str:
    """``moment`` (UTC) as a usage event's timestamp is written."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _true(mask: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return np.array(mask.to_numpy(zero_copy_only=False) if isinstance(mask, pa.Array) else mask.to_numpy())
