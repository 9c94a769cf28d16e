"""Carries parcels in a process of its own, so that HTTP does not compete for this interpreter's lock.

The process gets the endpoint with its token, and parcels, through a pipe, and tells outcomes, with the digests of what
was sent, through another; it ends when the pipe does, however this process ended. It is started for the first parcel,
or before (``started_early``).
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

    from etl.metronome.chunk import Endpoint, Outcome, Parcel, Reporting
    from etl.metronome.sender import Terms

    #: The end of a parcel: number, outcome, digests; or why nothing more will be sent.
    Told = tuple[int, Outcome | None, bytes] | str

#: Before each parcel: its number, how many events, how many bytes.
HEADER = struct.Struct("<qqq")
#: Of the pipe, where the system lets it have so many, and of what is written to it at once.
PIPE_BYTES = 1 << 20
_CLOSING_SECONDS = 5.0
#: Signals are for this process alone, before anything else; the same modules as here, wherever they are imported from.
_START = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from etl.metronome.worker import main; main()"
)
#: At most one, for the next carrier.
_started: list[subprocess.Popen[bytes]] = []


@contextmanager
def started_early() -> Iterator[None]:
    """Start a process now, for the first delivery within: it loads its libraries while this one loads its own.

    Where nothing is sent, it is ended at the end.
    """
    with suppress(OSError):  # then the delivery will fail, and tell
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


class ProcessCarrier:
    """:class:`etl.metronome.chunk.Carrier` in a process of its own. ``endpoint`` may have no ``tls``."""

    def __init__(self, endpoint: Endpoint, terms: Terms) -> None:
        self._endpoint = endpoint
        self._terms = terms
        self._process: subprocess.Popen[bytes] | None = None
        self._outgoing: queue.SimpleQueue[Sequence[Parcel] | None] = queue.SimpleQueue()
        self._closing = False

    def start(self, reporting: Reporting) -> None:
        """Nothing is started before the first parcel."""
        self._reporting = reporting

    def carry(self, parcels: Sequence[Parcel]) -> None:
        """Has the parcels written to the process, by a thread of its own: the pipe may be full."""
        if self._process is None:
            self._begin(_started.pop() if _started else _start())
        self._outgoing.put(parcels)

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
        self._receiver.join(_CLOSING_SECONDS)

    def _begin(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._writer = threading.Thread(
            target=self._write, args=(process,), name="metronome-parcels", daemon=True
        )
        self._receiver = threading.Thread(
            target=self._receive, args=(process,), name="metronome-delivery", daemon=True
        )
        self._writer.start()
        self._receiver.start()

    # ---------------------------------------------------------------------------- the writer's thread

    def _write(self, process: subprocess.Popen[bytes]) -> None:
        with (
            suppress(OSError),
            cast("IO[bytes]", process.stdin) as pipe,
        ):  # if it has ended, the receiver will tell
            pickle.dump((self._endpoint, self._terms), pipe)
            while (parcels := self._outgoing.get()) is not None and not self._closing:
                for parcel in parcels:
                    pipe.write(HEADER.pack(parcel.number, len(parcel), len(parcel.bodies)))
                    pipe.write(bytes(parcel.ends))
                    pipe.write(parcel.bodies)
                pipe.flush()

    # -------------------------------------------------------------------------- the receiver's thread

    def _receive(self, process: subprocess.Popen[bytes]) -> None:
        with cast("IO[bytes]", process.stdout) as pipe:
            while (told := _read(pipe)) is not None:
                for what in told:
                    if isinstance(what, str):
                        self._reporting.failed(MetronomeError(what))
                    else:
                        self._reporting.ended(*what)
        if not self._closing:
            self._lost(process)

    def _lost(self, process: subprocess.Popen[bytes]) -> None:
        status = process.wait()
        ended = f"was ended by signal {-status}" if status < 0 else f"ended with {status}"
        failure = MetronomeError(
            f"The process that sends to Metronome {ended} before its work was done. Nothing of what was on its way is "
            "recorded; running again is safe. If memory is short, lower source.batch_rows."
        )
        self._reporting.failed(failure, lost=True)


def _read(pipe: IO[bytes]) -> list[Told] | None:
    """The next message; None where there will be none."""
    try:
        told: list[Told] = pickle.load(pipe)  # noqa: S301 - our own process wrote it
    except (EOFError, pickle.UnpicklingError, OSError):
        return None
    return told
