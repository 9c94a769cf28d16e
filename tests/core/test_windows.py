"""Windows, intervals and watermarks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.core.errors import ConfigError
from etl.core.windows import Window, gaps, merge, moment, rfc3339, watermark

DAY0 = datetime(2026, 11, 1, tzinfo=UTC)


def hours(since: int, until: int) -> Window:
    return Window(DAY0 + timedelta(hours=since), DAY0 + timedelta(hours=until))


edges = st.integers(0, 60)
windows = st.builds(lambda a, b: hours(min(a, b), max(a, b)), edges, edges)


@given(st.lists(windows))
def test_merge_keeps_exactly_the_same_moments(many: list[Window]) -> None:
    """Every hour is inside the merged windows exactly when it was inside one of the given."""
    merged = merge(many)
    for hour in range(61):
        moment = DAY0 + timedelta(hours=hour)
        inside = any(w.since <= moment < w.until for w in many)
        assert inside == any(w.since <= moment < w.until for w in merged)
    assert all(a.until < b.since for a, b in zip(merged, merged[1:], strict=False))


@given(st.lists(windows))
def test_gaps_and_merged_windows_make_one_unbroken_interval(many: list[Window]) -> None:
    """Filling the gaps leaves one interval."""
    whole = merge([*many, *gaps(many)])
    assert len(whole) <= 1


@given(windows, st.integers(1, 30))
def test_split_covers_the_window_without_overlap(window: Window, step: int) -> None:
    """The parts follow each other, cut at multiples of the step."""
    parts = list(window.split(timedelta(hours=step)))
    assert merge(parts) == merge([window])
    assert all(a.until == b.since for a, b in zip(parts, parts[1:], strict=False))
    assert all(part.until - part.since <= timedelta(hours=step) for part in parts)


def test_days_begin_at_midnight() -> None:
    """A window from the middle of a day is first filled up to midnight."""
    parts = list(hours(18, 60).split(timedelta(days=1)))
    assert parts == [hours(18, 24), hours(24, 48), hours(48, 60)]


def test_the_watermark_stops_at_the_first_gap() -> None:
    """A later interval beyond a gap does not count."""
    assert watermark([hours(4, 6), hours(0, 4), hours(8, 9)]) == hours(0, 6).until
    assert watermark([]) is None


@pytest.mark.parametrize(
    ("moment", "text"),
    [(DAY0, "2026-11-01T00:00:00Z"), (DAY0 + timedelta(microseconds=5), "2026-11-01T00:00:00.000005Z")],
)
def test_rfc3339(moment: datetime, text: str) -> None:
    """UTC with Z, microseconds only where there are any."""
    assert rfc3339(moment) == text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-01", "2026-11-01T00:00:00Z"),
        ("20261101", "2026-11-01T00:00:00Z"),
        ("2026-11-01T06:00", "2026-11-01T06:00:00Z"),
        ("2026-11-01 06:00:00.25", "2026-11-01T06:00:00.250000Z"),
        ("2026-11-01T06:00:00.123456789Z", "2026-11-01T06:00:00.123456Z"),
        ("2026-11-01T06:00:00+05:30", "2026-11-01T00:30:00Z"),
        (" 2026-11-01 ", "2026-11-01T00:00:00Z"),
        (date(2026, 11, 1), "2026-11-01T00:00:00Z"),
        (datetime(2026, 11, 1, 6), "2026-11-01T06:00:00Z"),  # noqa: DTZ001 - as people write it
        (pd.Timestamp("2026-11-01T06:00:00", tz="Europe/Paris"), "2026-11-01T05:00:00Z"),
    ],
)
def test_a_time_is_read_as_people_write_it_and_is_utc_without_a_zone(written: Any, meant: str) -> None:
    found = moment(written)
    assert (rfc3339(found), found.tzinfo) == (meant, UTC)


@pytest.mark.parametrize(
    "written",
    [
        *("", "soon", "nov", "1 Nov 2026", "2026", "2026-13-01", "0001-01-01T00:00:00+05:00"),
        *("05/11/2026", "5/6", "10:30", "2026/11/05", "2026-11-05x10:30", 20261105, 1.5, None, pd.NaT),
    ],
)
def test_what_is_no_time_is_refused(written: Any) -> None:
    with pytest.raises(ConfigError, match="is not a time; write 2026-11-01 or 2026-11-01T06:00:00Z"):
        moment(written)
