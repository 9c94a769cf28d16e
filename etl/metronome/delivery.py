"""The delivery: hands chunks from the pipeline's thread to the process that sends, and results back.

A caller who waits for room is woken when a quarter of the chunks in flight has ended, not for each.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from etl.core.ports import ChunkResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from etl.core.errors import MetronomeError
    from etl.core.ports import Chunk
    from etl.metronome.chunk import Outcome
    from etl.metronome.process import SendingProcess


@dataclass(frozen=True)
class Bounds:
    """What may be in flight at once; one chunk always may."""

    chunks: int
    bytes: int = 32_000_000


class MetronomeDelivery:
    """:class:`etl.core.ports.Delivery` over HTTP; a context manager, see ``Metronome.open``."""

    def __init__(self, process: SendingProcess, bounds: Bounds) -> None:
        self._process = process
        self._bounds = bounds
        self._changed = threading.Condition()
        self._wake_at: int | None = None
        self._chunks: dict[int, Chunk] = {}
        self._ended: list[ChunkResult] = []
        self._numbered = self._bytes = self._events = 0
        self._failure: MetronomeError | None = None
        self._raised = False

    # ------------------------------------------------------------------------- the pipeline's thread

    def __enter__(self) -> Self:
        """Nothing is started before the first chunk."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives up whatever is still in flight, without waiting for answers."""
        self._process.close()

    def ready(self, timeout: float | None = None) -> bool:
        """Waits until there is room for a chunk, or for ``timeout`` seconds; whether there is.

        For callers who have results to record while Metronome is slow. True too once ``offer`` would raise.
        """
        with self._changed:
            if self._full():
                self._wait(len(self._chunks) * 3 // 4, timeout)
            return self._failure is not None or not self._full()

    def offer(self, chunks: Sequence[Chunk]) -> int:
        """Hands over as many, from the first, as there is room for; how many. Never waits for room.

        Raises ``MetronomeError`` once stopped.
        """
        with self._changed:
            self._raise_failure()
            before = self._numbered
            for chunk in chunks:
                if self._full():
                    break
                self._number(chunk)
            taken = self._numbered - before
        if taken:
            self._process.send(before + 1, chunks[:taken], self)
        return taken

    def _number(self, chunk: Chunk) -> None:
        """From now on the chunk is on its way."""
        self._numbered += 1
        self._chunks[self._numbered] = chunk
        self._bytes += len(chunk.bodies)
        self._events += len(chunk)

    def results(self) -> list[ChunkResult]:
        """Chunks that ended since the last call; a chunk that was given up never ends here."""
        with self._changed:
            ended, self._ended = self._ended, []
            self._events -= sum(len(result.chunk) for result in ended)
        return ended

    def drain(self, timeout: float | None = None) -> None:
        """Waits until nothing is on its way, or for ``timeout`` seconds.

        Raises ``MetronomeError`` if the delivery stopped and that was not raised yet, after the wait.
        """
        with self._changed:
            self._wait(0, timeout)
            if not self._raised:
                self._raise_failure()

    @property
    def in_flight(self) -> int:
        """Usage events handed over, not given up, and whose result has not been collected yet."""
        return self._events

    def _full(self) -> bool:
        return len(self._chunks) >= self._bounds.chunks or self._bytes >= self._bounds.bytes

    def _wait(self, chunks: int, timeout: float | None = None) -> None:
        """Waits until so many chunks are on their way or fewer; a failure ends the wait unless that is 0."""
        until = None if timeout is None else time.monotonic() + timeout
        self._wake_at = chunks
        while len(self._chunks) > chunks and (self._failure is None or not chunks):
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                break
            self._changed.wait(left)
        self._wake_at = None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            self._raised = True
            raise self._failure

    # -------------------------------------------------------------------- the thread of the process

    def ended(self, number: int, outcome: Outcome | None) -> None:
        """The chunk of that number came to its end; see :class:`etl.metronome.worker.Outbox`."""
        with self._changed:
            chunk = self._chunks.pop(number, None)
            if chunk is None:
                return
            self._bytes -= len(chunk.bodies)
            if outcome is None:
                self._events -= len(chunk)
            else:
                self._ended.append(_result(chunk, outcome))
            if self._wake_at is not None and len(self._chunks) <= self._wake_at:
                self._changed.notify_all()

    def failed(self, failure: MetronomeError) -> None:
        """Nothing more will be sent; how each chunk ends will still be reported."""
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    def lost(self, failure: MetronomeError) -> None:
        """Nothing more will be sent, and of what is on its way nothing will be known."""
        self.failed(failure)
        with self._changed:
            for number in list(self._chunks):
                self.ended(number, None)


def _result(chunk: Chunk, outcome: Outcome) -> ChunkResult:
    refused = {chunk.start + row: reason for row, reason in outcome.refused.items()}
    too_old = frozenset(chunk.start + row for row in outcome.too_old)
    return ChunkResult(chunk, refused, too_old, outcome.requests, outcome.retries)
