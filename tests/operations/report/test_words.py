"""Completeness, series and wording: what the page's figures are made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from etl.core.subscription import Subscription
from etl.core.windows import Window
from etl.operations.report.advice import advice, fill_gap
from etl.operations.report.completeness import completeness, up_to
from etl.operations.report.dead_letters import Reason
from etl.operations.report.plots import series
from etl.operations.report.scope import Scope
from etl.operations.report.wording import duration, share, shown
from etl.pipeline.schedule import History

DAY = datetime(2026, 11, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return DAY + timedelta(days=number)


def days(first: float, last: float) -> Window:
    return Window(day(first), day(last))


def found(history: History | None, at: float, since: float | None = None, until: float | None = None):
    """Completeness of one subscription over ten days, told on day ``at``."""
    ends = (None if number is None else day(number) for number in (since, until))
    scope = Scope("p", "production", days(0, 10), days(0, 10), at=day(at))
    return completeness([Subscription("usage", "", {}, *ends)], {"usage": history} if history else {}, scope)


@pytest.mark.parametrize(
    ("history", "at", "missing", "reached"),
    [
        (History(day(-9), [days(-9, 10)]), 10, [], 10),
        (History(day(-9), [days(-9, 6)]), 7, [], 6),
        (History(day(-9), [days(-9, 6)]), 10, [days(6, 10)], 6),
        (History(day(-9), [days(-9, 3), days(4, 7)]), 8, [days(3, 4)], 3),
        (History(day(2), [days(2, 7)]), 8, [], 7),
        (History(day(2), [days(4, 7)]), 8, [days(2, 4)], None),
        (History(None, [days(2, 3), days(4, 7)]), 8, [days(3, 4)], 3),
        (History(day(0), []), 8, [], None),
    ],
)
def test_gaps_and_lag_are_told_apart(
    history: History, at: int, missing: list[Window], reached: int | None
) -> None:
    """What nobody promised is no gap; what reaches up to now is lag, unless the period is over."""
    [one] = found(history, at)
    assert one.missing == missing
    assert one.up_to == (None if reached is None else day(reached))


def test_a_subscription_that_ended_holds_nothing_back() -> None:
    """Complete up to its own end is all it can be."""
    [ended] = found(History(day(0), [days(0, 4)]), at=9, until=4)
    assert (ended.missing, ended.ended) == ([], True)
    [going] = found(History(day(0), [days(0, 8)]), at=9)
    assert up_to([ended, going]) == day(8)
    assert up_to([ended]) == day(4)


def test_what_has_nothing_to_do_with_the_period_is_not_told() -> None:
    """A subscription that begins later, or ended before."""
    assert found(None, at=5) == []
    assert found(History(day(7), []), at=5) == []
    assert found(History(day(-9), [days(-9, -2)]), at=5, until=-2) == []


def test_hours_become_what_a_plot_has_room_for() -> None:
    """Nothing is lost, holes are zeros, one wild timestamp does not make ten thousand columns."""
    hours = {DAY + timedelta(hours=h): 1 for h in (0, 5, 48)}
    by_hour = series(hours, sum, 0)
    assert (by_hour.unit, len(by_hour.points), sum(n for _, n in by_hour.points)) == ("hour", 49, 3)
    by_day = series({**hours, day(9): 1}, sum, 0)
    assert (by_day.unit, len(by_day.points)) == ("day", 10)
    assert series({**hours, day(300): 1}, sum, 0).points[0][0] == datetime(
        2026, 10, 26, tzinfo=UTC
    )  # a Monday
    wild = series({**hours, datetime(1970, 1, 1, tzinfo=UTC): 1}, sum, 0)
    assert (len(wild.points), wild.left_out) == (400, 1)


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [
        (0, 0, "0 %"),
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (1, 10**6, "<0.1 %"),
        (999_999, 10**6, ">99.9 %"),
        (1, 3, "33.3 %"),
    ],
)
def test_a_share_never_rounds_to_nothing_or_all(part: int, whole: int, told: str) -> None:
    """One event of a million is not 0 %."""
    assert share(part, whole) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.25, "0.2 s"),
        (59, "59 s"),
        (60, "1 min"),
        (245, "4 min 5 s"),
        (36_120, "10 h 2 min"),
        (190_000, "2 d 4 h"),
    ],
)
def test_durations_have_two_units(seconds: float, told: str) -> None:
    """As much as one wants to know."""
    assert duration(timedelta(seconds=seconds)) == told


def test_what_cannot_be_seen_is_spelt_out() -> None:
    """Control characters and marks that turn the direction of writing; long texts are cut."""
    assert shown("a\x00b\u202ec\nd") == "a\\x00b\\u202ec\\nd"
    assert shown("é✓", 3) == "é✓"
    assert shown("x" * 300) == "x" * 159 + "…"


@pytest.mark.parametrize("outcome", ["rejected", "drift", "too_old", "in_future", "unreadable"])
def test_every_reason_has_something_to_do(outcome: str) -> None:
    """In words and as commands; names are quoted for the shell."""
    told = advice(Reason(outcome, "", "why", 1, 0, 1, 1), "my config.yml")
    assert len(told.text) > 40
    assert all("-c 'my config.yml' --outcome " in command for command in told.commands)


def test_a_gap_is_filled_by_the_schedule_if_there_is_one() -> None:
    """Else by a backfill of its own."""
    [scheduled] = found(History(day(0), [days(0, 3), days(4, 8)]), at=8)
    assert fill_gap("my config.yml", scheduled, days(3, 4)) == "etl run -c 'my config.yml'"
    [other] = found(History(None, [days(0, 3), days(4, 8)]), at=8)
    times = "--since 2026-11-04T00:00:00Z --until 2026-11-05T00:00:00Z"
    assert fill_gap("c.yml", replace(other, name="it's"), days(3, 4)) == (
        f"""etl backfill -c c.yml --subscription 'it'"'"'s' {times}"""
    )
