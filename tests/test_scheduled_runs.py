"""Scheduled runs one after the other: watermark, overlap, late rows, new subscriptions, held events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from etl import wiring
from etl.pipeline import run
from etl.report import Report
from tests.support.workspace import USAGE, Workspace, ago, track

JOBS = {
    "name": "Jobs",
    "trigger": 'event = "job"',
    "mapping": {
        "transaction_id": {"@template": "job-{{messageId}}"},
        "customer_id": {"@path": "$.userId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"@path": "$.properties"},
    },
}


def at(workspace: Workspace, **ahead: float) -> Report:
    """A scheduled run as if it were so much later."""
    now = datetime.now(UTC) + timedelta(**ahead)
    workspace.standin.configure(now=now.isoformat())
    return run(wiring.job_of(workspace.load(), clock=lambda: now))


def test_the_second_run_begins_at_the_watermark_less_the_overlap(workspace: Workspace) -> None:
    workspace.config(source={"overlap": "6h"})
    workspace.write([track("m1")])
    first, second = at(workspace), at(workspace, hours=1)
    assert first.window is not None
    assert second.window is not None
    assert second.window.since == first.window.until - timedelta(hours=6)
    assert (first.sent, second.sent) == (1, 0)


def test_a_late_row_inside_the_overlap_is_billed_once(workspace: Workspace) -> None:
    """Its cursor lies behind the watermark when its file appears."""
    workspace.config(source={"overlap": "72h"})
    workspace.write([track("m1")])
    at(workspace)
    workspace.write([track("late", receivedAt=ago(hours=30))], "late.parquet")
    assert at(workspace, hours=1).sent == 1
    assert at(workspace, hours=2).sent == 0
    assert sorted(workspace.standin.ids()) == ["late", "m1"]


def test_an_unchanged_file_is_not_read_again_and_a_changed_one_is(workspace: Workspace) -> None:
    """By path, size and time; rows billed before are already_sent."""
    workspace.config()
    workspace.write([track("m1")])
    at(workspace)
    assert at(workspace, hours=1).read == 0
    workspace.write([track("m1"), track("m2")])
    third = at(workspace, hours=2)
    assert third.read == 2
    assert third.sent == 1


def test_a_new_subscription_starts_at_the_watermark_and_its_past_is_a_backfill(workspace: Workspace) -> None:
    import etl

    workspace.config([USAGE])
    workspace.write([track("m1", event="job")])
    at(workspace)
    workspace.config([USAGE, JOBS])
    moment = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    workspace.write([track("m2", event="job", receivedAt=moment)], "b.parquet")
    second = at(workspace, hours=1)
    assert second.by_subscription["Jobs"]["sent"] == 1
    assert second.by_subscription["Usage"]["sent"] == 1
    past = etl.backfill(workspace.load(), ago(days=1)[:10], ago(days=-1)[:10], subscriptions=["Jobs"])
    assert past.sent == 1
    assert sorted(workspace.standin.ids()) == ["job-m1", "job-m2", "m1", "m2"]


def test_a_new_subscription_with_from_starts_there(workspace: Workspace) -> None:
    workspace.config([USAGE])
    workspace.write(
        [
            track("m1", event="job", receivedAt=ago(hours=30)),
            track("m0", event="job", receivedAt=ago(hours=50)),
        ]
    )
    at(workspace)
    workspace.config([USAGE, {**JOBS, "from": ago(hours=40)}])
    second = at(workspace, hours=1)
    assert second.by_subscription["Jobs"]["sent"] == 1
    assert "job-m1" in workspace.standin.ids()


def test_an_event_in_the_future_is_held_and_released_when_due(workspace: Workspace) -> None:
    """Also when its row has long left the overlap."""
    workspace.config(source={"overlap": "1h"})
    workspace.write([track("m1", timestamp=ago(days=-3))])
    first = at(workspace)
    assert (first.in_future, first.sent, first.exit_code) == (1, 0, 1)
    assert at(workspace, hours=30).released == 0
    due = at(workspace, hours=49)
    assert (due.released, due.sent, due.matched) == (1, 0, 0)
    assert workspace.standin.ids() == ["m1"]
    assert at(workspace, hours=50).released == 0
    assert letters(workspace) == []


def test_a_held_event_that_no_run_released_in_time_is_too_old_and_not_sent(workspace: Workspace) -> None:
    """Metronome ignores a repeated id for 34 days only: what is older than max_age is not sent, held or not."""
    workspace.config(source={"overlap": "1h"})
    workspace.write([track("m1", timestamp=ago(days=-3))])
    assert at(workspace).in_future == 1
    late = at(workspace, days=37)
    assert late.counts is not None
    assert (late.released, late.counts.new_letters, late.exit_code) == (0, {"too_old": 1}, 1)
    assert (workspace.standin.ids(), late.requests) == ([], 0)
    assert letters(workspace) == ["too_old"]
    assert at(workspace, days=38).exit_code == 0


def test_an_ad_hoc_run_leaves_the_gap_to_the_schedule(workspace: Workspace) -> None:
    import etl

    workspace.config(source={"start": ago(days=5)})
    workspace.write([track("old", receivedAt=ago(days=4)), track("new", receivedAt=ago(hours=1))])
    etl.run(workspace.load(), since=ago(days=1))
    assert workspace.standin.ids() == ["new"]
    assert at(workspace).sent == 1
    assert sorted(workspace.standin.ids()) == ["new", "old"]


def test_an_opted_out_event_is_filtered(workspace: Workspace) -> None:
    """An explicit key beats All; an object counts as true."""
    objects: list[Any] = [
        {"All": False},
        {"Metronome (Actions)": False},
        {"All": False, "Metronome (Actions)": {"x": 1}},
        {"All": True},
        {"metronome (actions)": False},
    ]
    workspace.config()
    workspace.write([track(f"m{i}", integrations=value) for i, value in enumerate(objects)])
    report = at(workspace)
    assert sorted(workspace.standin.ids()) == ["m2", "m3", "m4"]
    assert (report.filtered, report.matched) == (2, 3)


def letters(workspace: Workspace) -> list[Any]:
    return list(wiring.state_of(workspace.load()).dead_letters("test")["outcome"])


def test_a_later_until_bills_the_time_since(workspace: Workspace) -> None:
    """A run completes a subscription only within its own life."""
    workspace.config([{**USAGE, "until": ago(days=6)}], source={"overlap": "1h", "start": ago(days=9)})
    workspace.write([track("m1", receivedAt=ago(days=7)), track("m2", receivedAt=ago(days=5))])
    assert at(workspace).sent == 1
    workspace.config([USAGE], source={"overlap": "1h", "start": ago(days=9)})
    assert at(workspace, hours=1).sent == 1
    assert sorted(workspace.standin.ids()) == ["m1", "m2"]
