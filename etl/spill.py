"""What a run must remember but not in memory: an unnamed temporary file that vanishes with the process."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator


class SpillFile:
    """Arrays kept one after the other. The file is made with the first of them."""

    def __init__(self) -> None:
        self._file: Any = None
        self._end = 0

    def append(self, array: np.ndarray) -> int:
        """Keep a contiguous ``array``; its offset in bytes. Raises ``StateError`` when there is no room for it."""
        offset, left = self._end, array.data.cast("B")
        with _explained():
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="etl-", buffering=0)  # noqa: SIM115 - closed by close()
            while left:
                written = os.pwrite(self._file.fileno(), left, self._end)
                self._end += written
                left = left[written:]
        return offset

    def read_into(self, array: np.ndarray, offset: int) -> None:
        """Fill ``array`` from ``offset``."""
        with _explained():
            os.preadv(self._file.fileno(), [array.data], offset)

    def mapped(self, offset: int, shape: tuple[int, ...]) -> np.ndarray:
        """The uint64 array at ``offset``; only what is looked at is read."""
        with _explained():
            return np.memmap(self._file, "<u8", "r", offset, shape)

    def close(self) -> None:
        """Give the room back."""
        if self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            f"cannot keep the run's ids in the temporary folder {tempfile.gettempdir()}: {error.strerror}. Make room "
            "there, or name another folder in the environment variable TMPDIR, and run it again."
        ) from None
