"""Confirm, then record: a thread that takes what Metronome confirmed and commits it to the state, in groups.

The bound of DESIGN §3 is kept here: ids that Metronome confirmed and the state does not yet hold are at most
``MAX_UNRECORDED`` (``wait_for_room`` counts those in flight as if they were confirmed) and at most a few seconds
old, however long the source or a retry takes, because this thread waits for neither.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from etl import letters as dead

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etl.examine import Examined
    from etl.ports import ChunkResult, DeadLetter, Delivery, RunLog
    from etl.report import Counts

MAX_UNRECORDED = 100_000
GROUP_EVENTS = 40_000
GROUP_LETTERS = 1_000
GROUP_SECONDS = 2.0
_TICK = 0.02


@dataclass
class _Outgoing:
    """The usage events of one batch on their way: which rows were confirmed, and how many are still out."""

    examined: Examined
    confirmed: np.ndarray
    remaining: int


class Recorder:
    """Owns everything between a chunk's answer and its commit. Start it with ``with``; errors show in ``check``."""

    def __init__(
        self,
        log: RunLog,
        delivery: Delivery,
        counts: Counts,
        judge: Callable[[Counts, ChunkResult | None], None],
    ) -> None:
        self._log = log
        self._delivery = delivery
        self._counts = counts
        self._judge = judge
        self._lock = threading.RLock()
        #: The run log is one connection: whoever looks up while this thread may commit takes this lock.
        self.log_lock = threading.Lock()
        self._outgoing: dict[int, tuple[pd.DataFrame, _Outgoing]] = {}
        self._letters: list[DeadLetter] = []
        self._unrecorded = 0
        self._oldest: float | None = None
        self._error: BaseException | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="etl-recorder", daemon=True)

    def start(self) -> None:
        """Begin to collect and record."""
        self._thread.start()

    def expect(self, events: pd.DataFrame, examined: Examined) -> None:
        """``events`` (columns of ``PAIR_COLUMNS``, ``key``, ``digest``) are about to be submitted, all of them."""
        with self._lock:
            self._outgoing[id(events)] = (
                events,
                _Outgoing(examined, np.zeros(len(events), bool), len(events)),
            )

    def add_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Dead letters found before sending."""
        if letters:
            with self._lock:
                self._letters.extend(letters)
                self._oldest = self._oldest or time.monotonic()

    def has_room(self, events: int) -> bool:
        """Whether ``events`` more may be sent without passing the bound. Raises what the recording failed with."""
        self.check()
        return self._unrecorded + self._delivery.in_flight + events <= MAX_UNRECORDED

    def check(self) -> None:
        """Raise what the recording failed with, if it did."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Record everything that was confirmed, and end. Raises what the recording failed with."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.check()

    def _work(self) -> None:
        try:
            while not self._closing.wait(_TICK):
                self._collect()
                if self._due():
                    self._record()
            self._collect()
            self._record()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that runs the pipeline
            self._error = error

    def _due(self) -> bool:
        waited = time.monotonic() - self._oldest if self._oldest else 0.0
        return (
            self._unrecorded >= GROUP_EVENTS or len(self._letters) >= GROUP_LETTERS or waited >= GROUP_SECONDS
        )

    def _collect(self) -> None:
        for result in self._delivery.results():
            with self._lock:
                self._take(result)
            self._judge(self._counts, result)

    def _take(self, result: ChunkResult) -> None:
        chunk = result.chunk
        events, outgoing = self._outgoing[id(chunk.events)]
        outgoing.remaining -= len(chunk)
        outgoing.confirmed[chunk.start : chunk.stop] = True
        outgoing.confirmed[[*result.refused, *result.too_old]] = False
        self._counts.requests += result.requests
        self._counts.retries += result.retries
        self._refuse(result, events, outgoing)
        confirmed = len(chunk) - len(result.refused) - len(result.too_old)
        self._unrecorded += confirmed
        self._oldest = self._oldest or time.monotonic()

    def _refuse(self, result: ChunkResult, events: pd.DataFrame, outgoing: _Outgoing) -> None:
        """Count and keep what Metronome refused, and what grew too old while it was retried."""
        for outcome, rows, reasons in (
            ("rejected", list(result.refused), list(result.refused.values())),
            (
                "too_old",
                list(result.too_old),
                ["older than max_age when it was retried"] * len(result.too_old),
            ),
        ):
            if rows:
                pairs = events.iloc[rows]
                self._letters.extend(dead.held_back(outgoing.examined, pairs, outcome, reasons))
                self._counts.add(outcome, pairs["subscription"].value_counts().to_dict())

    def _record(self) -> None:
        with self._lock:
            sent, letters = self._confirmed(), self._letters
            self._letters, self._oldest = [], None
            if sent is not None:
                self._counts.add("sent", sent["subscription"].value_counts().to_dict())
            unrecorded = 0 if sent is None else len(sent)
        if unrecorded or letters:
            frame = sent if sent is not None else pd.DataFrame()
            with self.log_lock:
                self._counts.add_new_letters(self._log.record(frame, letters, self._counts))
            self._unrecorded -= unrecorded
            self._judge(self._counts, None)

    def _confirmed(self) -> pd.DataFrame | None:
        """The confirmed rows of every batch, taken out; batches that are through are let go."""
        frames = []
        for key, (events, outgoing) in list(self._outgoing.items()):
            if outgoing.confirmed.any():
                frames.append(events[outgoing.confirmed])
                outgoing.confirmed[:] = False
            if outgoing.remaining == 0:
                del self._outgoing[key]
        return pd.concat(frames, ignore_index=True) if frames else None
