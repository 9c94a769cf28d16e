"""The timestamp step: per value and per column, against Segment's recorded answers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.transform.javascript.values import UNDEFINED
from etl.transform.usage.timestamps import InvalidTimestampError, iso_of, to_iso

HERE = Path(__file__).parent
VECTORS = HERE.parent / "conformance" / "segment_vectors.ndjson"
RECORDED = json.loads((HERE / "recorded" / "timestamps.json").read_text())
NOT_DATE_LIKE = "Timestamp must be a valid date-like string but it was not."
REASONS = {"schema": NOT_DATE_LIKE, "serialize": "Invalid time value"}


def outcome(value):
    """The ISO text, or the stage."""
    try:
        return iso_of(value)
    except InvalidTimestampError as error:
        return error.stage if str(error) == REASONS[error.stage] else str(error)


def typed(values, kind=None):
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(values, kind)])))


def outcomes(column):
    """The same for each row of a column; None where the value is absent."""
    rows = []
    for iso, stage, reason in zip(*(part.tolist() for part in to_iso(column)), strict=True):
        assert (reason is pd.NA) == (stage is pd.NA)
        assert stage is pd.NA or (reason == REASONS[stage] and iso is pd.NA)
        rows.append(None if iso is stage is pd.NA else stage if iso is pd.NA else iso)
    return rows


def timestamp_vectors():
    """Events whose timestamp is a string or a number; the rest is the schema's business."""
    for line in VECTORS.read_text().rstrip("\n").split("\n"):  # not splitlines: U+2028 stands in some
        vector = json.loads(line)
        scalar = isinstance(vector["event"].get("timestamp"), str | int | float)
        if vector["category"].startswith("timestamps") and scalar:
            yield pytest.param(vector, id=vector["id"])


@pytest.mark.parametrize("vector", list(timestamp_vectors()))
def test_the_recorded_cases_of_segments_timestamps_hold(vector):
    expect = vector["expect"]
    if expect["error"]:
        with pytest.raises(InvalidTimestampError) as caught:
            iso_of(vector["event"]["timestamp"])
        assert (caught.value.stage, str(caught.value)) == (
            expect["error"]["stage"],
            expect["error"]["message"],
        )
    else:
        assert iso_of(vector["event"]["timestamp"]) == expect["payload"]["timestamp"]


def test_generated_timestamps_give_what_segments_packages_gave():
    """2,450 strings and numbers, a quarter of them invalid; answers recorded from dayjs 1.11.23 on Node 20."""
    wrong = {
        json.dumps(value): (expected, got)
        for value, expected in RECORDED
        if (got := outcome(value)) != expected
    }
    assert wrong == {}


def test_a_column_of_the_generated_values_gives_the_same():
    values, expected = zip(*RECORDED, strict=True)
    assert outcomes(pd.Series(values, dtype=object)) == list(expected)
    strings = [pair for pair in RECORDED if isinstance(pair[0], str)]
    values, expected = zip(*strings, strict=True)
    assert outcomes(typed(values)) == list(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-03-05T06:07:08.5", "2024-03-05T06:07:08.005Z"),
        ("2024-03-05T06:07:08.5Z", "2024-03-05T06:07:08.500Z"),
        ("2023-02-29", "2023-03-01T00:00:00.000Z"),
        ("2024-00-01", "2023-12-01T00:00:00.000Z"),
        ("2024-02-30T00:00:00Z", "2024-03-01T00:00:00.000Z"),
        ("2024-13-01T00:00:00Z", "schema"),
        ("2024-01-01T24:00:00Z", "2024-01-02T00:00:00.000Z"),
        ("2024-03-05t06:07:08z", "2024-03-05T06:07:08.000Z"),
        ("2024-03-05T06:07:08+05", "schema"),
        ("2024-03-05 06:07:08+01:00", "2024-03-05T05:07:08.000Z"),
        ("2024-03-05Z", "2024-03-05T00:00:00.000Z"),
        ("1709618828", "1714-03-30T04:00:00.000Z"),
        ("99", "1999-01-01T00:00:00.000Z"),
        ("-1", "2001-01-01T00:00:00.000Z"),
        ("12345-06-07", "+012345-06-07T00:00:00.000Z"),
        ("-99999999", "serialize"),
        ("NaN", "schema"),
        ("", "schema"),
        (True, "schema"),
        (1709618828, "1970-01-20T18:53:38.828Z"),
        (-0.9, "1970-01-01T00:00:00.000Z"),
        (8.64e15, "+275760-09-13T00:00:00.000Z"),
        (8640000000000001, "serialize"),
        (10**400, "serialize"),
        (Decimal("1709618828123.9"), "2024-03-05T06:07:08.123Z"),
        (-62167219200001, "-000001-12-31T23:59:59.999Z"),
    ],
)
def test_a_value_becomes_what_segment_makes_of_it(value, expected):
    assert outcome(value) == expected
    assert outcomes(pd.Series([value], dtype=object)) == [expected]


