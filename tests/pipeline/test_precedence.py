"""The precedence of outcomes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from etl.pipeline.precedence import canonical, decide

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def outcome(age: timedelta, *, first: bool = True, sent: int = 0) -> str:
    stamps = pd.Series([canonical(NOW - age)], dtype=pd.ArrowDtype(pa.string()))
    found = decide(stamps, np.array([first]), np.array([sent], np.int8), NOW, timedelta(days=33))
    return str(found[0])


@pytest.mark.parametrize(
    ("age", "first", "sent", "expected"),
    [
        (timedelta(0), True, 0, "send"),
        (timedelta(days=33), True, 0, "send"),
        (timedelta(days=33, milliseconds=1), True, 0, "too_old"),
        (timedelta(hours=-24), True, 0, "send"),
        (timedelta(hours=-24, milliseconds=-1), True, 0, "in_future"),
        (timedelta(days=99), False, 2, "duplicate"),
        (timedelta(days=99), True, 1, "already_sent"),
        (timedelta(days=-99), True, 2, "drift"),
    ],
)
def test_the_first_outcome_that_applies(age: timedelta, first: bool, sent: int, expected: str) -> None:
    """duplicate, already_sent, drift, too_old, in_future, send."""
    assert outcome(age, first=first, sent=sent) == expected


def test_a_frame_of_all_outcomes_and_one_of_none():
    ages = [timedelta(0), timedelta(0), timedelta(0), timedelta(days=34), timedelta(days=-2), timedelta(0)]
    stamps = pd.Series([canonical(NOW - age) for age in ages], dtype=pd.ArrowDtype(pa.string()))
    first, sent = np.array([False, *[True] * 5]), np.array([0, 1, 2, 0, 0, 0], np.int8)
    found = decide(stamps, first, sent, NOW, timedelta(days=33))
    assert list(found) == ["duplicate", "already_sent", "drift", "too_old", "in_future", "send"]
    assert list(decide(stamps[:0], first[:0], sent[:0], NOW, timedelta(days=33))) == []
