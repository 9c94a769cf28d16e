"""What becomes of each mapped pair before anything is sent: DESIGN §3's precedence, as one pure function."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

#: What ``RunLog.lookup`` answers.
UNKNOWN, SAME, OTHER, THIS_RUN = 0, 1, 2, 3

#: Metronome refuses events more than 24 hours ahead of its clock (FACTS §1.3).
MAX_AHEAD = timedelta(hours=24)


def decide(
    timestamps: pd.Series, first: np.ndarray, known: np.ndarray, now: datetime, max_age: timedelta
) -> np.ndarray:
    """The outcome of each pair, an object array of ``duplicate, already_sent, drift, too_old, in_future, send``.

    ``timestamps``: canonical text (``YYYY-MM-DDTHH:MM:SS.mmmZ``), which sorts as it counts.
    ``first``: bool, False where an earlier pair of this run had the id. ``known``: int8, from ``RunLog.lookup``.
    """
    stamps = pa.array(timestamps)
    found = np.full(len(timestamps), "send", dtype=object)
    # From the last to the first: the first that applies is what stays.
    for outcome, applies in (
        ("in_future", _true(pc.greater(stamps, canonical(now + MAX_AHEAD)))),
        ("too_old", _true(pc.less(stamps, canonical(now - max_age)))),
        ("drift", known == OTHER),
        ("already_sent", known == SAME),
        ("duplicate", ~first | (known == THIS_RUN)),
    ):
        found[applies] = outcome
    return found


def canonical(moment: datetime) -> str:
    """``moment`` (UTC) as a usage event's timestamp is written."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _true(mask: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return np.array(mask.to_numpy(zero_copy_only=False) if isinstance(mask, pa.Array) else mask.to_numpy())
