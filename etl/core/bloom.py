"""Bloom filters over 64-bit keys, answered for whole arrays at once: "surely new" or "perhaps known".

A key sets four bits in each of two 64-bit words, so that a test is two gathers, the second only for what passed
the first. At 16 bits a key about 1 new key in 1,000 is taken for a known one, at 32 bits 1 in 100,000; a known key is
never taken for new. Sorted keys are tested twice as fast as shuffled ones: see ``Probes``.

What a run must remember but not in memory: an unnamed temporary file that vanishes with the process.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from etl.core.errors import StateError

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


BITS_PER_KEY = 16

_SIX_BITS = np.uint64(63)
_ONE = np.uint64(1)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


class Probes:
    """Keys prepared for testing against filters of any size.

    ``keys``: uint64, evenly spread (a hash). In ascending order they walk through a filter's memory.
    """

    def __init__(self, keys: np.ndarray) -> None:
        second = keys * _MIX
        second ^= second >> _HALF
        self.first, self.first_bits = keys, _four_bits(keys)
        self.second, self.second_bits = second, _four_bits(second)
        self._words: dict[int, np.ndarray] = {}

    def first_words(self, shift: np.uint64) -> np.ndarray:
        """The word that each key meets first, in a filter of a size: found once for all filters of that size."""
        if int(shift) not in self._words:
            self._words[int(shift)] = (self.first >> shift).astype(np.intp)
        return self._words[int(shift)]

    def __len__(self) -> int:
        return len(self.first)


def _four_bits(source: np.ndarray) -> np.ndarray:
    """Of the lowest 24 bits; the highest choose the word."""
    bits = _ONE << (source & _SIX_BITS)
    for shift in (6, 12, 18):
        bits |= _ONE << ((source >> np.uint64(shift)) & _SIX_BITS)
    return bits


class Bloom:
    """One filter: ``words`` is uint64, its length a power of two."""

    def __init__(self, words: np.ndarray) -> None:
        self.words = words
        self._shift = np.uint64(64 - (len(words).bit_length() - 1))

    @classmethod
    def sized(cls, keys: int, bits_per_key: int = BITS_PER_KEY) -> Self:
        """An empty filter for up to ``keys`` keys; more make it less sharp, never wrong."""
        wanted = max(64, keys * bits_per_key // 64)
        return cls(np.zeros(1 << (wanted - 1).bit_length(), np.uint64))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The filter that ``to_bytes`` wrote."""
        return cls(np.frombuffer(data, "<u8").astype(np.uint64))

    def to_bytes(self) -> bytes:
        """Little-endian words."""
        return self.words.astype("<u8", copy=False).tobytes()

    def crowded(self, keys: int) -> bool:
        """Whether ``keys`` keys would leave so few bits a key that most answers are "perhaps"."""
        return keys * BITS_PER_KEY > 2 * 64 * len(self.words)

    def add(self, probes: Probes) -> None:
        """Remember the keys."""
        np.bitwise_or.at(self.words, probes.first_words(self._shift), probes.first_bits)
        np.bitwise_or.at(self.words, self._second_words(probes.second), probes.second_bits)

    def candidates(self, probes: Probes) -> np.ndarray:
        """Positions (int64, ascending) of the keys that may have been added; the others surely were not."""
        bits = probes.first_bits
        passed = np.flatnonzero((self.words[probes.first_words(self._shift)] & bits) == bits)
        bits = probes.second_bits[passed]
        kept: np.ndarray = passed[(self.words[self._second_words(probes.second[passed])] & bits) == bits]
        return kept

    def _second_words(self, hashes: np.ndarray) -> np.ndarray:
        return (hashes >> self._shift).astype(np.intp)


class FilterStack:
    """Finished filters, in memory up to ``memory`` bytes; the rest lie in an unnamed file, read when asked.

    So what a run keeps in memory does not grow with the sent log or with the window.
    """

    def __init__(self, memory: int = 2 << 20) -> None:
        self._free = memory
        self._filters: dict[int, Bloom | tuple[int, int]] = {}
        self._file = SpillFile()
        self._buffer = np.empty(0, np.uint64)

    def __contains__(self, number: int) -> bool:
        return number in self._filters

    def add(self, number: int, bloom: Bloom) -> None:
        """Keep ``bloom`` under ``number``; it must not change any more."""
        size = bloom.words.nbytes
        if size <= self._free:
            self._free -= size
            self._filters[number] = bloom
            return
        self._filters[number] = (self._file.append(bloom.words), size)

    def discard(self, number: int) -> None:
        """Let the filter go, if it is there."""
        bloom = self._filters.pop(number, None)
        if isinstance(bloom, Bloom):
            self._free += bloom.words.nbytes

    def candidates(self, probes: Probes) -> Iterator[tuple[int, np.ndarray]]:
        """``(number, positions)`` for each filter that knows some of the keys, perhaps."""
        for number, kept in self._filters.items():
            positions = self._read(kept).candidates(probes)
            if len(positions):
                yield number, positions

    def _read(self, kept: Bloom | tuple[int, int]) -> Bloom:
        if isinstance(kept, Bloom):
            return kept
        offset, size = kept
        words = size // 8
        if len(self._buffer) < words:
            self._buffer = np.empty(words, np.uint64)
        self._file.read_into(self._buffer[:words], offset)
        return Bloom(self._buffer[:words])

    def close(self) -> None:
        """Drop the filters and the file."""
        self._filters.clear()
        self._file.close()
