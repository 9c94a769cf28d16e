"""What crosses between the pipeline and whoever carries its chunks to Metronome: parcels there, outcomes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import orjson

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping, Sequence

    import numpy as np

    from etl.errors import MetronomeError


@dataclass(frozen=True)
class Parcel:
    """A chunk without its frame. ``number`` counts chunks from 1; ``body`` is its JSON array.

    ``ends``: int64, for each event the position in ``body`` right after it, where its comma or the bracket is.
    """

    number: int
    body: bytes
    ends: np.ndarray | array[int]

    def __len__(self) -> int:
        return len(self.ends)

    def event(self, row: int) -> bytes:
        """The JSON text of one event."""
        return self.body[(self.ends[row - 1] if row else 0) + 1 : self.ends[row]]

    def part(self, rows: Sequence[int]) -> bytes:
        """The JSON array of these rows; the body itself when that is all of them."""
        if len(rows) == len(self):
            return self.body
        return b"[" + b",".join(map(self.event, rows)) + b"]"

    def stamp(self, row: int) -> str:
        """The ``timestamp`` of one event, as Metronome gets it."""
        return str(orjson.loads(self.event(row))["timestamp"])


@dataclass(frozen=True)
class Outcome:
    """What became of a parcel; positions are rows of it, see ``etl.ports.ChunkResult``."""

    refused: Mapping[int, str] = field(default_factory=dict)
    too_old: frozenset[int] = frozenset()
    requests: int = 1
    retries: int = 0


#: What becomes of nearly every parcel. One object: told a thousand times in a message, it is written once.
ALL_SENT = Outcome()


class Reporting(Protocol):
    """Whom a carrier tells, from a thread of its own."""

    def ended(self, number: int, outcome: Outcome | None) -> None:
        """The parcel of that number came to its end; None: it was given up, and nothing is known of it."""
        ...

    def failed(self, failure: MetronomeError, *, lost: bool = False) -> None:
        """Nothing more will be sent. ``lost``: nor will the end of anything be told."""
        ...


class Carrier(Protocol):
    """Carries parcels to Metronome and tells how each ended."""

    def start(self, reporting: Reporting) -> None:
        """Before anything else."""
        ...

    def carry(self, parcels: Sequence[Parcel]) -> None:
        """Takes parcels; does not wait for Metronome."""
        ...

    def close(self) -> None:
        """Gives up whatever is on its way, without waiting for answers."""
        ...
