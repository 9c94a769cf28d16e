"""Carries parcels in an event loop: ``Sending``; and, in this process, in a thread of its own: ``LoopCarrier``.

Parcels handed over while the loop is busy are picked up together, by one wake-up.

The process that sends: parcels from standard input, outcomes with digests to standard output; see ``apart``.

Signals are for the process that started it, which decides what is still to be finished; when that one is gone, so is
the pipe, and so is this one. One thread does it all: a second one to read parcels would compete with the loop.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
from array import array
from concurrent.futures import Future
from typing import IO, TYPE_CHECKING

from etl.core.errors import MetronomeError
from etl.core.memory import look_at_new_objects
from etl.metronome.chunk import Parcel
from etl.metronome.http import Wire
from etl.metronome.pace import Clock
from etl.metronome.process import HEADER
from etl.metronome.sender import Job, Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etl.metronome.chunk import Endpoint, Outcome, Reporting
    from etl.metronome.process import Told
    from etl.metronome.sender import Terms


_CLOSING_SECONDS = 5.0


class Sending:
    """Parcels on their way, within one event loop: every call comes from its thread."""

    def __init__(self, endpoint: Endpoint, terms: Terms, clock: Clock, reporting: Reporting) -> None:
        self._endpoint = endpoint
        self._terms = terms
        self._clock = clock
        self._reporting = reporting
        self._tasks: dict[asyncio.Task[tuple[Outcome, bytes] | None], Job] = {}
        self._stopped = False
        self._closing = asyncio.Event()

    async def serve(self, ready: Callable[[], None]) -> None:
        """Sends until it is closed; ``ready`` is called once parcels can be taken."""
        self._loop = asyncio.get_running_loop()
        async with Wire(self._endpoint) as wire:
            self._sender = Sender(wire, self._terms, self._clock)
            ready()
            await self._closing.wait()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def close(self) -> None:
        """Cancels every request and ends ``serve``."""
        self._closing.set()

    def begin(self, parcel: Parcel) -> None:
        """Sends the parcel, as soon as it may be."""
        if self._stopped:
            self._reporting.ended(parcel.number, None)
            return
        job = Job(parcel)
        task = self._loop.create_task(self._run(job))
        self._tasks[task] = job
        task.add_done_callback(self._done)

    async def _run(self, job: Job) -> tuple[Outcome, bytes] | None:
        try:
            return await self._sender.send(job), job.digests()
        except MetronomeError as error:
            self._stop(error.with_traceback(None))
        except Exception as error:  # noqa: BLE001 - whatever it is, the pipeline must hear of it
            self._stop(unexpected(f"Sending chunk {job.parcel.number}", error))
        return None

    def _done(self, task: asyncio.Task[tuple[Outcome, bytes] | None]) -> None:
        """Not the end of ``_run``: a task that is cancelled before its first step never gets there."""
        ended = None if task.cancelled() else task.result()
        self._reporting.ended(self._tasks.pop(task).parcel.number, *(ended or (None,)))

    def _stop(self, failure: MetronomeError) -> None:
        """Begins no further request; answers on their way are awaited, everything else is given up."""
        self._stopped = True
        self._reporting.failed(failure)
        self._sender.stopping = True
        for task, job in self._tasks.items():
            if not job.on_wire:
                task.cancel()


class LoopCarrier:
    """:class:`etl.metronome.chunk.Carrier` in this process."""

    def __init__(self, endpoint: Endpoint, terms: Terms, clock: Clock) -> None:
        self._endpoint = endpoint
        self._terms = terms
        self._clock = clock
        self._lock = threading.Lock()
        self._inbox: list[Parcel] = []
        self._running: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="metronome-delivery", daemon=True)

    def start(self, reporting: Reporting) -> None:
        """Starts the thread."""
        self._reporting = reporting
        self._thread.start()
        self._running.result()

    def carry(self, parcels: Sequence[Parcel]) -> None:
        """Hands the parcels to the loop."""
        with self._lock:
            first = not self._inbox
            self._inbox += parcels
        if first:
            self._loop.call_soon_threadsafe(self._begin)

    def close(self) -> None:
        """Cancels every request and ends the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._sending.close)
            self._thread.join(_CLOSING_SECONDS)

    # ------------------------------------------------------------------------------ the loop's thread

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the pipeline's thread
            if self._running.done():
                self._reporting.failed(unexpected("Sending", error), lost=True)
            else:
                self._running.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sending = Sending(self._endpoint, self._terms, self._clock, self._reporting)
        await self._sending.serve(lambda: self._running.set_result(None))

    def _begin(self) -> None:
        with self._lock:
            parcels, self._inbox = self._inbox, []
        for parcel in parcels:
            self._sending.begin(parcel)


