"""The rate limit over any second, adaptive concurrency and back-off, on a clock that does not wait."""

from __future__ import annotations

import asyncio
import random

import pytest

from etl.metronome.pace import Clock, Concurrency, RateLimiter, back_off
from tests.metronome.fake_time import FakeTime


def starts(rate: float, sizes: list[int], late: list[float] | None = None) -> list[tuple[float, int]]:
    """When requests of these sizes may start; after the n-th one, ``late[n]`` seconds are lost."""
    time = FakeTime()
    found = []

    async def run() -> None:
        limiter = RateLimiter(rate, time)
        for position, size in enumerate(sizes):
            await limiter.take(size)
            found.append((time.seconds, size))
            time.pass_by(late[position] if late else 0)

    asyncio.run(run())
    return found


def most_in_a_second(found: list[tuple[float, int]]) -> int:
    return max(sum(n for at, n in found if begin <= at < begin + 0.999999) for begin, _ in found)


def test_never_above_the_rate_over_any_second():
    chance = random.Random(1)
    sizes = [chance.randint(1, 100) for _ in range(600)]
    found = starts(1000, sizes)
    assert most_in_a_second(found) <= 1000


def test_the_rate_is_used_up():
    found = starts(1000, [100] * 101)
    assert found[-1][0] == pytest.approx(10, abs=0.2)


def test_never_above_the_rate_after_a_stall():
    """What was missed while the machine slept is not made up for in a burst."""
    late = [0.0] * 300
    late[50], late[120], late[121] = 5.0, 0.6, 0.05
    found = starts(1000, [100] * 300, late)
    assert most_in_a_second(found) <= 1000


def test_a_request_above_the_rate_goes_alone_and_is_paid_for():
    found = starts(10, [100, 100, 100])
    assert [at for at, _ in found] == pytest.approx([0, 10, 20], abs=0.2)


def test_a_pause_holds_everything_back():
    time = FakeTime()

    async def run() -> None:
        limiter = RateLimiter(1e9, time)
        limiter.pause(30)
        limiter.pause(10)
        await limiter.take(1)

    asyncio.run(run())
    assert time.seconds == pytest.approx(30)


def test_concurrent_takers_share_the_rate():
    """Twenty tasks on real time slices of the loop still keep to the sum."""
    time = FakeTime()
    found = []

    async def take(limiter: RateLimiter) -> None:
        for _ in range(20):
            await limiter.take(50)
            found.append((time.seconds, 50))

    async def run() -> None:
        limiter = RateLimiter(500, time)
        await asyncio.gather(*(take(limiter) for _ in range(20)))

    asyncio.run(run())
    assert len(found) == 400
    assert most_in_a_second(found) <= 500


def test_concurrency_halves_once_for_failures_that_belong_together():
    async def run() -> None:
        places = Concurrency(16)
        entered = [await places.enter() for _ in range(16)]
        for one in entered:
            places.leave(one, failed=True)
        assert places.limit == 8
        places.leave(await places.enter(), failed=True)
        assert places.limit == 4

    asyncio.run(run())


def test_concurrency_recovers_by_one_for_two_successes_and_never_passes_its_most():
    async def run() -> None:
        places = Concurrency(8)
        for expected in (4, 2, 1, 1):
            places.leave(await places.enter(), failed=True)
            assert places.limit == expected
        limits = []
        for _ in range(14):
            places.leave(await places.enter(), failed=False)
            limits.append(places.limit)
        assert limits == [1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8]
        for _ in range(100):
            places.leave(await places.enter(), failed=False)
        assert places.limit == 8

    asyncio.run(run())


def test_a_full_house_waits_and_a_cancelled_waiter_loses_no_place():
    async def run() -> None:
        places = Concurrency(1)
        first = await places.enter()
        waiters = [asyncio.create_task(places.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(waiter.done() for waiter in waiters)
        waiters[0].cancel()
        places.leave(first, failed=False)
        waiters[1].cancel()
        places.leave(await waiters[2], failed=False)
        await asyncio.wait_for(places.enter(), 5)

    asyncio.run(run())


def test_back_off_is_full_jitter_under_a_doubling_ceiling():
    assert [back_off(retry, 1.0) for retry in range(1, 10)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert back_off(5, 0.0) == 0
    assert back_off(10_000, 0.5) == 15


def test_the_real_clock_knows_its_zone():
    assert Clock().now().utcoffset().total_seconds() == 0
