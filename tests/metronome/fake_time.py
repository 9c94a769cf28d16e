"""A clock that does not wait, in this process and in the one that sends."""

from __future__ import annotations

import asyncio
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from weakref import finalize

from etl.metronome.pace import Clock

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


class FakeTime(Clock):
    """Sleeping takes no time but moves the clock on; ``slept`` has every sleep asked for, ``seconds`` their sum.

    A file keeps the sleeps: a copy in another process sees the same time, and this one sees how it passed there.
    """

    def __init__(self, chance: float = 0.5) -> None:
        descriptor, path = tempfile.mkstemp(prefix="fake-time-")
        os.close(descriptor)
        self._path = Path(path)
        finalize(self, self._path.unlink)
        self._chance = chance

    @property
    def slept(self) -> list[float]:
        with self._path.open() as file:
            return [float(line) for line in file]

    @property
    def seconds(self) -> float:
        return sum(self.slept)

    def pass_by(self, seconds: float) -> None:
        """Time passes without anybody's sleeping for it."""
        with self._path.open("a") as file:
            file.write(f"{seconds!r}\n")

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)
        await asyncio.sleep(0)

    def chance(self) -> float:
        return self._chance
