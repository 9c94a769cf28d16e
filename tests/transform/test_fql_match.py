"""Conditions on columns of every kind: whole typed columns give what one value at a time gives."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.transform.fql import Condition, compile_trigger
from etl.transform.fql.match import accepts, column_mask
from etl.transform.javascript.values import UNDEFINED

OPERATORS = (
    "=", "!=", "<", "<=", ">", ">=", "number_equals", "number_not_equals", "contains", "not_contains", "starts_with",
    "not_starts_with", "ends_with", "not_ends_with", "exists", "not_exists", "is_true", "is_false", "like",
)  # fmt: skip
EXPECTED = ("", "a", "ab", "5", "true", "\ude00", "😀", 5.0, 0.5, 2.0**53, float("nan"), True, None)


class Stand:
    """One column, whatever the path."""

    def __init__(self, column):
        self.held = column

    def __len__(self):
        return len(self.held)

    def column(self, path):
        return self.held


def typed(values, kind):
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(values, kind)])))


def masked(condition, column):
    return column_mask(condition, column).tolist()


COLUMNS = {
    "string": (["", "a", "abc", "ba", "5", "true", "x😀", None], pa.string()),
    "large_string": (["a", "ab", None], pa.large_string()),
    "string_view": (["a", "ab", None], pa.string_view()),
    "dictionary": (["a", "ab", None, "a"], pa.dictionary(pa.int32(), pa.string())),
    "int64": ([0, 5, -3, 2**53, 2**53 + 1, None], pa.int64()),
    "uint64": ([5, 2**64 - 1, None], pa.uint64()),
    "float32": ([0.5, 5.0, None], pa.float32()),
    "double": ([0.5, 5.0, float("inf"), None], pa.float64()),
    "decimal": ([Decimal("5.00"), Decimal("0.50"), None], pa.decimal128(10, 2)),
    "long decimal": ([Decimal(2**53 + 1), Decimal(10**37), None], pa.decimal128(38, 0)),
    "bool": ([True, False, None], pa.bool_()),
    "null": ([None, None], pa.null()),
    "list": ([["a"], [], None], pa.list_(pa.string())),
    "struct": ([{"a": 1}, None], pa.struct([("a", pa.int64())])),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_typed_column_gives_what_its_values_give_one_by_one(kind):
    values, arrow = COLUMNS[kind]
    absent = [UNDEFINED if value is None else value for value in values]
    plain = pd.Series(absent, dtype=object)
    for name in OPERATORS:
        for expected in EXPECTED:
            condition = Condition(("properties", "x"), name, expected, 1)
            assert masked(condition, typed(values, arrow)) == masked(condition, plain), (name, expected)


@given(st.lists(st.one_of(st.none(), st.text(alphabet="ab5😀é", max_size=4)), max_size=8), st.data())
@settings(max_examples=150, deadline=None)
def test_text_is_compared_alike_in_a_column_and_one_by_one(values, data):
    expected = data.draw(st.text(alphabet="ab5😀é", max_size=2))
    condition = Condition(("event",), data.draw(st.sampled_from(OPERATORS)), expected, 1)
    assert masked(condition, typed(values, pa.string())) == [accepts(condition, value) for value in values]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=8), st.data())
@settings(max_examples=150, deadline=None)
def test_integers_are_compared_as_doubles_in_a_column_and_one_by_one(values, data):
    expected = data.draw(
        st.sampled_from([*(float(value) for value in values if value is not None), 0.0, 1e300])
    )
    condition = Condition(("properties", "n"), data.draw(st.sampled_from(OPERATORS)), expected, 1)
    assert masked(condition, typed(values, pa.int64())) == [accepts(condition, value) for value in values]


def test_json_text_keeps_its_nulls_and_kinds():
    texts = ['"ab"', "5", "true", "null", '{"a": 1}', '"\\ud83d"', "12345678901234567890", None]
    storage = pa.array(texts, pa.string())
    column = pd.Series(pd.arrays.ArrowExtensionArray(pa.ExtensionArray.from_storage(pa.json_(), storage)))
    values = pd.Series([UNDEFINED if text is None else json.loads(text) for text in texts], dtype=object)
    for name in OPERATORS:
        for expected in (*EXPECTED, 12345678901234567168.0):
            condition = Condition(("properties", "x"), name, expected, 1)
            assert masked(condition, column) == masked(condition, values), (name, expected)


def test_mixed_values_are_told_apart_by_their_kind():
    column = pd.Series(["5", 5, 5.0, Decimal(5), True, False, None, UNDEFINED, [5], {"a": 5}], dtype=object)
    seen = {
        trigger: np.flatnonzero(compile_trigger(trigger).matches(Stand(column))[0]).tolist()
        for trigger in (
            "properties.x = 5",
            'properties.x = "5"',
            "properties.x != 5",
            'properties.x != "5"',
            "properties.x > 4",
            "properties.x = true",
            "properties.x = false",
            "properties.x = null",
            "properties.x != null",
            'contains(properties.x, "5")',
            '!contains(properties.x, "5")',
        )
    }
    assert seen == {
        "properties.x = 5": [1, 2, 3],
        'properties.x = "5"': [0],
        "properties.x != 5": [],
        'properties.x != "5"': [1, 2, 3, 4, 5, 6, 7, 8, 9],
        "properties.x > 4": [1, 2, 3],
        "properties.x = true": [4],
        "properties.x = false": [5],
        "properties.x = null": [6, 7],
        "properties.x != null": [0, 1, 2, 3, 4, 5, 8, 9],
        'contains(properties.x, "5")': [0],
        '!contains(properties.x, "5")': [],
    }


def test_typed_timestamps_and_dates_are_compared_as_their_text():
    instants = typed([datetime(2024, 3, 5, 6, 7, 8, tzinfo=UTC), None], pa.timestamp("us", "UTC"))
    equal = Condition(("properties", "at"), "=", "2024-03-05T06:07:08.000Z", 1)
    assert masked(equal, instants) == [True, False]
    starts = Condition(("properties", "on"), "starts_with", "2024-03", 1)
    assert masked(starts, typed([date(2024, 3, 5), date(2024, 4, 5)], pa.date32())) == [True, False]


def test_no_events_is_an_empty_column():
    mask, errors = compile_trigger('type = "track" and ()').matches(Stand(pd.Series([], dtype=object)))
    assert (mask.tolist(), errors) == ([], {})
    assert mask.dtype == bool