def test_absent_values_stay_absent():
    assert outcomes(pd.Series([None, UNDEFINED, pd.NA, 0], dtype=object)) == [
        None,
        None,
        None,
        "1970-01-01T00:00:00.000Z",
    ]
    assert outcomes(typed([None, "2024-03-05"])) == [None, "2024-03-05T00:00:00.000Z"]
    assert outcomes(typed([None, None], pa.null())) == [None, None]
    assert outcomes(typed([], pa.string())) == []


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_typed_timestamps_of_every_unit_are_instants(unit, zone):
    instants = [
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2024, 3, 5, 6, 7, 8, tzinfo=UTC),
        None,
    ]
    column = typed(
        pa.array(instants, pa.timestamp("us", "UTC"))
        .cast(pa.timestamp(unit))
        .cast(pa.int64())
        .cast(pa.timestamp(unit, zone))
    )
    assert outcomes(column) == ["1969-12-31T23:59:59.000Z", "2024-03-05T06:07:08.000Z", None]


def test_instants_finer_than_a_millisecond_are_cut_towards_the_past():
    assert outcomes(typed([1_999, -1, -1_001], pa.timestamp("us"))) == [
        "1970-01-01T00:00:00.001Z",
        "1969-12-31T23:59:59.999Z",
        "1969-12-31T23:59:59.998Z",
    ]


def test_typed_timestamps_no_date_can_hold_are_told():
    assert outcomes(typed([8_640_000_000_001, -8_640_000_000_000, 253_402_300_800], pa.timestamp("s"))) == [
        "serialize",
        "-271821-04-20T00:00:00.000Z",
        "+010000-01-01T00:00:00.000Z",
    ]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([date(2024, 3, 5)], pa.date32(), ["2024-03-05T00:00:00.000Z"]),
        ([5], pa.int8(), ["1970-01-01T00:00:00.005Z"]),
        ([2**64 - 1, 5], pa.uint64(), ["serialize", "1970-01-01T00:00:00.005Z"]),
        (
            [5.5, float("nan"), float("inf")],
            pa.float32(),
            ["1970-01-01T00:00:00.005Z", "serialize", "serialize"],
        ),
        ([-1.5, 8.65e15], pa.float64(), ["1969-12-31T23:59:59.999Z", "serialize"]),
        ([Decimal("5.50")], pa.decimal128(6, 2), ["1970-01-01T00:00:00.005Z"]),
        ([True], pa.bool_(), ["schema"]),
        (["2024-03-05", "x"], pa.large_string(), ["2024-03-05T00:00:00.000Z", "schema"]),
        (["2024-03-05", "x"], pa.dictionary(pa.int8(), pa.string()), ["2024-03-05T00:00:00.000Z", "schema"]),
    ],
)
def test_typed_columns_of_every_kind_are_read(values, kind, expected):
    assert outcomes(typed(values, kind)) == expected


def test_json_text_is_parsed_first():
    storage = pa.array(['"2024-03-05"', "1709618828123", "null", None], pa.string())
    column = pd.Series(pd.arrays.ArrowExtensionArray(pa.ExtensionArray.from_storage(pa.json_(), storage)))
    assert outcomes(column) == ["2024-03-05T00:00:00.000Z", "2024-03-05T06:07:08.123Z", None, None]


def test_a_lone_surrogate_is_no_date():
    assert outcomes(pd.Series(["2024-03-05", "\ud83d"], dtype=object)) == [
        "2024-03-05T00:00:00.000Z",
        "schema",
    ]


def test_the_index_of_the_column_is_kept():
    column = pd.Series(["2024-03-05", "x", None], index=[7, 3, 5], dtype=object)
    assert [part.index.tolist() for part in to_iso(column)] == [[7, 3, 5]] * 3
    assert {str(part.dtype) for part in to_iso(column)} == {"string[pyarrow]"}
    assert all(part.dtype == pd.ArrowDtype(pa.string()) for part in to_iso(column))


#: The first year that dayjs does not take for one of the 20th century.
FIRST = datetime(100, 1, 1)  # noqa: DTZ001 - hypothesis wants it naive
CALENDAR = st.builds(
    "{}-{:02d}-{:02d}{}{:02d}:{:02d}:{:02d}{}{}".format,
    st.sampled_from(["2024", "2023", "1900", "2000", "0000", "0099", "0100", "9999"]),
    st.one_of(st.just(2), st.integers(0, 13)),
    st.one_of(st.just(29), st.integers(0, 32)),
    st.sampled_from("T t"),
    st.integers(0, 25),
    st.integers(0, 60),
    st.integers(0, 60),
    st.one_of(st.just(""), st.from_regex(r"\.[0-9]{1,11}", fullmatch=True)),
    st.sampled_from(["Z", "", "z", "+00:00", "-0000", "+05:30", "-2359", "+23:00", "+24:00", " ", "\n"]),
)


@given(st.lists(CALENDAR, min_size=1, max_size=10))
@settings(max_examples=120, deadline=None)
def test_no_shortcut_changes_what_a_string_becomes(texts):
    assert outcomes(typed(texts)) == [outcome(text) for text in texts]


@given(st.datetimes(min_value=FIRST), st.sampled_from(["Z", ""]))
@settings(max_examples=200, deadline=None)
def test_what_is_canonical_stays_as_it_is(moment, zone):
    text = f"{moment.isoformat(timespec='milliseconds')}"
    assert iso_of(text + zone) == f"{text}Z"
    assert iso_of(iso_of(text + zone)) == f"{text}Z"


@given(st.integers(-8_640_000_000_000_000, 8_640_000_000_000_000))
@settings(max_examples=150, deadline=None)
def test_every_instant_survives_the_way_through_its_text(milliseconds):
    text = iso_of(milliseconds)
    assert iso_of(text) == text
    assert outcomes(typed([milliseconds], pa.int64())) == [text]


@given(st.text(max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused(text):
    assert outcome(text) is not None
