"""A Metronome in this process: takes chunks, ignores ids it has, and can die between taking and answering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from etl.core.errors import MetronomeError
from etl.core.hashing import hashes
from etl.core.ports import Chunk, ChunkResult


@dataclass
class Metronome:
    """``accepted``: transaction_id → its first body. ``repeats``: ids that were sent again, which it ignores."""

    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    repeats: list[str] = field(default_factory=list)
    dies_after: int | None = None

    @contextmanager
    def open(self) -> Iterator[_Delivery]:
        yield _Delivery(self)

    def check(self) -> None:
        """Nothing to look at."""

    def take(self, chunk: Chunk) -> ChunkResult:
        """Accept a chunk; after ``dies_after`` of them, accept one more and give no answer."""
        ends = [0, *chunk.ends.tolist()]
        bodies = [bytes(chunk.bodies[a:b]) for a, b in zip(ends, ends[1:], strict=False)]
        for body in map(orjson.loads, bodies):
            if body["transaction_id"] in self.accepted:
                self.repeats.append(body["transaction_id"])
            else:
                self.accepted[body["transaction_id"]] = body
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                raise MetronomeError("the connection was lost")
        return ChunkResult(chunk, b"".join(hashes(bodies)))


class _Delivery:
    def __init__(self, metronome: Metronome) -> None:
        self._metronome = metronome
        self._results: list[ChunkResult] = []
        self._error: MetronomeError | None = None

    def offer(self, chunks: Sequence[Chunk]) -> int:
        if self._error:
            raise self._error
        for chunk in chunks:
            try:
                self._results.append(self._metronome.take(chunk))
            except MetronomeError as error:
                self._error = error
        return len(chunks)

    def ready(self, timeout: float | None = None) -> bool:
        del timeout
        return True

    def results(self) -> list[ChunkResult]:
        found, self._results = self._results, []
        return found

    def drain(self, timeout: float | None = None) -> None:
        del timeout
        if self._error:
            raise self._error

    @property
    def in_flight(self) -> int:
        return sum(len(result.chunk) for result in self._results)
