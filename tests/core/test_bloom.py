"""A filter never forgets a key, and seldom takes a new one for known."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from etl.core.bloom import Bloom, FilterStack, Probes

RANDOM = np.random.default_rng(5)


def some(count: int) -> np.ndarray:
    return RANDOM.integers(0, 2**64, count, np.uint64)


@given(st.lists(st.integers(0, 2**64 - 1)), st.integers(0, 500))
def test_what_was_added_is_a_candidate(keys, capacity):
    """Whatever the keys, however crowded the filter, also after storing it."""
    probes = Probes(np.array(keys, np.uint64))
    bloom = Bloom.sized(capacity)
    bloom.add(probes)
    for kept in (bloom, Bloom.from_bytes(bloom.to_bytes())):
        assert kept.candidates(probes).tolist() == list(range(len(keys)))


def test_few_new_keys_are_candidates():
    """About one in a thousand when the filter is full."""
    bloom = Bloom.sized(1 << 16)
    bloom.add(Probes(some(1 << 16)))
    assert len(bloom.candidates(Probes(some(100_000)))) < 300


def test_a_filter_says_when_it_is_crowded():
    """From twice the keys it was made for."""
    bloom = Bloom.sized(1024)
    assert not bloom.crowded(1024)
    assert bloom.crowded(2049)


def test_a_stack_answers_for_each_filter_in_memory_and_from_its_file():
    """Filters beyond the budget, replaced and dropped ones."""
    stack = FilterStack(memory=20_000)
    parts = [some(500) for _ in range(20)]
    for number, part in enumerate(parts):
        bloom = Bloom.sized(500)
        bloom.add(Probes(part))
        stack.add(number, bloom)
    stack.discard(3)
    stack.discard(15)
    stack.discard(99)
    assert 3 not in stack
    assert 4 in stack
    for number, part in enumerate(parts):
        found = dict(stack.candidates(Probes(part)))
        assert (number in found and len(found[number]) == 500) == (number not in (3, 15))
    stack.close()
