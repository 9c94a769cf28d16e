"""Reading JSON text by columns leads where reading it value by value leads, or does not begin."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.transform.javascript.values import UNDEFINED, gets
from etl.transform.json.objects import JsonObjects
from etl.transform.json.text import canonical_column, parse_column

NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9)
TEXTS = st.text(max_size=6) | st.sampled_from(
    [
        "2026-11-21",
        "2026-11-21T01:02:03Z",
        "null",
        "NaN",
        '"',
        "\\",
        "\n",
        "é😀",
        "\ud800",
        "1234567890123456789",
    ]
)
SCALARS = TEXTS | NUMBERS | st.booleans()
KEYS = st.sampled_from(["a", "b", "c", "é", "", "a b", '"'])
VALUES = st.recursive(
    SCALARS | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
#: Rows that share their kinds, as events of one name do, and rows that do not.
ALIKE = st.fixed_dictionaries(
    {"a": TEXTS}, optional={"b": NUMBERS, "c": st.fixed_dictionaries({}, optional={"a": NUMBERS, "b": TEXTS})}
)
LITERALS = st.sampled_from(
    [
        "1.0",
        "1e3",
        "-0",
        "-0.0",
        "0.1",
        "829.5346",
        "1E5",
        "12345678.90123456",
        "123456789.123456",
        "123456789012.125",
        "0.000001",
        "0.0000001",
        "-0.5",
        "0.50",
        "100",
        "123456789012345",
        "1234567890123456",
        "9007199254740993",
        "5e-324",
        "1e400",
    ]
)


def repeated(rows: list[str | None]) -> pa.Array:
    """Enough rows to be read by columns."""
    return pa.array((rows * 600)[: max(600, len(rows))], pa.string())


def text_of(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def compact(value: object) -> str:
    """As Go and Snowflake write it; half surrogate pairs, which no UTF-8 holds, as they are in ``text_of``."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text if text.isascii() or text.encode(errors="ignore").decode() == text else text_of(value)


def check(rows: list[str | None]) -> bool:
    """Compare with reading value by value; whether the shortcut was taken."""
    texts = repeated(rows)
    values = parse_column(texts)
    shortcut = JsonObjects(texts)
    for keys in (("a",), ("b",), ("c", "a"), ("c", "b"), ("c",), ("a", "length"), ("missing",)):
        if (leaf := shortcut.leaf(keys)) is not None:
            expected = gets(values, keys)
            assert [UNDEFINED if cell is None else cell for cell in leaf.to_pylist()] == expected, keys
    positions = np.arange(len(texts))[::-2]
    taken = shortcut.take(positions).canonical()
    written = shortcut.canonical()
    if written is not None:
        assert written.to_pylist() == canonical_column(values).to_pylist()
        if taken is not None:  # fewer rows that are canonical as they stand may leave too many others
            assert taken.to_pylist() == written.take(pa.array(positions)).to_pylist()
    return written is not None


@settings(max_examples=400)
@given(st.lists(ALIKE, min_size=1, max_size=8))
def test_rows_that_are_alike(rows: list[dict]) -> None:
    """Mostly taken; what is odd in a row is read value by value."""
    check([text_of(row) for row in rows])
    check([compact(row) for row in rows])
    check([(text_of, compact)[n % 2](row) for n, row in enumerate(rows)])


@settings(max_examples=400)
@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=4) | VALUES | st.none(), min_size=1, max_size=5))
def test_rows_of_any_kind(rows: list[object]) -> None:
    """Never anything else than value by value."""
    check([None if row is None else text_of(row) for row in rows])
    check([None if row is None else compact(row) for row in rows])


@settings(max_examples=300)
@given(st.lists(st.tuples(LITERALS, LITERALS), min_size=1, max_size=4))
def test_literals_of_numbers(pairs: list[tuple[str, str]]) -> None:
    """Every digit."""
    check([f'{{"a": {one}, "c": {{"a": [{other}, 2]}}}}' for one, other in pairs])
    known = '{"a":1,"c":{"a":[0.5,2]}}'
    check([known, known, *(f'{{"a":{one},"c":{{"a":[{other},2]}}}}' for one, other in pairs)])


@pytest.mark.parametrize(
    "odd",
    [
        "", " ", "5", '"x"', "[]", "[1]", "null", "nil", '{"a":"x"', '{"a":"x"}}', '{"a":"x"}{"a":"y"}', '{}}{"o":{}',
        '{},"o":{}', '{},"x":{}', '{"a":"x"} {"a":"y"}', '{"a":"x"}\n{"a":"y"}', '{"a":"x","a":"y"}', '{"a":NaN}',
        '{"a":Infinity}', '{"a":-Infinity}', '{"a":"\t"}', '{"a":01}', '{"a":.5}', '{"a":"x",}', '\ufeff{"a":"x"}',
        '{"a":/**/"x"}', '{"a":{"b":1}}', '{"a":[]}', '{"a":{}}', '{"a":[[[]]]}', '{"a":1e400}', '{\n  "a": "x"\n}',
        '{"\\u0061":"x"}', '{"a":"\\ud83d"}', '{"a":"\\uD83D\\uDE00\\/"}', '{"a":"x\\u0000y"}', '{"a":' + "[" * 3000 + "]" * 3000 + "}",
        '{"a":' * 300 + "1" + "}" * 300, '{"a":[1,"x"]}', '{"a":[1,2.5]}', '{"a":[{"b":1},{"c":2}]}', '{"a":true}',
    ],
)  # fmt: skip
def test_texts_that_are_odd(odd: str) -> None:
    """Among others that are not; in the first row, and in the middle."""
    check([odd, *['{"a":"x"}'] * 3])
    check(['{"a":"x","b":1}'] * 1100 + [odd] + ['{"b":2.5}'] * 3)


def test_the_shortcut_is_taken_where_it_can_be() -> None:
    """Nulls and long numbers in some rows, dates, numbers of both kinds, absent keys."""
    rows = [
        '{"a":"x","b":1}',
        '{"a":null}',
        '{"b":0.5,"at":"2026-11-21"}',
        '{"b":12345678901234567890}',
        "{}",
        None,
    ]
    assert check(rows)
    assert not check(['{"a": 1}', '{"a": "x"}'])
    assert not check(['{"a":1}', "5"])
