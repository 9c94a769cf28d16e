"""Metronome's limits, at stage ``limits``."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pytest

from etl.pipeline.limits import Limits, check

GOOD = {
    "transaction_id": "id-1",
    "customer_id": "acme",
    "event_type": "call",
    "timestamp": "2026-11-01T00:00:00.000Z",
}


def pairs(*properties: object, **changes: str) -> pd.DataFrame:
    rows = [
        {**GOOD, **changes, "body": json.dumps({**GOOD, **changes, "properties": p}, separators=(",", ":"))}
        for p in properties or ({},)
    ]
    return pd.DataFrame(rows).astype(pd.ArrowDtype(pa.string()))


def reason(frame: pd.DataFrame, limits: Limits = Limits()) -> str | None:  # noqa: B008
    value = check(frame, limits)[0].iloc[0]
    return None if pd.isna(value) else value


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"transaction_id": "é" * 128}, None),
        (
            {"transaction_id": "é" * 129},
            "transaction_id is longer than 128 characters; Metronome takes 1 to 128",
        ),
        ({"transaction_id": ""}, "transaction_id is empty; Metronome takes 1 to 128 characters"),
        ({"customer_id": ""}, "customer_id is empty"),
        ({"event_type": ""}, "event_type is empty"),
        (
            {"timestamp": "+010000-01-01T00:00:00.000Z"},
            "timestamp has no four-digit year; Metronome takes RFC 3339",
        ),
        (
            {"transaction_id": "", "customer_id": ""},
            "transaction_id is empty; Metronome takes 1 to 128 characters",
        ),
    ],
)
def test_ids_and_timestamp(changes: dict[str, str], expected: str | None) -> None:
    """Lengths count characters, and the first broken limit is the reason."""
    assert reason(pairs(**changes)) == expected


def test_a_megabyte_is_too_much() -> None:
    """The body is measured in bytes."""
    assert reason(pairs({"a": ["e" * 200] * 4800})) is None
    assert reason(pairs({"a": ["e" * 200] * 5000})) == "the usage event is larger than 1 MB"


@pytest.mark.parametrize(
    ("value", "long"),
    [
        ("x" * 256, False),
        ("x" * 257, True),
        ("é" * 128, False),
        ("é" * 129, True),
        ('"' * 257, True),
        ('ab"' * 86, True),
        ("\x01" * 100, False),
        ({"deep": ["y" * 300]}, True),
        ("\ud800" + "x" * 300, True),
    ],
)
def test_long_property_values_are_warned_about_or_rejected(value: object, long: bool) -> None:
    """Measured in UTF-8 bytes of the value, not of its JSON text."""
    frame = pairs({"v": value})
    assert check(frame, Limits())[1] == int(long)
    assert reason(frame) is None
    rejected = reason(frame, Limits("reject"))
    assert rejected == ("a property value is longer than 256 bytes" if long else None)


def test_a_limit_beyond_what_the_pattern_can_count() -> None:
    """RE2 counts to 1000; longer limits still find exactly the longer values."""
    found = check(pairs({"v": "x" * 3000}, {"v": "x" * 2000}), Limits("reject", 2500))[0]
    assert list(found.notna()) == [True, False]


def test_no_pairs_no_reasons() -> None:
    """An empty frame is fine."""
    assert len(check(pairs().iloc[:0], Limits())[0]) == 0
