"""The process that sends: parcels from standard input, outcomes to standard output; see ``etl.destinations.apart``.

Signals are for the process that started it, which decides what is still to be finished; when that one is gone, so is
the pipe, and so is this one.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from array import array
from typing import IO, TYPE_CHECKING

from etl.destinations.apart import HEADER, PIPE_BYTES
from etl.destinations.loop import LoopCarrier
from etl.destinations.pace import Clock
from etl.destinations.parcels import Parcel

if TYPE_CHECKING:
    from etl.destinations.parcels import Outcome
    from etl.errors import MetronomeError

#: What ends within so many seconds is told together: a message costs the reader more than what is in it.
_TOGETHER = 0.005
_TURN = 0.001


class Outbox:
    """Tells the other process; every call comes from the loop's thread."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._waiting: list[tuple[int, Outcome | str | None]] = []

    def ended(self, number: int, outcome: Outcome | None) -> None:
        """See :class:`etl.destinations.parcels.Reporting`."""
        self._tell(number, outcome)

    def failed(self, failure: MetronomeError, *, lost: bool = False) -> None:
        """See :class:`etl.destinations.parcels.Reporting`; when all is lost, this process ends and so tells it."""
        self._tell(0, str(failure))
        if lost:
            self._flush()
            os._exit(1)

    def _tell(self, number: int, what: Outcome | str | None) -> None:
        self._waiting.append((number, what))
        if len(self._waiting) > 1:
            return
        try:
            asyncio.get_running_loop().call_later(_TOGETHER, self._flush)
        except RuntimeError:  # the loop has ended
            self._flush()

    def _flush(self) -> None:
        told, self._waiting = self._waiting, []
        try:
            pickle.dump(told, self._pipe)
            self._pipe.flush()
        except OSError:
            os._exit(1)  # nobody is there to be told


def main() -> None:
    """Until standard input ends."""
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anybody prints must not get between the messages
    # Reading competes with the loop for the interpreter's lock: turns are short, and much is read in each.
    sys.setswitchinterval(_TURN)
    given = os.fdopen(0, "rb", buffering=PIPE_BYTES)
    endpoint, terms = pickle.load(given)  # noqa: S301 - the process that started this one wrote it
    carrier = LoopCarrier(endpoint, terms, Clock())
    carrier.start(Outbox(told))
    while (parcel := _read(given)) is not None:
        carrier.carry(parcel)
    carrier.close()
    # At once: nothing is left to be told, and a reader that has gone must not be complained about.
    os._exit(0)


def _read(pipe: IO[bytes]) -> Parcel | None:
    header = pipe.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    number, events, size = HEADER.unpack(header)
    ends = array("q", pipe.read(8 * events))
    body = pipe.read(size)
    return Parcel(number, body, ends) if len(body) == size else None
