"""What crosses to the process that sends, and back: where requests go and by which rules, chunks, outcomes.

Plain data: it costs nothing to load, and can be pickled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from etl.core.http import Network
    from etl.metronome.answers import Confirm
    from etl.metronome.pace import Clock


@dataclass(frozen=True)
class Endpoint:
    """Where requests go, and how. ``headers`` hold the token: they show in no representation.

    ``timeout``: seconds for one request, from connecting to the last byte of its answer.
    """

    url: str
    headers: Mapping[str, str]
    timeout: float
    connections: int
    gzip: bool
    network: Network

    def __repr__(self) -> str:
        """Only the URL."""
        return f"Endpoint({self.url!r})"


@dataclass(frozen=True)
class Terms:
    """The rules of sending. ``host`` is for messages; ``events_per_second`` any positive number.

    ``confirm``: whether a 200 confirms by itself, or with its body (see ``answers.doubt``).
    """

    host: str
    connections: int
    events_per_second: float
    max_age: timedelta
    retry_for: timedelta
    confirm: Confirm = "answer"


@dataclass(frozen=True)
class Setup:
    """What the process that sends has to know before the first chunk."""

    endpoint: Endpoint
    terms: Terms
    clock: Clock


@dataclass(frozen=True)
class Outcome:
    """What became of a chunk; positions are its rows, from 0. See ``etl.core.ports.ChunkResult``."""

    refused: Mapping[int, str] = field(default_factory=dict)
    too_old: frozenset[int] = frozenset()
    requests: int = 1
    retries: int = 0


#: What becomes of nearly every chunk. One object: pickled a hundred times in a message, it is written once.
ALL_SENT = Outcome()


@dataclass(eq=False)
class OutgoingChunk:
    """A chunk in the process that sends it: without its frame, and with what became of it so far.

    ``number`` counts chunks from 1. ``bodies``: the JSON objects of its events, one right after the other. ``ends``:
    int64, the position after each. ``on_wire``: a request of it awaits its answer.
    """

    number: int
    bodies: bytes
    ends: array[int]
    refused: dict[int, str] = field(default_factory=dict)
    too_old: set[int] = field(default_factory=set)
    requests: int = 0
    retries: int = 0
    on_wire: bool = False

    def __len__(self) -> int:
        return len(self.ends)

    def __str__(self) -> str:
        """``chunk 7 (100 events, 28,301 bytes)``, for messages: bytes of the JSON array of all its events."""
        events = "1 event" if len(self) == 1 else f"{len(self)} events"
        return f"chunk {self.number} ({events}, {len(self.bodies) + len(self) + 1:,} bytes)"

    @cached_property
    def events(self) -> list[bytes]:
        """The JSON text of each event. Not before the first request: while chunks wait, they are kept in one piece."""
        return [self.bodies[start:end] for start, end in pairwise((0, *self.ends))]

    def body(self, rows: Sequence[int]) -> bytes:
        """The JSON array of these rows."""
        events = self.events if len(rows) == len(self) else [self.events[row] for row in rows]
        return b"[" + b",".join(events) + b"]"

    def texts(self, rows: Sequence[int]) -> list[str]:
        """The JSON text of these rows."""
        return [self.events[row].decode() for row in rows]

    def timestamp(self, row: int) -> datetime:
        """Of one event, as Metronome gets it."""
        # json, not orjson: a body may carry an escaped lone surrogate, as Segment's does.
        moment = datetime.fromisoformat(json.loads(self.events[row])["timestamp"])
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def outcome(self) -> Outcome:
        """What became of the chunk, once nothing of it is left to send."""
        outcome = Outcome(self.refused, frozenset(self.too_old), self.requests, self.retries)
        return ALL_SENT if outcome == ALL_SENT else outcome
