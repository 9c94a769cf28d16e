"""Confirm, then record: a thread that takes what Metronome confirmed and commits it to the state, in groups.

The bound on what a crash makes the next run send again is kept here: ids that Metronome confirmed and the state does not yet hold are at most
``MAX_UNRECORDED`` (``fitting`` counts those in flight as if they were confirmed) and at most a few seconds
old, however long the source or a retry takes, because this thread waits for neither.

The circuit breaker: so much was rejected that a typo in the config is likelier than bad events.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from etl.core.errors import CircuitBreakerError
from etl.pipeline.counting import QUANTITY, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.core.ports import Chunk, ChunkResult, DeadLetter, Delivery
    from etl.core.report import Counts
    from etl.pipeline.dead_letters import Letters
    from etl.state.run_log import Run


@dataclass
class CircuitBreaker:
    """Trips when newly rejected pairs are over ``rejected_pairs`` and over ``rejected_ratio`` of those matched.

    It also trips when the first ``refused_chunks`` chunks had every event refused.
    """

    rejected_ratio: float = 0.05
    rejected_pairs: int = 1000
    refused_chunks: int = 10
    enabled: bool = True
    _refused_in_a_row: int = 0
    _accepted: bool = False

    def judge(self, counts: Counts, result: ChunkResult | None) -> None:
        """After a chunk's answer (``result``) or a commit (None), which alone makes letters new.

        Raises ``CircuitBreakerError``.
        """
        if not self.enabled:
            return
        if result is None:
            self._judge_counts(counts)
        else:
            self._judge_chunk(result)

    def _judge_chunk(self, result: ChunkResult) -> None:
        if self._accepted:
            return
        if len(result.refused) < len(result.chunk):
            self._accepted = True
            return
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= self.refused_chunks:
            raise CircuitBreakerError(
                f"Metronome refused every event of the first {self.refused_chunks} chunks; nothing of this was "
                "kept as a dead letter. Look at the reasons with `etl run --dry-run` and `etl map`, correct the "
                "mapping, and run again; or raise breaker.refused_chunks"
            )

    def _judge_counts(self, counts: Counts) -> None:
        new, matched = counts.new_letters.get("rejected", 0), counts.pairs.matched
        if new > self.rejected_pairs and new > self.rejected_ratio * matched:
            raise CircuitBreakerError(
                f"{new:,} of {matched:,} matched pairs were newly rejected, over {self.rejected_ratio:.0%} and over "
                f"{self.rejected_pairs:,}; none of this was kept as a dead letter. See the reasons with `etl map`, "
                "correct the trigger or mapping, and run again; or change breaker.rejected_ratio"
            )


#: What the sent log keeps of a usage event; bodies, the bulk of a frame, stay out of the copies.
RECORDED = ["transaction_id", "key", "digest", "subscription", "customer_id", "event_type", "timestamp"]
MAX_UNRECORDED = 100_000
GROUP_EVENTS = 20_000
GROUP_LETTERS = 1_000
GROUP_SECONDS = 2.0
_TICK = 0.02


@dataclass
class _Outgoing:
    """Usage events on their way: which rows were confirmed, which came to another end, how many are still out.

    ``letters`` makes the dead letters of rows that were not taken. ``numbers``: for held pairs of earlier runs,
    the numbers of their letters, by row.
    """

    letters: Letters
    numbers: np.ndarray | None
    confirmed: np.ndarray
    refused: np.ndarray
    remaining: int


class Recorder:
    """Owns everything between a chunk's answer and its commit, in a thread of its own from ``start`` to ``close``.

    What fails there is raised by the next ``check``, ``fitting``, ``flush`` or ``close``.
    """

    def __init__(self, log: Run, delivery: Delivery, counts: Counts, breaker: CircuitBreaker) -> None:
        self._log = log
        self._delivery = delivery
        self._counts = counts
        self._breaker = breaker
        self._lock = threading.RLock()
        self._outgoing: dict[int, tuple[pd.DataFrame, _Outgoing]] = {}
        self._letters: list[DeadLetter] = []
        self._ended: list[int] = []
        self._unrecorded = 0
        self._oldest: float | None = None
        self._token_accepted = False
        self._error: BaseException | None = None
        self._closing = threading.Event()
        #: Cleared by a flush, until all that was answered before is recorded.
        self._flushed = threading.Event()
        self._flushed.set()
        #: Closing or flushing: do not wait for the next tick.
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._work, name="etl-recorder", daemon=True)

    def start(self) -> None:
        """Begin to collect and record."""
        self._thread.start()

    def expect(self, events: pd.DataFrame, letters: Letters) -> None:
        """``events`` (``PAIR_COLUMNS``, ``key``, ``digest``; ``number`` if they were held) are about to be sent, all of them."""
        confirmed, refused = np.zeros(len(events), bool), np.zeros(len(events), bool)
        with self._lock:
            numbers = events["number"].to_numpy() if "number" in events else None
            outgoing = _Outgoing(letters, numbers, confirmed, refused, len(events))
            self._outgoing[id(events)] = (events, outgoing)

    def add_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Dead letters found before sending."""
        if letters:
            with self._lock:
                self._letters.extend(letters)
                self._oldest = self._oldest or time.monotonic()

    def end(self, numbers: Sequence[int]) -> None:
        """Held letters whose pair was sent another way: closed with the next commit."""
        with self._lock:
            self._ended.extend(numbers)

    def fitting(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """The first of ``chunks``, as many as may be sent without passing the bound. Raises what the recording failed with."""
        self.check()
        with self._lock:
            room = MAX_UNRECORDED - self._unrecorded - self._delivery.in_flight
        sizes = np.cumsum([len(chunk) for chunk in chunks])
        return chunks[: int(np.searchsorted(sizes, room, "right"))]

    def check(self) -> None:
        """Raise what the recording failed with, if it did."""
        if self._error is not None:
            raise self._error

    def flush(self) -> None:
        """Wait until everything answered so far is recorded. Raises what the recording failed with."""
        self._flushed.clear()
        self._asked.set()
        while not self._flushed.wait(_TICK) and self._error is None:
            pass
        self.check()

    def close(self) -> None:
        """Record everything that was confirmed, and end. Raises what the recording failed with."""
        self._closing.set()
        self._asked.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.check()

    def _work(self) -> None:
        try:
            while not self._closing.is_set():
                self._asked.wait(_TICK)
                self._asked.clear()
                flushing = not self._flushed.is_set()
                self._collect()
                if flushing or self._due():
                    self._record()
                if flushing:
                    self._flushed.set()
            self._collect()
            self._record()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that runs the pipeline
            self._error = self._error or error

    def _due(self) -> bool:
        waited = time.monotonic() - self._oldest if self._oldest else 0.0
        return (
            self._unrecorded >= GROUP_EVENTS or len(self._letters) >= GROUP_LETTERS or waited >= GROUP_SECONDS
        )

    def _collect(self) -> None:
        # In one step for fitting: what is no longer in flight is already counted as unrecorded.
        with self._lock:
            results = self._delivery.results()
            for result in results:
                self._take(result)
        for result in results:
            self._ask_breaker(result)

    def _ask_breaker(self, result: ChunkResult | None) -> None:
        """A tripped breaker stops the run, not the recording of what Metronome has already confirmed."""
        try:
            self._breaker.judge(self._counts, result)
        except CircuitBreakerError as error:
            self._error = self._error or error

    def _take(self, result: ChunkResult) -> None:
        chunk = result.chunk
        events, outgoing = self._outgoing[id(chunk.events)]
        outgoing.remaining -= len(chunk)
        outgoing.confirmed[chunk.start : chunk.stop] = True
        self._counts.requests += result.requests
        self._counts.retries += result.retries
        self._unrecorded += len(chunk)
        self._oldest = self._oldest or time.monotonic()
        if result.refused or result.too_old:
            self._take_refused(events, outgoing, result)

    def _take_refused(self, events: pd.DataFrame, outgoing: _Outgoing, result: ChunkResult) -> None:
        refused = [*result.refused, *result.too_old]
        outgoing.confirmed[refused] = False
        outgoing.refused[refused] = True
        self._unrecorded -= len(refused)
        self._refuse(events, outgoing, "rejected", list(result.refused), list(result.refused.values()))
        late = list(result.too_old)
        self._refuse(
            events, outgoing, "too_old", late, ["older than max_age when it was retried"] * len(late)
        )

    def _refuse(
        self, events: pd.DataFrame, outgoing: _Outgoing, outcome: str, rows: list[int], reasons: list[str]
    ) -> None:
        """Count and keep what was not taken."""
        if rows:
            pairs = events.iloc[rows]
            self._letters.extend(outgoing.letters(pairs, outcome, reasons))
            if outgoing.numbers is None:
                count(self._counts, outcome, pairs)
                if outcome == "rejected":
                    self._counts.add_reasons(Counter(f"metronome: {reason}" for reason in reasons))

    def _record(self) -> None:
        with self._lock:
            group = self._group()
            self._letters, self._ended, self._oldest = [], [], None
        if not (len(group.sent) or group.letters or group.ended):
            return
        group.count(self._counts, 1)
        try:
            recount = partial(group.recount, self._counts)
            new = self._log.record(
                group.sent, group.letters, self._counts, group.ended, recount, looked_up=True
            )
        except BaseException:
            # Not recorded is not sent: the next run sends these again, and counts them.
            group.count(self._counts, -1)
            raise
        self._counts.add_new_letters(new)
        self._unrecorded -= len(group.sent)
        self._accept_token(len(group.sent))
        self._ask_breaker(None)

    def _accept_token(self, sent: int) -> None:
        if sent and not self._token_accepted:
            self._log.accept_token()
            self._token_accepted = True

    def _group(self) -> _Group:
        """Everything that can be recorded now, taken out; batches that are through are let go."""
        pairs: list[pd.DataFrame] = []
        released: list[pd.DataFrame] = []
        ended = self._ended
        for key, (events, outgoing) in list(self._outgoing.items()):
            if outgoing.confirmed.any():
                own = pairs if outgoing.numbers is None else released
                own.append(events[_present(events, RECORDED)][outgoing.confirmed])
            if outgoing.numbers is not None:
                ended += [int(n) for n in outgoing.numbers[outgoing.confirmed | outgoing.refused]]
            outgoing.confirmed[:] = False
            outgoing.refused[:] = False
            if outgoing.remaining == 0:
                del self._outgoing[key]
        return _Group(
            _together([*pairs, *released]), sum(len(frame) for frame in pairs), self._letters, ended
        )


@dataclass
class _Group:
    """One commit. ``pairs``: so many rows of ``sent``, the first, are pairs of this window; the others were held.

    ``lost``: rows that another run sent at the same time, and recorded first; None = none.
    """

    sent: pd.DataFrame
    pairs: int
    letters: list[DeadLetter]
    ended: list[int]
    lost: np.ndarray | None = None

    def recount(self, counts: Counts, lost: np.ndarray) -> None:
        """Only whoever recorded a pair has sent it: so the runs' counts add up to the sent log."""
        self.count(counts, -1)
        self.lost = lost
        self.count(counts, 1)

    def count(self, counts: Counts, sign: int) -> None:
        lost = np.zeros(len(self.sent), bool) if self.lost is None else self.lost
        pairs = self.sent[_present(self.sent, ["subscription"])].iloc[: self.pairs]
        for outcome, which in (("sent", ~lost[: self.pairs]), ("already_sent", lost[: self.pairs])):
            count(counts, outcome, pairs[which], sign)
        counts.released += sign * int((~lost[self.pairs :]).sum())


def _together(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({"subscription": []})


def _present(frame: pd.DataFrame, columns: list[str]) -> list[str]:
    """``columns``, and the quantity where one is asked for."""
    return [*columns, QUANTITY] if QUANTITY in frame else columns
