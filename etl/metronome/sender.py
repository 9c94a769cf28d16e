"""One chunk's way to Metronome: request, judge, then retry, halve or stop, until all events have an outcome.

Whatever is sent again keeps its transaction_ids, so Metronome ignores what it already took.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from etl.core.errors import MetronomeError
from etl.metronome.answers import Answer, describe, doubt, excerpt, judge, property_values, retry_after
from etl.metronome.pace import Concurrency, RateLimiter, back_off

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.metronome.answers import Action, NoAnswer
    from etl.metronome.chunk import Outcome, OutgoingChunk, Terms
    from etl.metronome.http import Wire
    from etl.metronome.pace import Clock


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

    async def send(self, chunk: OutgoingChunk) -> Outcome:
        """Sends every event of the chunk, or finds out why not.

        Raises:
            MetronomeError: an answer, or silence for too long, that stops the delivery.
            asyncio.CancelledError: the delivery is stopping and the chunk would need another request.
        """
        left = self._first_parts(chunk)
        while left:
            rows, refusal = await self._until_answered(chunk, left.pop())
            if refusal is None:
                continue
            if len(rows) == 1:
                chunk.refused[rows[0]] = describe(refusal, property_values(chunk.texts(rows)))
            else:
                left += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
        return chunk.outcome()

    def _first_parts(self, chunk: OutgoingChunk) -> list[Sequence[int]]:
        """The whole chunk, unless a second may not see that many events at once; last part first."""
        size = max(1, int(min(self._terms.events_per_second, len(chunk))))
        rows: Sequence[int] = range(len(chunk))
        return [rows[at : at + size] for at in range(0, len(rows), size)][::-1]

    async def _until_answered(
        self, chunk: OutgoingChunk, rows: Sequence[int]
    ) -> tuple[Sequence[int], Answer | None]:
        """The rows that were young enough to send, and the answer that refused them (None: they were sent)."""
        since: float | None = None
        tries = 0
        while True:
            rows = self._young(chunk, rows) if chunk.requests else rows
            if not rows:
                return rows, None
            chunk.retries += tries > 0
            answer, action = await self._request(chunk, rows)
            tries += 1
            if action == "sent":
                return rows, None
            if isinstance(answer, Answer) and action == "halve":
                return rows, answer
            if isinstance(answer, Answer) and action == "stop":
                raise self._unknown(chunk, rows, answer)
            since = self._clock.monotonic() if since is None else since
            await self._wait_for_retry(chunk, answer, tries, since)

    def _young(self, chunk: OutgoingChunk, rows: Sequence[int]) -> Sequence[int]:
        """The rows that may still be sent; time has passed since their age was checked."""
        oldest = self._clock.now() - self._terms.max_age
        old = {row for row in rows if chunk.timestamp(row) < oldest}
        chunk.too_old |= old
        return [row for row in rows if row not in old] if old else rows

    async def _request(self, chunk: OutgoingChunk, rows: Sequence[int]) -> tuple[Answer | NoAnswer, Action]:
        if self.stopping:
            raise asyncio.CancelledError
        entered = await self.concurrency.enter()
        failed = False
        try:
            await self._limiter.take(len(rows))
            chunk.requests += 1
            chunk.on_wire = True
            answer = await self._wire.post(chunk.body(rows))
            action = judge(answer, len(rows), self._terms.confirm) if isinstance(answer, Answer) else "retry"
            failed = action == "retry"
            return answer, action
        finally:
            chunk.on_wire = False
            self.concurrency.leave(entered, failed=failed)

    async def _wait_for_retry(
        self, chunk: OutgoingChunk, answer: Answer | NoAnswer, tries: int, since: float
    ) -> None:
        """Sleeps until the next try, or raises when there is to be none."""
        if self.stopping:
            raise asyncio.CancelledError
        asked = self._asked_to_wait(answer)
        left = since + self._seconds - self._clock.monotonic()
        if left <= 0 or asked > left:
            raise self._given_up(chunk, answer, tries, asked)
        if asked:
            self._limiter.pause(asked)
        await self._clock.sleep(min(asked + back_off(tries, self._clock.chance()), left))

    def _asked_to_wait(self, answer: Answer | NoAnswer) -> float:
        return retry_after(answer.retry_after, self._clock.now()) if isinstance(answer, Answer) else 0.0

    def _unknown(self, chunk: OutgoingChunk, rows: Sequence[int], answer: Answer) -> MetronomeError:
        values = property_values(chunk.texts(rows))
        reason = describe(answer, values)
        if answer.status in (401, 403):
            return MetronomeError(
                f"Metronome at {self._terms.host} refuses the token ({reason}), at {chunk}. No event "
                "was marked bad. Put a token that may ingest into destination.api_token and run again."
            )
        if answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return refused_by_proxy(self._terms.host)
        if answer.status == HTTPStatus.OK:
            return MetronomeError(
                f"Metronome at {self._terms.host} answered {chunk} with 200, but {doubt(answer, len(rows))}: "
                f"{excerpt(answer, values)!r}. Nothing of the chunk is recorded. See that destination.base_url names "
                "Metronome's API and that no proxy answers for it, then run again: the same ids are sent again. If this "
                "does confirm the events, 'destination.confirm: status' makes the status 200 enough."
            )
        return MetronomeError(
            f"Metronome at {self._terms.host} gave an answer to {chunk} that this job does not know: "
            f"{reason}. Nothing of the chunk is recorded. See that destination.base_url names Metronome's API and "
            "that no proxy answers for it, then run again."
        )

    def _given_up(
        self, chunk: OutgoingChunk, answer: Answer | NoAnswer, tries: int, asked: float
    ) -> MetronomeError:
        reason = describe(answer) if isinstance(answer, Answer) else answer.reason
        wait = f", asking to wait {asked:g} s" if asked else ""
        return MetronomeError(
            f"Metronome at {self._terms.host} did not take {chunk} within {self._seconds:g} s and {tries} "
            f"tries; the last ended with: {reason}{wait}. Nothing of the chunk is recorded. Run again when Metronome "
            "can be reached: the same ids are sent again."
        )


def refused_by_proxy(host: str) -> MetronomeError:
    """For a 407: Metronome has not seen the request."""
    return MetronomeError(
        f"The proxy in front of Metronome at {host} wants a name and a password, or does not take the ones it got (407). "
        "No event was sent. Put them into the URL of destination.proxy or HTTPS_PROXY, and run again."
    )
