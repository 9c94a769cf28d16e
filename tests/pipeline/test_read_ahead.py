"""Reading ahead of what is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from etl.pipeline.read_ahead import ReadAhead


def nothing() -> None:
    """Not interrupted."""


def test_all_items_in_order() -> None:
    """Nothing is lost or reordered."""
    assert list(ReadAhead(range(100), depth=2, idle=nothing)) == list(range(100))


def test_at_most_depth_items_wait() -> None:
    """A slow taker keeps the reader from running away: memory stays bounded."""
    made = []

    def items() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    for number in ReadAhead(items(), depth=2, idle=nothing):
        assert len(made) <= number + 1 + 2


def test_an_error_of_the_source_is_raised_where_its_item_would_have_come() -> None:
    """What was read before is still taken."""

    def items() -> Iterator[int]:
        yield 1
        raise ValueError("corrupt")

    taken = []
    with pytest.raises(ValueError, match="corrupt"):
        for item in ReadAhead(items(), depth=2, idle=nothing):
            taken.append(item)
    assert taken == [1]


def test_idle_is_asked_while_the_source_is_slow_and_can_end_it() -> None:
    """An interrupted run does not wait for a slow source."""
    release = threading.Event()

    def items() -> Iterator[int]:
        release.wait(10)
        yield 1

    asked = []

    def idle() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(ReadAhead(items(), depth=2, idle=idle, interval=0.01))
    release.set()
