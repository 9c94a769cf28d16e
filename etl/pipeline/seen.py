"""Which pairs of a run repeat an id of the same run, in memory that does not grow with the window.

The newest ids are kept in memory as sorted blocks; full layers go to an unnamed temporary file, sorted, each with
a Bloom filter that answers nearly every new id without touching the file. What a filter lets through is compared
with the 16 bytes of every key in that layer, so the answer is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from etl.core.bloom import Bloom, FilterStack, Probes, SpillFile
from etl.core.ids import key_words, ordered, repeats

if TYPE_CHECKING:
    import pandas as pd

_LAYER = 1 << 19


class SeenIds:
    """The ids of one run so far. A context manager: closing drops the temporary file."""

    def __init__(self) -> None:
        self._file = SpillFile()
        self._stack = FilterStack()
        #: Where each layer lies in the file; all are of the open one's shape.
        self._sealed: list[int] = []
        self._open = np.empty((2, 0), np.uint64)
        self._start_layer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._file.close()
        self._stack.close()

    def first_seen(self, keys: pd.Series | np.ndarray) -> np.ndarray:
        """Bool per key: False where an earlier key of this run, this batch included, is the same.

        ``keys``: 16 bytes each (``etl.core.ids.transaction_keys``), no nulls.
        """
        words = key_words(keys)
        order = ordered(words)
        words = words[order]
        new = np.ones(len(words), bool)
        new[1:] = ~repeats(words)
        positions = np.flatnonzero(new)
        new[positions[self._known(words[positions])]] = False
        self._remember(words[new])
        first = np.empty(len(words), bool)
        first[order] = new
        return first

    def _known(self, words: np.ndarray) -> np.ndarray:
        probes = Probes(words[:, 0])
        known = np.zeros(len(words), bool)
        for layer, positions in self._stack.candidates(probes):
            known[positions] |= _among(words[positions], self._layer(layer))
        positions = self._bloom.candidates(probes)
        for block in self._blocks:
            known[positions] |= _among(words[positions], block)
        return known

    def _remember(self, words: np.ndarray) -> None:
        """``words``: in order."""
        while len(words):
            if self._held == self._open.shape[1]:
                self._next_layer()
            taken, words = np.split(words, [self._open.shape[1] - self._held])
            block = self._open[:, self._held : self._held + len(taken)]
            block[:] = taken.T  # searching wants the first words side by side
            self._bloom.add(Probes(block[0]))
            self._blocks.append(block)
            self._held += len(taken)

    def _next_layer(self) -> None:
        """Seal the layer that is full, in place: what a run keeps in memory is taken once."""
        if self._held:
            order = ordered(self._open.T)
            for row in self._open:
                row[:] = row[order]
            self._sealed.append(self._file.append(self._open))
            self._stack.add(len(self._sealed) - 1, self._bloom)
        else:
            self._open = np.empty((2, _LAYER), np.uint64)
        self._start_layer()

    def _start_layer(self) -> None:
        self._bloom = Bloom.sized(_LAYER)
        self._blocks: list[np.ndarray] = []
        self._held = 0

    def _layer(self, number: int) -> np.ndarray:
        return self._file.mapped(self._sealed[number], self._open.shape)


def _among(words: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Bool per key: whether it is in the sorted ``block``. Equal first words are walked through."""
    found = np.zeros(len(words), bool)
    first, second = block
    at = np.searchsorted(first, words[:, 0])
    left = np.flatnonzero(at < len(first))
    while len(left):
        same_first = first[at[left]] == words[left, 0]
        same = same_first & (second[at[left]] == words[left, 1])
        found[left[same]] = True
        left = left[same_first & ~same]
        at[left] += 1
        left = left[at[left] < len(first)]
    return found
