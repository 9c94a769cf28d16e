"""JSON text that is canonical as it stands is told by its looks, and nothing else is."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.transform.json.objects import already_canonical
from etl.transform.json.text import canonical_column, parse_column

KNOWN = '{"action":"create","bytes":25845867572,"cached":true,"cost":563.9156,"meta":{"attempt":2,"zone":"a"},"tags":["x",1]}'


def told(text: str) -> bool:
    """Whether ``text`` passes, among many objects with the keys of ``KNOWN``, and is not asked for its own."""
    return bool(already_canonical(pa.array([KNOWN, text, *[KNOWN] * 300]))[1])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"create"', '"a \\" quote, a \\\\ and a line\\n"'), ('"create"', '"é 😀 \x7f"'), ('"create"', "null"), ("true", "false"),
        ("563.9156", "-0.000001"), ("563.9156", "0"), ("25845867572", "-999999999999999"), ("563.9156", "123456789.123456"),
        ('["x",1]', "[]"), ('["x",1]', "7"), ('"attempt":2', '"attempt":"2"'),
    ],
)  # fmt: skip
def test_canonical_objects_pass(old: str, new: str) -> None:
    """With other values under the same keys."""
    text = KNOWN.replace(old, new)
    assert text != KNOWN
    assert told(text)
    assert canonical_column(parse_column(pa.array([text]))).to_pylist() == [text]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"create"', '"\\u0041"'), ('"create"', '"\\/"'), ('"create"', '"a\tb"'), ("563.9156", "563.91560"), ("563.9156", "1e3"),
        ("563.9156", "-0"), ("563.9156", "0.0000001"), ("563.9156", "1.0"), ("563.9156", "01"), ("563.9156", "NaN"),
        ("25845867572", "1234567890123456"), ("25845867572", "12345678901.1234567"), ('"action"', '"zction"'), (":true", ": true"),
        ('{"attempt":2,"zone":"a"}', '{"zone":"a","attempt":2}'), ('{"attempt":2,"zone":"a"}', '{"attempt":2}'), ("}", "}}"),
        ('"cached":true,', ""), ('"cached":true', '"cached":true,"cached":true'), ('["x",1]', '[{"a":1}]'), ('["x",1]', '["x",1'),
    ],
)  # fmt: skip
def test_anything_else_does_not(old: str, new: str) -> None:
    """Whatever is written another way, has other keys, or is no JSON."""
    assert not told(KNOWN.replace(old, new))


def test_neither_lines_nor_nulls_nor_nothing_are_taken_for_objects() -> None:
    """The whole text counts."""
    assert not told(f"{KNOWN}\n")
    assert not told(f"{KNOWN}\n{KNOWN}")
    assert already_canonical(pa.array([KNOWN, None, KNOWN])).tolist() == [True, False, True]
    assert already_canonical(pa.array([], pa.string())).tolist() == []
    assert already_canonical(pa.array([None, None], pa.string())).tolist() == [False, False]


def test_where_most_rows_are_something_else_no_time_is_spent() -> None:
    """Keys that are not sorted will not be in the next row either."""
    unsorted = '{"b":1,"a":2}'
    assert not already_canonical(pa.array([unsorted] * 90 + [KNOWN] * 10)).any()


SCALARS = (
    st.text(max_size=5)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
)
OBJECTS = st.recursive(
    st.dictionaries(st.text(max_size=3), SCALARS, max_size=4),
    lambda inner: st.dictionaries(
        st.text(max_size=3), inner | SCALARS | st.lists(SCALARS, max_size=3), max_size=4
    ),
    max_leaves=5,
)


@settings(max_examples=500)
@given(st.lists(OBJECTS, min_size=1, max_size=12), st.data())
def test_what_passes_is_canonical(rows: list[dict], data: st.DataObject) -> None:
    """Whatever the keys and values, also with a character changed."""
    texts = [json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")) for row in rows]
    at = data.draw(st.integers(0, len(texts[-1]) - 1))
    character = data.draw(st.sampled_from(list('{}[]",:0123.-etfn \\\n')))
    texts.append(texts[-1][:at] + character + texts[-1][at + 1 :])
    kept = pa.array([text for text in texts if not re.search("[\ud800-\udfff]", text)], pa.string())
    passed = already_canonical(kept)
    written = canonical_column(parse_column(kept)).to_pylist()
    assert [text for text, ok in zip(kept.to_pylist(), passed, strict=True) if ok] == [
        text for text, ok in zip(written, passed, strict=True) if ok
    ]
