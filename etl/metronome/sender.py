"""One chunk's way to Metronome: request, judge, then retry, halve or stop, until all events have an outcome.

Whatever is sent again keeps its transaction_ids, so Metronome ignores what it already took.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from etl.core.errors import MetronomeError
from etl.core.hashing import hashes
from etl.metronome.answers import Answer, describe, judge, property_values, retry_after
from etl.metronome.chunk import ALL_SENT, Outcome
from etl.metronome.pace import Clock, Concurrency, RateLimiter, back_off

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.metronome.answers import Action
    from etl.metronome.chunk import NoAnswer, Parcel
    from etl.metronome.http import Wire


@dataclass(frozen=True)
class Terms:
    """The rules of sending. ``host`` is for messages; ``events_per_second`` any positive number."""

    host: str
    connections: int
    events_per_second: float
    max_age: timedelta
    retry_for: timedelta


@dataclass(eq=False)
class Job:
    """A parcel on its way. ``on_wire``: a request of it awaits its answer."""

    parcel: Parcel
    refused: dict[int, str] = field(default_factory=dict)
    too_old: set[int] = field(default_factory=set)
    requests: int = 0
    retries: int = 0
    on_wire: bool = False

    @cached_property
    def events(self) -> list[bytes]:
        """The JSON text of each event. Not before the first request: while parcels wait, they are kept in one piece."""
        return self.parcel.events()

    def body(self, rows: Sequence[int]) -> bytes:
        """The JSON array of these rows."""
        events = self.events if len(rows) == len(self.events) else [self.events[row] for row in rows]
        return b"[" + b",".join(events) + b"]"

    def texts(self, rows: Sequence[int]) -> list[str]:
        """The JSON text of these rows."""
        return [self.events[row].decode() for row in rows]

    def timestamp(self, row: int) -> datetime:
        """Of one event, as Metronome gets it."""
        # json, not orjson: a body may carry an escaped lone surrogate, as Segment's does.
        moment = datetime.fromisoformat(json.loads(self.events[row])["timestamp"])
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def digests(self) -> bytes:
        """16 bytes of each event: what the sent log will tell of the content that was sent."""
        return b"".join(hashes(self.events))

    def outcome(self) -> Outcome:
        """What became of the parcel, once nothing of it is left to send."""
        outcome = Outcome(self.refused, frozenset(self.too_old), self.requests, self.retries)
        return ALL_SENT if outcome == ALL_SENT else outcome


class Sender:
    """Sends chunks over one wire under common limits. ``stopping``: no further request is begun."""

    def __init__(self, wire: Wire, terms: Terms, clock: Clock) -> None:
        self.stopping = False
        self.concurrency = Concurrency(terms.connections)
        self._wire = wire
        self._terms = terms
        self._clock = clock
        self._limiter = RateLimiter(terms.events_per_second, clock)
        self._seconds = terms.retry_for.total_seconds()

    async def send(self, job: Job) -> Outcome:
        """Sends every event of the parcel, or finds out why not.

        Raises:
            MetronomeError: an answer, or silence for too long, that stops the delivery.
            asyncio.CancelledError: the delivery is stopping and the parcel would need another request.
        """
        left = self._first_parts(job.parcel)
        while left:
            rows, refusal = await self._until_answered(job, left.pop())
            if refusal is None:
                continue
            if len(rows) == 1:
                job.refused[rows[0]] = describe(refusal, property_values(job.texts(rows)))
            else:
                left += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
        return job.outcome()

    def _first_parts(self, parcel: Parcel) -> list[Sequence[int]]:
        """The whole parcel, unless a second may not see that many events at once; last part first."""
        size = max(1, int(min(self._terms.events_per_second, len(parcel))))
        rows: Sequence[int] = range(len(parcel))
        return [rows[at : at + size] for at in range(0, len(rows), size)][::-1]

    async def _until_answered(self, job: Job, rows: Sequence[int]) -> tuple[Sequence[int], Answer | None]:
        """The rows that were young enough to send, and the answer that refused them (None: they were sent)."""
        since: float | None = None
        tries = 0
        while True:
            rows = self._young(job, rows) if job.requests else rows
            if not rows:
                return rows, None
            job.retries += tries > 0
            answer, action = await self._request(job, rows)
            tries += 1
            if action == "sent":
                return rows, None
            if isinstance(answer, Answer) and action == "halve":
                return rows, answer
            if isinstance(answer, Answer) and action == "stop":
                raise self._unknown(job, rows, answer)
            since = self._clock.monotonic() if since is None else since
            await self._wait_for_retry(job, answer, tries, since)

    def _young(self, job: Job, rows: Sequence[int]) -> Sequence[int]:
        """The rows that may still be sent; time has passed since their age was checked."""
        oldest = self._clock.now() - self._terms.max_age
        old = {row for row in rows if job.timestamp(row) < oldest}
        job.too_old |= old
        return [row for row in rows if row not in old] if old else rows

    async def _request(self, job: Job, rows: Sequence[int]) -> tuple[Answer | NoAnswer, Action]:
        if self.stopping:
            raise asyncio.CancelledError
        entered = await self.concurrency.enter()
        failed = False
        try:
            await self._limiter.take(len(rows))
            job.requests += 1
            job.on_wire = True
            answer = await self._wire.post(job.body(rows))
            action = judge(answer) if isinstance(answer, Answer) else "retry"
            failed = action == "retry"
            return answer, action
        finally:
            job.on_wire = False
            self.concurrency.leave(entered, failed=failed)

    async def _wait_for_retry(self, job: Job, answer: Answer | NoAnswer, tries: int, since: float) -> None:
        """Sleeps until the next try, or raises when there is to be none."""
        if self.stopping:
            raise asyncio.CancelledError
        asked = self._asked_to_wait(answer)
        left = since + self._seconds - self._clock.monotonic()
        if left <= 0 or asked > left:
            raise self._given_up(job, answer, tries, asked)
        if asked:
            self._limiter.pause(asked)
        await self._clock.sleep(min(asked + back_off(tries, self._clock.chance()), left))

    def _asked_to_wait(self, answer: Answer | NoAnswer) -> float:
        return retry_after(answer.retry_after, self._clock.now()) if isinstance(answer, Answer) else 0.0

    def _unknown(self, job: Job, rows: Sequence[int], answer: Answer) -> MetronomeError:
        reason = describe(answer, property_values(job.texts(rows)))
        if answer.status in (401, 403):
            return MetronomeError(
                f"Metronome at {self._terms.host} refuses the token ({reason}), at {_where(job)}. No event "
                "was marked bad. Put a token that may ingest into destination.api_token and run again."
            )
        return MetronomeError(
            f"Metronome at {self._terms.host} gave an answer to {_where(job)} that this job does not know: "
            f"{reason}. Nothing of the chunk is recorded. See that destination.base_url names Metronome's API and "
            "that no proxy answers for it, then run again."
        )

    def _given_up(self, job: Job, answer: Answer | NoAnswer, tries: int, asked: float) -> MetronomeError:
        reason = describe(answer) if isinstance(answer, Answer) else answer.reason
        wait = f", asking to wait {asked:g} s" if asked else ""
        return MetronomeError(
            f"Metronome at {self._terms.host} did not take {_where(job)} within {self._seconds:g} s and {tries} "
            f"tries; the last ended with: {reason}{wait}. Nothing of the chunk is recorded. Run again when Metronome "
            "can be reached: the same ids are sent again."
        )


def _where(job: Job) -> str:
    parcel = job.parcel
    events = "1 event" if len(parcel) == 1 else f"{len(parcel)} events"
    return f"chunk {parcel.number} ({events}, {parcel.size:,} bytes)"
