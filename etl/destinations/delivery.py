"""The delivery: hands chunks from the pipeline's thread to an event loop in its own thread, and results back.

Hand-over is in bulk: chunks handed over while the loop is busy are picked up together by one wake-up, and a
caller who waits for room is woken when a quarter of the chunks in flight has ended, not for each.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from etl.destinations.sending import Job, Sender
from etl.destinations.wire import Wire
from etl.errors import MetronomeError

if TYPE_CHECKING:
    from types import TracebackType

    from etl.destinations.pace import Clock
    from etl.destinations.sending import Terms
    from etl.destinations.wire import Endpoint
    from etl.ports import Chunk, ChunkResult

_CLOSING_SECONDS = 5.0


@dataclass(frozen=True)
class Bounds:
    """What may be in flight at once; one chunk always may."""

    chunks: int
    bytes: int = 32_000_000


class MetronomeDelivery:
    """:class:`etl.ports.Delivery` over HTTP; a context manager, see ``Metronome.open``."""

    def __init__(self, endpoint: Endpoint, terms: Terms, clock: Clock, bounds: Bounds) -> None:
        self._endpoint = endpoint
        self._terms = terms
        self._clock = clock
        self._bounds = bounds
        self._changed = threading.Condition()
        self._wake_at: int | None = None
        self._inbox: list[Job] = []
        self._ended: list[ChunkResult] = []
        self._numbered = self._chunks = self._bytes = self._events = 0
        self._failure: MetronomeError | None = None
        self._raised = False
        self._tasks: dict[asyncio.Task[ChunkResult | None], Job] = {}
        self._running: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="metronome-delivery", daemon=True)

    # ------------------------------------------------------------------------- the pipeline's thread

    def __enter__(self) -> Self:
        """Starts the thread."""
        self._thread.start()
        self._running.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives up whatever is still in flight, without waiting for answers."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(_CLOSING_SECONDS)

    def ready(self, timeout: float | None = None) -> bool:
        """Waits until ``submit`` would not block, or for ``timeout`` seconds; tells whether it would not.

        For callers who have results to record while Metronome is slow.
        """
        with self._changed:
            if self._full():
                self._wait(self._chunks * 3 // 4, timeout)
            return self._failure is not None or not self._full()

    def submit(self, chunk: Chunk) -> None:
        """Hands a chunk over; blocks while too much is in flight. Raises ``MetronomeError`` once stopped."""
        with self._changed:
            while self._failure is None and self._full():
                self._wait(self._chunks * 3 // 4)
            self._raise_failure()
            self._numbered += 1
            self._count(chunk, 1)
            self._inbox.append(Job(chunk, self._numbered))
            first = len(self._inbox) == 1
        if first:
            self._loop.call_soon_threadsafe(self._begin)

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
        return self._chunks >= self._bounds.chunks or self._bytes >= self._bounds.bytes

    def _wait(self, chunks: int, timeout: float | None = None) -> None:
        """Waits until so many chunks are on their way or fewer; a failure ends the wait unless that is 0."""
        until = None if timeout is None else time.monotonic() + timeout
        self._wake_at = chunks
        while self._chunks > chunks and (self._failure is None or not chunks):
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                break
            self._changed.wait(left)
        self._wake_at = None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            self._raised = True
            raise self._failure

    def _count(self, chunk: Chunk, sign: int) -> None:
        self._chunks += sign
        self._bytes += sign * len(chunk.body)
        if sign > 0:
            self._events += len(chunk)

    # ------------------------------------------------------------------------------ the loop's thread

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the pipeline's thread
            self._crashed(error)

    def _crashed(self, error: BaseException) -> None:
        if not self._running.done():
            self._running.set_exception(error)
            return
        with self._changed:
            self._failure = self._failure or _unexpected("Sending", error)
            self._chunks = 0
            self._changed.notify_all()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        async with Wire(self._endpoint) as wire:
            self._sender = Sender(wire, self._terms, self._clock)
            self._running.set_result(None)
            await self._closing.wait()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self) -> None:
        with self._changed:
            jobs, self._inbox = self._inbox, []
        for job in jobs:
            if self._failure is None:
                task = self._loop.create_task(self._run(job))
                self._tasks[task] = job
                task.add_done_callback(self._done)
            else:
                self._end(job, None)

    async def _run(self, job: Job) -> ChunkResult | None:
        try:
            return await self._sender.send(job)
        except MetronomeError as error:
            self._stop(error.with_traceback(None))
        except Exception as error:  # noqa: BLE001 - whatever it is, the pipeline must hear of it
            self._stop(_unexpected(f"Sending chunk {job.number}", error))
        return None

    def _done(self, task: asyncio.Task[ChunkResult | None]) -> None:
        """Not the end of ``_run``: a task that is cancelled before its first step never gets there."""
        self._end(self._tasks.pop(task), None if task.cancelled() else task.result())

    def _stop(self, failure: MetronomeError) -> None:
        """Begins no further request; answers on their way are awaited, everything else is given up."""
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()
        self._sender.stopping = True
        for task, job in self._tasks.items():
            if not job.on_wire:
                task.cancel()

    def _end(self, job: Job, result: ChunkResult | None) -> None:
        with self._changed:
            self._count(job.chunk, -1)
            if result is None:
                self._events -= len(job.chunk)
            else:
                self._ended.append(result)
            if self._wake_at is not None and self._chunks <= self._wake_at:
                self._changed.notify_all()


def _unexpected(what: str, error: BaseException) -> MetronomeError:
    """Only the kind and place: the error's text and context may hold a request with its headers."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return MetronomeError(
        f"{what} failed inside this program: {type(error).__name__}{place}. Nothing of what was on its way is "
        "recorded. Please report it; running again is safe."
    )
