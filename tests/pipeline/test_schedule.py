"""Which window a scheduled run takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from etl.core.errors import ConfigError
from etl.core.subscription import Subscription
from etl.core.windows import Window
from etl.pipeline.schedule import History, Schedule, billed_part, open_names, schedule

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
START = datetime(2026, 11, 1, tzinfo=UTC)
OVERLAP = timedelta(hours=72)


def day(number: int) -> datetime:
    return datetime(2026, 11, number, tzinfo=UTC)


def subscription(
    name: str = "A", since: datetime | None = None, until: datetime | None = None
) -> Subscription:
    return Subscription(name, "t", {}, since, until)


def plan(*subscriptions: Subscription, start: datetime | None = START, **histories: History) -> Schedule:
    return schedule(subscriptions, histories, start, OVERLAP, NOW)


def test_the_first_run_begins_at_source_start() -> None:
    """No history: from source.start to now."""
    assert plan(subscription()) == Schedule(Window(START, NOW), {"A": START})


def test_a_first_run_without_a_start_is_refused() -> None:
    """The message says both ways out."""
    with pytest.raises(ConfigError, match=r"set source\.start .* or name a window with --since and --until"):
        plan(subscription(), start=None)


def test_a_later_run_begins_at_the_watermark_less_the_overlap() -> None:
    """Late rows inside the overlap are met again."""
    history = History(START, [Window(START, day(20))])
    assert plan(subscription(), A=history).window == Window(day(17), NOW)


def test_the_overlap_never_reaches_before_the_start() -> None:
    """Rows before source.start are never billed by the schedule."""
    history = History(START, [Window(START, day(2))])
    assert plan(subscription(), A=history).window.since == START


def test_an_ad_hoc_run_ahead_leaves_the_gap_to_the_schedule() -> None:
    """A complete interval beyond a gap does not move the watermark."""
    history = History(START, [Window(START, day(5)), Window(day(10), day(20))])
    assert plan(subscription(), A=history).window.since == day(2)


def test_an_ad_hoc_run_before_the_start_does_not_pull_the_watermark_back() -> None:
    """Completeness counts from where the schedule started."""
    history = History(day(10), [Window(day(1), day(2)), Window(day(10), day(20))])
    assert plan(subscription(), A=history).window.since == day(17)


def test_a_new_subscription_starts_at_the_watermark() -> None:
    """Its past is a backfill's."""
    history = History(START, [Window(START, day(20))])
    found = plan(subscription("A"), subscription("B"), A=history)
    assert found.starts == {"A": START, "B": day(20)}
    assert found.window.since == day(17)


def test_a_renamed_subscription_starts_where_the_old_name_ended() -> None:
    """Renaming is not a way to bill the past again under other ids."""
    found = plan(subscription("B"), old=History(START, [Window(START, day(20))]))
    assert found == Schedule(Window(day(20), NOW), {"B": day(20)})


def test_a_new_subscription_with_from_starts_there_and_the_window_reaches_back() -> None:
    """Even when the pipeline's watermark is further."""
    history = History(START, [Window(START, day(20))])
    found = plan(subscription("A"), subscription("B", since=day(9)), A=history)
    assert found.starts["B"] == day(9)
    assert found.window.since == day(9)


def test_a_finished_subscription_does_not_hold_the_window_back() -> None:
    """Its until lies behind its watermark."""
    histories = {
        "A": History(START, [Window(START, day(20))]),
        "old": History(START, [Window(START, day(5))]),
    }
    found = plan(subscription("A"), subscription("old", until=day(5)), **histories)
    assert found.window.since == day(17)


def test_a_run_that_never_completed_begins_at_its_start_again() -> None:
    """A recorded start without a complete interval is where the next run begins."""
    assert plan(subscription(), start=day(15), A=History(day(3))).window.since == day(3)


def test_a_start_in_the_future_gives_an_empty_window() -> None:
    """Nothing to do is not an error."""
    assert plan(subscription(), start=NOW + timedelta(days=1)).window.empty


def test_what_a_version_bills_is_cut_by_from_until_and_starts() -> None:
    """All three apply."""
    window = Window(day(1), day(20))
    assert billed_part(subscription(since=day(3), until=day(9)), window, day(5)) == Window(day(5), day(9))
    assert billed_part(subscription(), window, None) == window


def test_what_ended_before_it_was_added_is_left_to_backfills() -> None:
    """It has nothing that a scheduled run could complete, so no later window reaches back to it."""
    history = History(START, [Window(START, day(20))])
    added = subscription("B", until=day(18))
    assert plan(subscription(), added, A=history).window == Window(day(17), NOW)
    histories = {"A": history, "B": History(day(20), [Window(day(10), day(18))])}
    assert open_names([subscription(), added], histories, NOW) == ["A"]
    assert plan(subscription(), added, **histories).window == Window(day(17), NOW)
