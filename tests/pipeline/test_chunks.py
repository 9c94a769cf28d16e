"""Frames of usage events cut into what single requests carry."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.pipeline.chunks import MAX_BYTES, chunks

if TYPE_CHECKING:
    from etl.core.ports import Chunk

TEXT = pd.ArrowDtype(pa.string())


def frame(bodies: list[str | None], dtype: object = TEXT) -> pd.DataFrame:
    return pd.DataFrame({"body": pd.Series(bodies, dtype=dtype)})


def texts(chunk: Chunk) -> list[str]:
    """Of each event, by where they end."""
    return [bytes(chunk.bodies[start:end]).decode() for start, end in pairwise([0, *chunk.ends])]


def size(chunk: Chunk) -> int:
    """Bytes of the JSON array."""
    return len(f"[{','.join(texts(chunk))}]".encode())


def test_no_events_make_no_chunk():
    assert list(chunks(frame([]))) == []


@pytest.mark.parametrize(
    ("events", "sizes"), [(1, [1]), (99, [99]), (100, [100]), (101, [100, 1]), (3205, [100] * 32 + [5])]
)
def test_at_most_100_events(events, sizes):
    assert [len(chunk) for chunk in chunks(frame(["{}"] * events))] == sizes


def test_events_keep_their_text_byte_for_byte():
    """Nothing is parsed or escaped anew; bytes count, not characters."""
    bodies = ['{"a":"é\\u0000\\ud83d"}', '{"n":1.00}', '{"e":"😀"}']
    [chunk] = chunks(frame(bodies))
    assert bytes(chunk.bodies) == "".join(bodies).encode()
    assert texts(chunk) == bodies


def test_a_chunk_may_fill_the_limit_to_the_last_byte():
    bodies = ['"' + "x" * 8 + '"'] * 6
    assert [size(chunk) for chunk in chunks(frame(bodies), max_bytes=34)] == [34, 34]
    assert [len(chunk) for chunk in chunks(frame(bodies), max_bytes=33)] == [2, 2, 2]


def test_bytes_are_counted_not_characters():
    bodies = ['"' + "é" * 300_000 + '"'] * 2
    assert [len(chunk) for chunk in chunks(frame(bodies))] == [1, 1]


def test_an_event_over_the_limit_stands_alone():
    bodies = ['"a"', '"' + "x" * MAX_BYTES + '"', '"b"', '"c"']
    assert [len(chunk) for chunk in chunks(frame(bodies))] == [1, 1, 2]


@pytest.mark.parametrize("dtype", [TEXT, pd.ArrowDtype(pa.large_string()), "str", "string", object])
def test_any_string_column_will_do(dtype):
    [chunk] = chunks(frame(["{}", '{"a":1}'], dtype))
    assert texts(chunk) == ["{}", '{"a":1}']


def test_a_slice_and_a_column_in_pieces_are_cut_where_they_begin():
    column = pa.chunked_array([pa.array(['"a"', '"b"']), pa.array([], pa.string()), pa.array(['"c"', '"d"'])])
    events = pd.DataFrame({"body": pd.Series(pd.arrays.ArrowExtensionArray(column))}).iloc[1:]
    [chunk] = chunks(events)
    assert texts(chunk) == ['"b"', '"c"', '"d"']
    assert chunk.events["body"].iloc[chunk.start] == '"b"'


def test_an_event_without_a_body_is_refused():
    with pytest.raises(ValueError, match="without a body"):
        list(chunks(frame(["{}", None])))


@settings(deadline=None)
@given(
    st.lists(st.text(max_size=30), max_size=60),
    st.integers(1, 12),
    st.integers(10, 200),
)
def test_every_event_is_in_one_chunk_within_the_limits(words, max_events, max_bytes):
    """In order, none lost, and no two neighbouring chunks that would have fitted into one."""
    bodies = [json.dumps(text, ensure_ascii=False) for text in words if text.isprintable()]
    found = list(chunks(frame(bodies), max_events, max_bytes))
    assert [text for chunk in found for text in texts(chunk)] == bodies
    for chunk in found:
        assert len(chunk) <= max_events
        assert size(chunk) <= max_bytes or len(chunk) == 1
    for left, right in zip(found, found[1:], strict=False):
        first = len(bodies[right.start].encode())
        assert len(left) == max_events or size(left) + first + 1 > max_bytes
