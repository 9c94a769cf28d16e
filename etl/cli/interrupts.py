"""SIGTERM and Ctrl-C: the first asks the run to finish what is in flight, a second Ctrl-C ends it at once."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that is set by the first SIGTERM or SIGINT; the handlers before are put back at the end."""
    event = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        if event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        event.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
