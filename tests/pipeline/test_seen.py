"""The repeats of a run are found exactly, whatever the window holds, in bounded memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.core.ids import transaction_keys
from etl.pipeline import seen
from etl.pipeline.seen import SeenIds, key_words


def keys(names) -> pd.Series:
    return transaction_keys(pd.Series(list(names), dtype=object))


def test_only_the_first_of_each_id_is_first(monkeypatch):
    """Within a batch and across batches."""
    with SeenIds() as ids:
        assert ids.first_seen(keys("abac")).tolist() == [True, True, False, True]
        assert ids.first_seen(keys("cdd")).tolist() == [False, True, False]
        assert ids.first_seen(keys("")).tolist() == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), max_size=12), max_size=12), st.sampled_from([1, 5, 1000]))
def test_it_behaves_as_a_set(batches, layer):
    """With layers of one, five and a thousand ids: in memory, sealed to the file, and both."""
    known: set[int] = set()
    with pytest.MonkeyPatch.context() as patch, SeenIds() as ids:
        patch.setattr(seen, "_LAYER", layer)
        for batch in batches:
            expected = []
            for number in batch:
                expected.append(number not in known)
                known.add(number)
            assert ids.first_seen(keys(f"id{n}" for n in batch)).tolist() == expected


def test_ids_whose_keys_share_eight_bytes_are_told_apart(monkeypatch):
    """The filter knows eight bytes of a key, the answer sixteen."""
    monkeypatch.setattr(seen, "_LAYER", 4)
    words = np.array([[7, n] for n in range(5)], "<u8")
    raw = np.frombuffer(words.tobytes(), "V16")
    with SeenIds() as ids:
        assert ids.first_seen(raw[:4]).all()
        assert ids.first_seen(raw).tolist() == [False] * 4 + [True]


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
            assert ids.first_seen(column[start : start + 100]).all()
        assert not ids.first_seen(column).any()
