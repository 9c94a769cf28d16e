"""The process that sends, seen from the one that starts it: HTTP does not compete for this interpreter's lock.

The process gets the endpoint with its token, and chunks, through a pipe, and answers with outcomes through another;
it ends when the pipe does, however this process ended. It is started for the first
chunk, or before (``started_early``).
"""

from __future__ import annotations

import json
import pickle
import queue
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, cast

from etl.core.errors import MetronomeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.core.ports import Chunk
    from etl.metronome.chunk import Outcome, Setup
    from etl.metronome.delivery import MetronomeDelivery

    #: The end of a chunk: number and outcome; or why nothing more will be sent.
    Message = tuple[int, Outcome | None] | str

#: Before each chunk: its number, how many events, how many bytes.
HEADER = struct.Struct("<qqq")
#: Of the pipe, where the system lets it have so many, and of what is written to it at once.
PIPE_BYTES = 1 << 20
_CLOSING_SECONDS = 5.0
#: Signals are for this process alone, before anything else; the same modules as here, wherever they are imported from.
_START = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from etl.metronome.worker import main; main()"
)
#: At most one, for the next delivery.
_started: list[subprocess.Popen[bytes]] = []


@contextmanager
def started_early() -> Iterator[None]:
    """Start a process now, for the first delivery within: it loads its libraries while this one loads its own.

    Where nothing is sent, it is ended at the end.
    """
    with suppress(OSError):  # then the delivery will fail, and say so
        _started.append(_start())
    try:
        yield
    finally:
        while _started:
            with _started.pop() as process:
                process.kill()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this interpreter, with our own words
        [sys.executable, "-c", _START, json.dumps(sys.path)],
        bufsize=PIPE_BYTES,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pipesize=PIPE_BYTES,
    )


class SendingProcess:
    """Sends chunks and reports to a delivery, from a thread of its own, how each ended."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._process: subprocess.Popen[bytes] | None = None
        self._outgoing: queue.SimpleQueue[tuple[int, Sequence[Chunk]] | None] = queue.SimpleQueue()
        self._closing = False

    def send(self, first: int, chunks: Sequence[Chunk], delivery: MetronomeDelivery) -> None:
        """Has the chunks, numbered from ``first``, written to the process by a thread: the pipe may be full."""
        if self._process is None:
            self._begin(_started.pop() if _started else _start(), delivery)
        self._outgoing.put((first, chunks))

    def close(self) -> None:
        """Ends the process; whatever it was about is given up."""
        self._closing = True
        if self._process is None:
            return
        self._outgoing.put(None)
        try:
            self._process.wait(_CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._writer.join(_CLOSING_SECONDS)
        self._reader.join(_CLOSING_SECONDS)

    def _begin(self, process: subprocess.Popen[bytes], delivery: MetronomeDelivery) -> None:
        self._process = process
        self._delivery = delivery
        self._writer = threading.Thread(
            target=self._write, args=(process,), name="metronome-chunks", daemon=True
        )
        self._reader = threading.Thread(
            target=self._read, args=(process,), name="metronome-delivery", daemon=True
        )
        self._writer.start()
        self._reader.start()

    # ---------------------------------------------------------------------------- the writer's thread

    def _write(self, process: subprocess.Popen[bytes]) -> None:
        with (
            suppress(OSError),
            cast("IO[bytes]", process.stdin) as pipe,
        ):  # if it has ended, the reader will report it
            pickle.dump(self._setup, pipe)
            while (handed := self._outgoing.get()) is not None and not self._closing:
                for number, chunk in enumerate(handed[1], handed[0]):
                    pipe.write(HEADER.pack(number, len(chunk), len(chunk.bodies)))
                    pipe.write(bytes(chunk.ends))
                    pipe.write(chunk.bodies)
                pipe.flush()

    # ---------------------------------------------------------------------------- the reader's thread

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        with cast("IO[bytes]", process.stdout) as pipe:
            while (messages := _messages(pipe)) is not None:
                for message in messages:
                    if isinstance(message, str):
                        self._delivery.failed(MetronomeError(message))
                    else:
                        self._delivery.ended(*message)
        if not self._closing:
            self._lost(process)

    def _lost(self, process: subprocess.Popen[bytes]) -> None:
        status = process.wait()
        ended = f"was ended by signal {-status}" if status < 0 else f"ended with {status}"
        self._delivery.lost(
            MetronomeError(
                f"The process that sends to Metronome {ended} before its work was done. Nothing of what was on its way is "
                "recorded; running again is safe. If memory is short, lower source.batch_rows."
            )
        )


def _messages(pipe: IO[bytes]) -> list[Message] | None:
    """The next ones; None where there will be none."""
    try:
        messages: list[Message] = pickle.load(pipe)  # noqa: S301 - our own process wrote it
    except (EOFError, pickle.UnpicklingError, OSError):
        return None
    return messages


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
