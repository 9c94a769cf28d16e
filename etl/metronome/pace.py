"""How fast and how many at once: a rate limit on usage events, adaptive concurrency, and back-off.

All of it lives in one event loop and measures time with an injected :class:`Clock`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from datetime import UTC, datetime

#: How late a request may start without the next ones waiting their full turn, in seconds.
_CREDIT = 0.1
#: Seconds too short to matter: what sums of floats may be off by.
_NOTHING = 1e-9
_FIRST_WAIT = 0.5
_LONGEST_BACK_OFF = 30.0


class Clock:
    """Time as sending sees it, and chance. It crosses to the process that sends."""

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def now(self) -> datetime:
        """The wall clock, UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Lets so many seconds pass."""
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        """A number in [0, 1)."""
        return random.random()  # noqa: S311 - jitter


class RateLimiter:
    """At most ``events_per_second`` usage events in any second, evenly spread.

    A token bucket (aiolimiter) lets a full bucket and a second's refill through within one second; this keeps
    the starts of the last second instead. Requests get their turn in the order they ask. A request larger than
    the limit goes alone, and the next one waits accordingly longer.
    """

    def __init__(self, events_per_second: float, clock: Clock) -> None:
        self._rate = events_per_second
        self._clock = clock
        self._turn = asyncio.Lock()
        self._next = clock.monotonic()
        self._recent: deque[tuple[float, int]] = deque()
        self._recent_events = 0

    async def take(self, events: int) -> None:
        """Waits until a request of that many usage events may start."""
        async with self._turn:
            while (wait := self._wait(events)) > _NOTHING:
                await self._clock.sleep(wait)
            now = self._clock.monotonic()
            self._next = max(self._next, now - _CREDIT) + events / self._rate
            self._recent.append((now, events))
            self._recent_events += events

    def pause(self, seconds: float) -> None:
        """Lets nothing start for that long: Metronome asked for it."""
        self._next = max(self._next, self._clock.monotonic() + seconds)

    def _wait(self, events: int) -> float:
        now = self._clock.monotonic()
        while self._recent and self._recent[0][0] + 1 - now <= _NOTHING:
            self._recent_events -= self._recent.popleft()[1]
        wait = self._next - now
        if self._recent and self._recent_events + events > self._rate:
            wait = max(wait, self._recent[0][0] + 1 - now)
        return wait


class Concurrency:
    """How many requests are on the wire at once: halved by a failure, one more after every two successes.

    Additive increase, multiplicative decrease, as TCP does it, but with a quicker recovery: where one request in
    ten fails for no reason of ours, one more a round would keep us at four. The failures of requests that were
    already on the wire at the last halving are its echo, and do not halve again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._active = 0
        self._halvings = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Requests allowed at once right now, 1 or more."""
        return int(self._limit)

    async def enter(self) -> int:
        """Waits for a free place; what it returns must be given to :meth:`leave`."""
        if self._active >= self.limit or self._waiting:
            await self._queue()
        else:
            self._active += 1
        return self._halvings

    def leave(self, entered: int, *, failed: bool) -> None:
        """Frees the place. ``failed``: Metronome was overloaded, late or unreachable."""
        self._active -= 1
        if not failed:
            self._limit = min(self._limit + 0.5, self._most)
        elif entered == self._halvings:
            self._limit = max(self._limit / 2, 1.0)
            self._halvings += 1
        self._wake()

    async def _queue(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._wake()
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():
                self._active -= 1
                self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting and self._active < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                self._active += 1


def back_off(retry: int, chance: float) -> float:
    """Seconds before the ``retry``-th retry (from 1): full jitter below 0.5 s, doubling up to 30 s."""
    return chance * min(_FIRST_WAIT * 2.0 ** min(retry - 1, 10), _LONGEST_BACK_OFF)
