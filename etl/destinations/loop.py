"""Carries parcels in an event loop: ``Sending``; and, in this process, in a thread of its own: ``LoopCarrier``.

Parcels handed over while the loop is busy are picked up together, by one wake-up.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from etl.destinations.sending import Job, Sender
from etl.destinations.wire import Wire
from etl.errors import MetronomeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etl.destinations.endpoint import Endpoint
    from etl.destinations.pace import Clock
    from etl.destinations.parcels import Outcome, Parcel, Reporting
    from etl.destinations.sending import Terms

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
    """:class:`etl.destinations.parcels.Carrier` in this process."""

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
