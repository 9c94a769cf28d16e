"""Which pairs of a run repeat an id of the same run, and with which content, in memory that does not grow.

The newest ids are kept in memory as sorted blocks; full layers go to an unnamed temporary file, sorted, each with
a Bloom filter that answers nearly every new id without touching the file. What a filter lets through is compared
with the 16 bytes of every key in that layer, so the answer is exact.

An id takes ``8 * (2 + CONTENT)`` = 40 bytes of a layer: 50 million take 2 GB of the file. In memory are the open layer
(21 MB), its filter (1 MB) and 2 MB of the others', whatever the window holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from etl.core.bloom import Bloom, FilterStack, Probes, SpillFile
from etl.core.ids import key_words, ordered, repeats

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

_LAYER = 1 << 19
#: Words of 64 bits that are kept of a pair's content: two of its digest, and its time.
CONTENT = 3


class SeenIds:
    """The ids of one run so far, each with the content it was first met with.

    A context manager: closing drops the temporary file.
    """

    def __init__(self) -> None:
        self._file = SpillFile()
        self._stack = FilterStack()
        #: Where each layer lies in the file; all are of the open one's shape.
        self._sealed: list[int] = []
        self._open = np.empty((2 + CONTENT, 0), np.uint64)
        self._start_layer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._file.close()
        self._stack.close()

    def meet(self, keys: pd.Series | np.ndarray, contents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether each key is the first of its kind in this run (bool), and the content that the first one had.

        ``keys``: 16 bytes each (``etl.core.ids.transaction_keys``), no nulls. ``contents``: uint64, shape
        (``CONTENT``, n). Earlier keys of this call count.
        """
        words = key_words(keys)
        order = ordered(words)
        words, contents = words[order], contents[:, order]
        new = np.ones(len(words), bool)
        new[1:] = ~repeats(words)
        heads = np.flatnonzero(new)
        group = np.cumsum(new) - 1
        if len(heads) < len(words):
            words, contents = words[heads], contents[:, heads]
        known = self._known(words, contents)
        self._remember(words[~known], contents[:, ~known])
        new[heads[known]] = False
        first, met = np.empty(len(order), bool), np.empty((CONTENT, len(order)), np.uint64)
        first[order], met[:, order] = new, contents[:, group]
        return first, met

    def _known(self, words: np.ndarray, contents: np.ndarray) -> np.ndarray:
        """Which keys earlier calls have met (bool); of those ``contents`` is replaced by the one that they had then."""
        probes = Probes(words[:, 0])
        known = np.zeros(len(words), bool)
        for positions, block in self._candidates(probes):
            at = _places(words[positions], block)
            there = positions[at >= 0]
            known[there] = True
            contents[:, there] = block[2:, at[at >= 0]]
        return known

    def _candidates(self, probes: Probes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Positions of keys and the block they may be in. One layer is mapped at a time: its pages count as memory."""
        for number, positions in self._stack.candidates(probes):
            yield positions, self._layer(number)
        positions = self._bloom.candidates(probes)
        for block in self._blocks if len(positions) else ():
            yield positions, block

    def _remember(self, words: np.ndarray, contents: np.ndarray) -> None:
        """``words``: in order."""
        start = 0
        while start < len(words):
            if self._held == self._open.shape[1]:
                self._next_layer()
            stop = min(len(words), start + self._open.shape[1] - self._held)
            block = self._open[:, self._held : self._held + stop - start]
            block[:2] = words[start:stop].T  # searching wants the first words side by side
            block[2:] = contents[:, start:stop]
            self._bloom.add(Probes(block[0]))
            self._blocks.append(block)
            self._held += stop - start
            start = stop

    def _next_layer(self) -> None:
        """Seal the layer that is full, in place: what a run keeps in memory is taken once."""
        if self._held:
            order = ordered(self._open[:2].T)
            for row in self._open:
                row[:] = row[order]
            self._sealed.append(self._file.append(self._open))
            self._stack.add(len(self._sealed) - 1, self._bloom)
        else:
            self._open = np.empty((2 + CONTENT, _LAYER), np.uint64)
        self._start_layer()

    def _start_layer(self) -> None:
        self._bloom = Bloom.sized(_LAYER)
        self._blocks: list[np.ndarray] = []
        self._held = 0

    def _layer(self, number: int) -> np.ndarray:
        return self._file.mapped(self._sealed[number], self._open.shape)


def _places(words: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Of each key its place in the sorted ``block``, -1 where it is not there. Equal first words are walked through."""
    places = np.full(len(words), -1)
    first, second = block[:2]
    at = np.searchsorted(first, words[:, 0])
    left = np.flatnonzero(at < len(first))
    while len(left):
        same_first = first[at[left]] == words[left, 0]
        same = same_first & (second[at[left]] == words[left, 1])
        places[left[same]] = at[left[same]]
        left = left[same_first & ~same]
        at[left] += 1
        left = left[at[left] < len(first)]
    return places
