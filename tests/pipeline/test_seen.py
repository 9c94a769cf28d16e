"""The repeats of a run are recognised exactly, with the content they were first met with, in bounded memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.core.ids import transaction_keys
from etl.pipeline import seen
from etl.pipeline.seen import CONTENT, SeenIds, key_words


def keys(names) -> pd.Series:
    return transaction_keys(pd.Series(list(names), dtype=object))


def contents(numbers) -> np.ndarray:
    """One content for each of ``numbers``."""
    return np.outer(np.arange(1, CONTENT + 1, dtype=np.uint64), np.fromiter(numbers, np.uint64))


def first(ids: SeenIds, keys: pd.Series | np.ndarray) -> list[bool]:
    """Which of ``keys`` the run meets for the first time."""
    return list(ids.meet(keys, contents(range(len(keys))))[0])


def test_only_the_first_of_each_id_is_first(monkeypatch):
    """Within a batch and across batches."""
    with SeenIds() as ids:
        assert first(ids, keys("abac")) == [True, True, False, True]
        assert first(ids, keys("cdd")) == [False, True, False]
        assert first(ids, keys("")) == []


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=12), max_size=12),
    st.sampled_from([1, 5, 1000]),
)
def test_it_behaves_as_a_dict(batches, layer):
    """With layers of one, five and a thousand ids: in memory, sealed to the file, and both."""
    known: dict[int, int] = {}
    with pytest.MonkeyPatch.context() as patch, SeenIds() as ids:
        patch.setattr(seen, "_LAYER", layer)
        for batch in batches:
            new, expected = [], []
            for number, content in batch:
                new.append(number not in known)
                expected.append(known.setdefault(number, content))
            is_first, met = ids.meet(keys(f"id{n}" for n, _ in batch), contents(c for _, c in batch))
            assert is_first.tolist() == new
            assert (met == contents(expected)).all()


def test_ids_whose_keys_share_eight_bytes_are_told_apart(monkeypatch):
    """The filter knows eight bytes of a key, the answer sixteen."""
    monkeypatch.setattr(seen, "_LAYER", 4)
    words = np.array([[7, n] for n in range(5)], "<u8")
    raw = np.frombuffer(words.tobytes(), "V16")
    with SeenIds() as ids:
        assert first(ids, raw[:4]) == [True] * 4
        is_first, met = ids.meet(raw, contents(range(10, 15)))
    assert is_first.tolist() == [False] * 4 + [True]
    assert (met == contents([0, 1, 2, 3, 14])).all()


def test_keys_are_read_from_sliced_and_chunked_columns():
    """As they come out of concat and take."""
    column = keys("abcdef")
    joined = pd.concat([column[2:4], column[:1]])
    assert (key_words(joined) == key_words(column)[[2, 3, 0]]).all()


def test_filters_beyond_the_memory_budget_answer_from_the_file(monkeypatch):
    """The same answers when no filter may stay in memory."""
    monkeypatch.setattr(seen, "_LAYER", 100)
    monkeypatch.setattr(seen.FilterStack.__init__, "__defaults__", (0,))
    column = keys(f"id{n}" for n in range(1000))
    with SeenIds() as ids:
        for start in range(0, 1000, 100):
            assert all(first(ids, column[start : start + 100]))
        assert not any(first(ids, column))
