"""Which rows of a segment of the sent log have a key: sorted keys, each with the number of its row.

An index of the database's own would be written anew, page by page, with every commit, as keys are hashes: it was three
fifths of what a recorded row cost. Here the keys of rows that a run has just appended are kept in memory (``Tail``),
and are stored when the segment is full or the run ends, in parts by their highest bits: one key costs one small
read, many keys one pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

from etl.core.ids import words_of
from etl.state.dialects import dialect_of
from etl.state.schema import IN_BINARY, sent_keys, sent_log
from etl.state.sent_log.rows import restored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Of a full segment each is about 128 KB: read in 40 µs, and few enough to be written in one go.
PARTS = 64
_SHIFT = np.uint64(58)
_EDGES = np.arange(1, PARTS, dtype=np.uint64) << _SHIFT
#: One query for so many, at most 8 MB: a question of its own for each takes longer than its answer.
_PARTS_AT_ONCE = 64
#: Of a tail; with more, looking into each costs more than merging them.
_MOST_BLOCKS = 32


@dataclass(frozen=True)
class Entries:
    """``keys``: uint64; ``numbers``: int64, those of the rows."""

    keys: np.ndarray
    numbers: np.ndarray

    def __len__(self) -> int:
        """How many rows."""
        return len(self.keys)

    def ordered(self) -> Entries:
        """By key."""
        order = np.argsort(self.keys)
        return Entries(self.keys[order], self.numbers[order])

    def parts(self) -> Iterator[Entries]:
        """As many as ``PARTS``, by the highest bits of the keys; the entries must be in order."""
        edges = np.searchsorted(self.keys, _EDGES)
        for keys, numbers in zip(np.split(self.keys, edges), np.split(self.numbers, edges), strict=True):
            yield Entries(keys, numbers)

    def find(self, keys: np.ndarray) -> Matches:
        """The rows of each of ``keys``; the entries must be in order."""
        first = np.searchsorted(self.keys, keys, "left")
        counts = np.searchsorted(self.keys, keys, "right") - first
        positions = np.repeat(np.arange(len(keys)), counts)
        # Entries of equal keys stand side by side.
        within = np.arange(len(positions)) - np.repeat(np.cumsum(counts) - counts, counts)
        return Matches(positions, self.numbers[first[positions] + within])


@dataclass(frozen=True)
class Matches:
    """Pairs: ``positions`` (int64) of keys that were asked for, ``numbers`` of rows with that key."""

    positions: np.ndarray
    numbers: np.ndarray


def together(parts: Sequence[Entries]) -> Entries:
    """All entries, in the order given; those of a single part as they are."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return Entries(np.empty(0, np.uint64), np.empty(0, np.int64))
    if len(parts) == 1:
        return parts[0]
    return Entries(
        np.concatenate([part.keys for part in parts]), np.concatenate([part.numbers for part in parts])
    )


class Tail:
    """The entries of a segment that may not be stored yet, in memory."""

    def __init__(self) -> None:
        self._blocks: list[Entries] = []

    def add(self, entries: Entries) -> None:
        """Entries in order."""
        if not len(entries):
            return
        self._blocks.append(entries)
        if len(self._blocks) > _MOST_BLOCKS:
            self._blocks = [together(self._blocks).ordered()]

    def find(self, keys: np.ndarray) -> list[Matches]:
        """The rows of each of ``keys``."""
        return [block.find(keys) for block in self._blocks]

    def after(self, number: int) -> list[Entries]:
        """Those of rows with a number above ``number``, in blocks, each in order."""
        later = [(block, block.numbers > number) for block in self._blocks]
        return [
            block if rows.all() else Entries(block.keys[rows], block.numbers[rows]) for block, rows in later
        ]


def store(connection: sa.Connection, segment: int, blocks: Sequence[Entries]) -> None:
    """Add ``blocks``, each in order, to the entries of ``segment``; needs the writer lock.

    A part at a time: all together they are as large as a batch.
    """
    there = set(connection.execute(sa.select(sent_keys.c.part).where(_of(segment))).scalars())
    for part, pieces in enumerate(zip(*(block.parts() for block in blocks), strict=True), segment * PARTS):
        new = together(pieces)
        if not len(new):
            continue
        own = sent_keys.c.part == part
        if part in there:
            query = sa.select(sent_keys.c.entries).where(own)
            stored = connection.execute(query, execution_options=IN_BINARY).scalar_one()
            data = _bytes(together([_entries(stored), new]).ordered())
            connection.execute(sent_keys.update().where(own).values(entries=data))
        else:
            connection.execute(sent_keys.insert().values(part=part, entries=_bytes(new.ordered())))


def of_rows(connection: sa.Connection, segment: int, first: int, last: int) -> Entries:
    """The entries, in order, of the segment's rows numbered ``first`` to ``last``, by the ids in them."""
    query = sa.select(sent_log.c.number, sent_log.c.transaction_id).where(
        sent_log.c.segment == segment, sent_log.c.number.between(first, last)
    )
    found = connection.execute(query).all()
    keys = words_of([restored(text) for _, text in found])[:, 0]
    return Entries(keys, np.array([number for number, _ in found], np.int64)).ordered()


def find(connection: sa.Connection, wanted: Mapping[int, np.ndarray]) -> Iterator[tuple[int, Matches]]:
    """The stored rows of the keys that are wanted of each segment, a part at a time: ``(segment, matches)``."""
    parts = [segment * PARTS + _parts(keys) for segment, keys in wanted.items()]
    asked = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
    among = dialect_of(connection).among
    for start in range(0, len(asked), _PARTS_AT_ONCE):
        some = among(sent_keys.c.part, asked[start : start + _PARTS_AT_ONCE].tolist())
        query = sa.select(sent_keys.c.part, sent_keys.c.entries).where(some)
        for number, data in connection.execute(query, execution_options=IN_BINARY):
            segment, part = divmod(number, PARTS)
            keys = wanted[segment]
            positions = np.flatnonzero(_parts(keys) == part)
            found = _entries(data).find(keys[positions])
            yield segment, Matches(positions[found.positions], found.numbers)


def forget(connection: sa.Connection, segment: int) -> None:
    """Drop the entries of a segment."""
    connection.execute(sent_keys.delete().where(_of(segment)))


def _of(segment: int) -> sa.ColumnElement[bool]:
    return sent_keys.c.part.between(segment * PARTS, segment * PARTS + PARTS - 1)


def _parts(keys: np.ndarray) -> np.ndarray:
    return (keys >> _SHIFT).astype(np.int64)


def _bytes(entries: Entries) -> bytes:
    """All keys, then all numbers, 8 bytes each, little-endian."""
    return entries.keys.astype("<u8").tobytes() + entries.numbers.astype("<i8").tobytes()


def _entries(data: bytes) -> Entries:
    half = len(data) // 2
    return Entries(np.frombuffer(data[:half], "<u8"), np.frombuffer(data[half:], "<i8"))