def unexpected(what: str, error: BaseException) -> MetronomeError:
    """Only the kind and place: the error's text and context may hold a request with its headers."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return MetronomeError(
        f"{what} failed inside this program: {type(error).__name__}{place}. Nothing of what was on its way is "
        "recorded. Please report it; running again is safe."
    )


#: What ends within so many seconds is told together: a message costs the reader more than what is in it.
_TOGETHER = 0.005


class Inlet(asyncio.Protocol):
    """Takes parcels apart as they come through the pipe; ``end``: nothing more will."""

    def __init__(self, begin: Callable[[Parcel], None], end: Callable[[], None]) -> None:
        self._begin = begin
        self._end = end
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        """Begins every parcel that is there whole."""
        self._buffer += data
        start = 0
        with memoryview(self._buffer) as view:
            while (found := _parcel(view[start:])) is not None:
                parcel, size = found
                self._begin(parcel)
                start += size
        del self._buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        """The process that started this one is done with it, or gone."""
        del exc
        self._end()


def _parcel(view: memoryview) -> tuple[Parcel, int] | None:
    """The first parcel and how many bytes it takes; None while it is not whole."""
    if len(view) < HEADER.size:
        return None
    number, events, size = HEADER.unpack_from(view)
    start = HEADER.size + 8 * events
    end = start + size
    if len(view) < end:
        return None
    return Parcel(number, bytes(view[start:end]), array("q", bytes(view[HEADER.size : start]))), end


class Outbox:
    """Tells the other process."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._waiting: list[Told] = []

    def ended(self, number: int, outcome: Outcome | None, digests: bytes = b"") -> None:
        """See :class:`etl.metronome.chunk.Reporting`."""
        self._tell((number, outcome, digests))

    def failed(self, failure: MetronomeError, *, lost: bool = False) -> None:
        """See :class:`etl.metronome.chunk.Reporting`; when all is lost, this process ends and so tells it."""
        self._tell(str(failure))
        if lost:
            self.flush()
            os._exit(1)

    def _tell(self, what: Told) -> None:
        self._waiting.append(what)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(_TOGETHER, self.flush)

    def flush(self) -> None:
        """Tell what waits."""
        told, self._waiting = self._waiting, []
        try:
            pickle.dump(told, self._pipe)
            self._pipe.flush()
        except OSError:
            os._exit(1)  # nobody is there to be told


async def _serve(given: IO[bytes], told: IO[bytes]) -> None:
    outbox = Outbox(told)
    try:
        endpoint, terms = pickle.load(given)  # noqa: S301 - the process that started this one wrote it
    except EOFError:  # it has ended before it had anything to send
        return
    sending = Sending(endpoint, terms, Clock(), outbox)
    ready = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sending.serve(ready.set))
            await ready.wait()
            inlet = Inlet(sending.begin, sending.close)
            await asyncio.get_running_loop().connect_read_pipe(lambda: inlet, given)
    except* Exception as group:  # noqa: BLE001 - whatever it is, the pipeline must hear of it, and its text nobody
        outbox.failed(unexpected("Sending", group.exceptions[0]), lost=True)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Of uvloop, where it is to be had (not on Windows): a request costs a quarter less."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def main() -> None:
    """Until standard input ends."""
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anybody prints must not get between the messages
    look_at_new_objects()
    # Unbuffered: what comes after the first message is for the loop.
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(os.fdopen(0, "rb", buffering=0), told))
    # At once: nothing is left to be told, and a reader that has gone must not be complained about.
    os._exit(0)
