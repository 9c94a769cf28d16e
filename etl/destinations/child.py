"""The process that sends: parcels from standard input, outcomes with digests to standard output; see ``apart``.

Signals are for the process that started it, which decides what is still to be finished; when that one is gone, so is
the pipe, and so is this one. One thread does it all: a second one to read parcels would compete with the loop.
"""

from __future__ import annotations

import asyncio
import os
import pickle
from array import array
from typing import IO, TYPE_CHECKING

from etl.destinations.apart import HEADER
from etl.destinations.loop import Sending, unexpected
from etl.destinations.pace import Clock
from etl.destinations.parcels import Parcel
from etl.memory import look_at_new_objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.destinations.apart import Told
    from etl.destinations.parcels import Outcome
    from etl.errors import MetronomeError

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
        """See :class:`etl.destinations.parcels.Reporting`."""
        self._tell((number, outcome, digests))

    def failed(self, failure: MetronomeError, *, lost: bool = False) -> None:
        """See :class:`etl.destinations.parcels.Reporting`; when all is lost, this process ends and so tells it."""
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
