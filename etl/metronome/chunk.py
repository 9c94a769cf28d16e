"""What crosses between the pipeline and whoever carries its chunks to Metronome: parcels there, outcomes back.

Where requests go, and what there is when none came back. Plain data: it costs nothing to load, and can be handed on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl
    from array import array
    from collections.abc import Mapping, Sequence

    import numpy as np

    from etl.core.errors import MetronomeError


@dataclass(frozen=True)
class NoAnswer:
    """A request that failed on its way: whether Metronome took the events is not known."""

    reason: str


@dataclass(frozen=True)
class Endpoint:
    """Where requests go, and how. ``headers`` hold the token: they show in no representation.

    ``timeout``: seconds for one request, from connecting to the last byte of its answer. ``tls``: None = the
    public authorities. ``proxy``: the URL of an HTTP proxy, or None.
    """

    url: str
    headers: Mapping[str, str]
    timeout: float
    connections: int
    gzip: bool
    tls: ssl.SSLContext | None = None
    proxy: str | None = None

    def __repr__(self) -> str:
        """Only the URL."""
        return f"Endpoint({self.url!r})"


@dataclass(frozen=True)
class Parcel:
    """A chunk without its frame. ``number`` counts chunks from 1.

    ``bodies``: the JSON objects of its events, one right after the other. ``ends``: int64, the position after each.
    """

    number: int
    bodies: bytes | memoryview
    ends: np.ndarray | array[int]

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def size(self) -> int:
        """Bytes of the JSON array of all events: a comma between each two, and the brackets."""
        return len(self.bodies) + len(self) + 1

    def events(self) -> list[bytes]:
        """The JSON text of each event."""
        bodies = bytes(self.bodies)
        return [bodies[start:end] for start, end in pairwise((0, *self.ends))]


@dataclass(frozen=True)
class Outcome:
    """What became of a parcel; positions are rows of it, see ``etl.core.ports.ChunkResult``."""

    refused: Mapping[int, str] = field(default_factory=dict)
    too_old: frozenset[int] = frozenset()
    requests: int = 1
    retries: int = 0


#: What becomes of nearly every parcel. One object: told a hundred times in a message, it is written once.
ALL_SENT = Outcome()


class Reporting(Protocol):
    """Whom a carrier tells, from a thread of its own."""

    def ended(self, number: int, outcome: Outcome | None, digests: bytes = b"") -> None:
        """The parcel of that number came to its end; None: it was given up, and nothing is known of it.

        ``digests``: 16 bytes of each event (``etl.core.ids``), if it was not given up.
        """
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
