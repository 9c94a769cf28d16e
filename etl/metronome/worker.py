"""The process that sends: chunks from standard input, outcomes to standard output.

Signals are for the process that started it, which decides what is still to be finished; when that one is gone, so is
the pipe, and so is this one. One thread does it all: a second one to read chunks would compete with the loop.
"""

from __future__ import annotations

import asyncio
import os
import pickle
from array import array
from typing import IO, TYPE_CHECKING

from etl.core.errors import MetronomeError
from etl.core.memory import look_at_new_objects
from etl.metronome.chunk import OutgoingChunk
from etl.metronome.http import Wire
from etl.metronome.process import HEADER, unexpected
from etl.metronome.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.metronome.chunk import Outcome, Setup
    from etl.metronome.process import Message

#: What ends within so many seconds goes back in one message, which costs its reader more than what is in it.
_TOGETHER = 0.005


class Sending:
    """Chunks on their way, within one event loop: every call comes from its thread."""

    def __init__(self, setup: Setup, outbox: Outbox) -> None:
        self._setup = setup
        self._outbox = outbox
        self._tasks: dict[asyncio.Task[Outcome | None], OutgoingChunk] = {}
        self._stopped = False
        self._closing = asyncio.Event()

    async def serve(self, ready: Callable[[], None]) -> None:
        """Sends until it is closed; ``ready`` is called once chunks can be taken."""
        self._loop = asyncio.get_running_loop()
        async with Wire(self._setup.endpoint) as wire:
            self._sender = Sender(wire, self._setup.terms, self._setup.clock)
            ready()
            await self._closing.wait()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def close(self) -> None:
        """Cancels every request and ends ``serve``."""
        self._closing.set()

    def begin(self, chunk: OutgoingChunk) -> None:
        """Sends the chunk, as soon as it may be."""
        if self._stopped:
            self._outbox.ended(chunk.number, None)
            return
        task = self._loop.create_task(self._run(chunk))
        self._tasks[task] = chunk
        task.add_done_callback(self._done)

    async def _run(self, chunk: OutgoingChunk) -> Outcome | None:
        try:
            return await self._sender.send(chunk)
        except MetronomeError as error:
            self._stop(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the pipeline must hear of it
            self._stop(unexpected(f"Sending chunk {chunk.number}", error))
        return None

    def _done(self, task: asyncio.Task[Outcome | None]) -> None:
        """Not the end of ``_run``: a task that is cancelled before its first step never gets there."""
        ended = None if task.cancelled() else task.result()
        self._outbox.ended(self._tasks.pop(task).number, ended)

    def _stop(self, failure: MetronomeError) -> None:
        """Begins no further request; answers on their way are awaited, everything else is given up."""
        self._stopped = True
        self._outbox.failed(failure)
        self._sender.stopping = True
        for task, chunk in self._tasks.items():
            if not chunk.on_wire:
                task.cancel()


class Inlet(asyncio.Protocol):
    """Takes chunks apart as they come through the pipe; ``end``: nothing more will."""

    def __init__(self, begin: Callable[[OutgoingChunk], None], end: Callable[[], None]) -> None:
        self._begin = begin
        self._end = end
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        """Begins every chunk that is there whole."""
        self._buffer += data
        start = 0
        with memoryview(self._buffer) as view:
            while (first := _first_chunk(view[start:])) is not None:
                chunk, size = first
                self._begin(chunk)
                start += size
        del self._buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        """The process that started this one is done with it, or gone."""
        del exc
        self._end()


def _first_chunk(view: memoryview) -> tuple[OutgoingChunk, int] | None:
    """The first chunk and how many bytes it takes; None while it is not whole."""
    if len(view) < HEADER.size:
        return None
    number, events, size = HEADER.unpack_from(view)
    start = HEADER.size + 8 * events
    end = start + size
    if len(view) < end:
        return None
    ends = array("q", bytes(view[HEADER.size : start]))
    return OutgoingChunk(number, bytes(view[start:end]), ends), end


class Outbox:
    """Messages to the process that started this one."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._waiting: list[Message] = []

    def ended(self, number: int, outcome: Outcome | None) -> None:
        """The chunk of that number came to its end; None: it was given up, and nothing is known of it."""
        self._put((number, outcome))

    def failed(self, failure: MetronomeError) -> None:
        """Nothing more will be sent."""
        self._put(str(failure))

    def _put(self, message: Message) -> None:
        self._waiting.append(message)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(_TOGETHER, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        messages, self._waiting = self._waiting, []
        try:
            pickle.dump(messages, self._pipe)
            self._pipe.flush()
        except OSError:
            os._exit(1)  # nobody is there to read it


async def _serve(given: IO[bytes], answers: IO[bytes]) -> None:
    outbox = Outbox(answers)
    try:
        setup: Setup = pickle.load(given)  # noqa: S301 - the process that started this one wrote it
    except EOFError:  # it has ended before it had anything to send
        return
    sending = Sending(setup, outbox)
    ready = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sending.serve(ready.set))
            await ready.wait()
            inlet = Inlet(sending.begin, sending.close)
            await asyncio.get_running_loop().connect_read_pipe(lambda: inlet, given)
    except* Exception as group:  # noqa: BLE001 - whatever it is, the pipeline must hear of it, and its text nobody
        outbox.failed(unexpected("Sending", group.exceptions[0]))
        outbox.flush()
        os._exit(1)


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
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anybody prints must not get between the messages
    look_at_new_objects()
    # Unbuffered: what comes after the first message is for the loop.
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(os.fdopen(0, "rb", buffering=0), answers))
    # At once: nothing is left to be written, and a reader that has gone must not be complained about.
    os._exit(0)
