"""What becomes of each mapped pair before anything is sent: one look-up, and one precedence of outcomes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.core.hashing import hashes
from etl.core.ids import digests, key_words, transaction_keys
from etl.core.ports import Content
from etl.pipeline.seen import SeenIds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from etl.state.run_log import View

#: What can become of a pair before it is sent.
OUTCOMES = ("send", "in_future", "too_old", "drift", "already_sent", "duplicate")

#: What is known of a pair's id: nothing, that the same content had it, or that other content had.
NEW, SAME, OTHER = 0, 1, 2

#: Metronome refuses events more than 24 hours ahead of its clock.
MAX_AHEAD = timedelta(hours=24)

#: An event that is delivered again can differ in its ``timestamp`` alone, by milliseconds: Segment computes it anew from
#: the clocks of the delivery (``receivedAt`` less the time between ``originalTimestamp`` and ``sentAt``).
JITTER = timedelta(seconds=1)

_MICROSECOND = timedelta(microseconds=1)


class LookUp:
    """Judges pairs by the ids that the run has met, by the sent log, and by their age. A context manager.

    Judged pairs have four columns more: ``key`` and ``digest`` (16 bytes of the id and of the body), ``outcome``
    (categorical, ``OUTCOMES``), and ``earlier``: where the id was met in the run or sent before, the digest that
    the body had then (bytes; else None).
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
        pairs = _identified(pairs)
        contents = _contents(pairs)
        first, met = self._seen.meet(pairs["key"], contents)
        repeated = dict(zip(np.flatnonzero(~first).tolist(), _as_content(met[:, ~first]), strict=True))
        judged = self._judge(pairs, contents, repeated)
        if self._log.discarded:
            ids = zip(pairs["subscription"], pairs["transaction_id"], strict=True)
            discarded = np.fromiter((one in self._log.discarded for one in ids), bool, len(pairs))
            # As when it was held: the same letter, which stays closed.
            judged.loc[discarded & (judged["outcome"] == "send"), "outcome"] = "in_future"
        return judged

    def judge_held(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Pairs of earlier windows: whether this run has met their id matters as far as it was sent."""
        pairs = _identified(pairs)
        return self._judge(pairs, _contents(pairs), {})

    def _judge(
        self, pairs: pd.DataFrame, contents: np.ndarray, repeated: Mapping[int, Content]
    ) -> pd.DataFrame:
        found = self._log.lookup(pairs)
        seen, sent = (_compared(pairs, contents, earlier) for earlier in (repeated, found))
        earlier = np.full(len(pairs), None, object)
        for position, content in {**repeated, **found}.items():
            earlier[position] = content.digest
        pairs["outcome"] = decide(pairs["timestamp"], seen, sent, self._clock(), self._max_age)
        # dtype: else pandas looks through the cells for one.
        pairs["earlier"] = pd.Series(earlier, pairs.index, dtype=object)
        return pairs


def decide(
    timestamps: pd.Series, seen: np.ndarray, sent: np.ndarray, now: datetime, max_age: timedelta
) -> pd.Categorical:
    """The outcome of each pair, one of ``OUTCOMES``.

    ``timestamps``: canonical text (``YYYY-MM-DDTHH:MM:SS.mmmZ``), which sorts as it counts. ``seen``, ``sent``: int8,
    ``NEW``, ``SAME`` or ``OTHER``, by what the run has met before, and by the sent log. What was sent is no drift,
    whatever else the run has met under its id.
    """
    stamps = pa.array(timestamps)
    # From the weakest to the strongest: of those that apply, the last.
    applies = (
        ("in_future", _true(pc.greater(stamps, canonical(now + MAX_AHEAD)))),
        ("too_old", _true(pc.less(stamps, canonical(now - max_age)))),
        ("drift", (seen == OTHER) | (sent == OTHER)),
        ("already_sent", sent == SAME),
        ("duplicate", seen == SAME),
    )
    codes = np.zeros(len(timestamps), np.int8)
    for outcome, mask in applies:
        codes[mask] = OUTCOMES.index(outcome)
    return pd.Categorical.from_codes(codes, OUTCOMES)


def _identified(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.assign(key=transaction_keys(pairs["transaction_id"]), digest=digests(pairs["body"]))


def _contents(pairs: pd.DataFrame) -> np.ndarray:
    """What ``SeenIds`` keeps of pairs: the words of their digests, and their time in microseconds."""
    times = pa.array(pairs["timestamp"]).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return np.vstack([key_words(pairs["digest"]).T, times.to_numpy().view(np.uint64)])


def _as_content(contents: np.ndarray) -> Iterator[Content]:
    """``contents`` (see ``_contents``) as the sent log has them."""
    times = contents[2].view(np.int64).tolist()
    raw = np.ascontiguousarray(contents[:2].T).view("V16").ravel().tolist()
    for digest, time in zip(raw, times, strict=True):
        yield Content(digest, time)


def contents_of(pairs: pd.DataFrame) -> Iterator[Content]:
    """The content of each of ``pairs`` (``timestamp``, ``body``)."""
    return _as_content(_contents(pairs.assign(digest=digests(pairs["body"]))))


def _compared(pairs: pd.DataFrame, contents: np.ndarray, earlier: Mapping[int, Content]) -> np.ndarray:
    """``NEW``, ``SAME`` or ``OTHER`` for each pair; ``earlier``: position → what had its id before."""
    known = np.zeros(len(pairs), np.int8)
    own = dict(zip(earlier, _as_content(contents[:, list(earlier)]), strict=True))
    for position, content in earlier.items():
        # Most are the same to the byte, and need no look at the text.
        same = own[position].digest == content.digest or same_content(
            pairs["body"].iloc[position], own[position], content
        )
        known[position] = SAME if same else OTHER
    return known


def same_content(body: str, own: Content, earlier: Content) -> bool:
    """Whether ``body`` is the earlier one, or differs from it in its timestamp alone and by less than ``JITTER``."""
    if own.digest == earlier.digest:
        return True
    if own.event_time is None or earlier.event_time is None:
        return False
    if abs(own.event_time - earlier.event_time) * _MICROSECOND >= JITTER:
        return False
    # The first in the body: before it there are but texts, where quotes are escaped.
    was = body.replace(_stamp_in_body(own.event_time), _stamp_in_body(earlier.event_time), 1)
    return hashes([was.encode()]) == [earlier.digest]


def _stamp_in_body(microseconds: int) -> str:
    stamp = np.datetime_as_string(np.datetime64(microseconds, "us"), unit="ms")
    return f'"timestamp":"{stamp}Z"'


def canonical(moment: datetime) -> str:
    """``moment`` (UTC) as a usage event's timestamp is written."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _true(mask: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return np.array(mask.to_numpy(zero_copy_only=False) if isinstance(mask, pa.Array) else mask.to_numpy())
