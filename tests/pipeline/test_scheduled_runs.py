"""Scheduled runs one after the other: watermark, overlap, late rows, new subscriptions, held events."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.cli.output import summary
from etl.core.report import Report
from etl.pipeline import wiring
from etl.pipeline.run import run
from tests.support.workspace import USAGE, Said, Workspace, ago, track

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
    """Rows billed before are already_sent."""
    workspace.config()
    workspace.write([track("m1")])
    at(workspace)
    assert at(workspace, hours=1).read == 0
    workspace.write([track("m1"), track("m2")])
    third = at(workspace, hours=2)
    assert third.read == 2
    assert third.sent == 1


def test_a_file_written_again_with_its_size_and_time_is_read_again(workspace: Workspace) -> None:
    """As ``cp -p`` and ``rsync -t`` write it, and anything within one second on an object store."""
    workspace.config()
    path = workspace.write([track("m1")])
    at(workspace)
    before = path.stat()
    workspace.write([track("m2")])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    second = at(workspace, hours=1)
    assert (second.read, second.sent) == (1, 1)
    assert sorted(workspace.standin.ids()) == ["m1", "m2"]


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


def test_status_says_what_a_subscription_waits_for_that_no_scheduled_run_completes(
    workspace: Workspace, command: Callable[..., Said]
) -> None:
    """One that had ended before it was added, until a backfill; one that has not begun."""
    workspace.config([USAGE])
    workspace.write([track("m1", event="job", receivedAt=ago(days=5))])
    at(workspace)
    end, begin = ago(days=3)[:10] + "T00:00:00Z", ago(days=-3)[:10] + "T00:00:00Z"
    later = {**JOBS, "name": "Later", "from": begin, "trigger": 'event = "later"'}
    workspace.config([USAGE, {**JOBS, "until": end}, later])
    at(workspace, minutes=1)
    said = command("status").out
    assert "never complete" not in said
    waits = f"{end}, before the schedule begins; bill it with: etl backfill --subscription  Jobs"
    assert waits in said
    assert f"begins {begin}  Later" in said
    told = json.loads(command("status", "--json").out)["subscriptions"]
    assert [told[name]["needs"] is None for name in ("Jobs", "Later", "Usage")] == [False, False, True]
    assert command("backfill", "--since", ago(days=6), "--until", end, "--subscription", "Jobs").code == 0
    done = json.loads(command("status", "--json").out)["subscriptions"]["Jobs"]
    assert (done["watermark"], done["needs"]) == (end, None)


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


def test_a_held_event_that_the_run_sends_with_other_content_is_drift(workspace: Workspace) -> None:
    """Its row was changed before it came due, and the run that would release it reads that first."""
    workspace.config()
    workspace.write([track("m1", timestamp=ago(days=-3))])
    at(workspace)
    workspace.write([track("m1", timestamp=ago(days=-3), properties={"count": 2})])
    due = at(workspace, hours=49)
    assert due.counts is not None
    assert (due.sent, due.released, due.counts.new_letters, due.exit_code) == (1, 0, {"drift": 1}, 1)
    assert letters(workspace) == ["drift"]


def test_a_held_event_that_was_discarded_is_not_sent_when_it_is_due(workspace: Workspace) -> None:
    """Neither from what was kept of it nor when its row is read again."""
    workspace.config(source={"overlap": "30d"})
    held = [track(name, timestamp=ago(days=-3)) for name in ("m1", "m2")]
    workspace.write(held)
    at(workspace)
    state = wiring.state_of(workspace.load())
    found = state.dead_letters("test")
    state.discard([int(found[found["transaction_id"] == "m1"]["letter"].iloc[0])], "not to be billed")
    workspace.write([*held, track("m3")])
    due = at(workspace, hours=49)
    assert (due.sent, due.in_future, due.released, due.exit_code) == (2, 1, 0, 0)
    assert sorted(workspace.standin.ids()) == ["m2", "m3"]
    assert workspace.run(since=ago(days=1), dry_run=True).in_future == 1
    assert sorted(state.dead_letters("test", status=None)["status"]) == ["discarded", "resolved"]


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


def days_ago(*days: float) -> pa.Table:
    """A flat file of track events that were received so long ago."""
    now = datetime.now(UTC).replace(microsecond=0)
    received = [now - timedelta(days=n) for n in days]
    stamps = [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in received]
    names = [f"m{n}" for n in days]
    fixed = {"type": "track", "event_text": "x", "context_group_id": "acme"}
    columns: dict[str, Any] = {"id": names, "received_at": received, "timestamp": stamps}
    return pa.table(columns | {key: [value] * len(days) for key, value in fixed.items()})


def told(report: Report) -> tuple[Any, Any]:
    """How far the source has got, as JSON has it."""
    fields = report.as_dict()
    return fields["newest"], fields["behind_seconds"]


def test_a_source_that_is_further_behind_than_the_overlap_is_told(workspace: Workspace) -> None:
    """What is missing may still come."""
    workspace.config(source={"overlap": "72h"})
    pq.write_table(days_ago(6, 5), workspace.path / "tracks" / "a.parquet")
    first, second = at(workspace), at(workspace, hours=1)
    newest = first.as_dict()["newest"]
    assert newest.endswith("Z")
    assert told(second) == (newest, pytest.approx(5 * 86400 + 3600, abs=60))
    assert (first.sent, second.read, second.exit_code) == (2, 0, 0)
    shown = summary(second)
    assert shown[-4:] == [
        f"newest row {newest} in the source",
        "BEHIND: that is 5 days before the window's end, more than source.overlap. If",
        "rows of that time are still to come, they are billed when they arrive, as far",
        "as max_age allows (source.late).",
    ]
    assert max(map(len, shown)) <= 80


def test_a_source_that_is_not_behind_is_asked_only_when_nothing_new_was_read(workspace: Workspace) -> None:
    """Asking a warehouse takes a query over a whole table."""
    workspace.config(source={"overlap": "72h"})
    pq.write_table(days_ago(6, 1), workspace.path / "tracks" / "a.parquet")
    assert told(at(workspace)) == (None, None)
    idle = at(workspace, hours=1)
    assert (idle.read, idle.behind_seconds) == (0, None)
    assert idle.newest is not None
    assert summary(idle)[-1].startswith("newest row ")


def test_who_names_a_window_or_sends_nothing_is_not_told_of_a_source_behind(workspace: Workspace) -> None:
    workspace.config(source={"overlap": "72h"})
    pq.write_table(days_ago(6), workspace.path / "tracks" / "a.parquet")
    assert told(workspace.run(since=ago(days=2))) == (None, None)
    assert told(workspace.run(dry_run=True)) == (None, None)


def test_a_source_that_cannot_tell_its_newest_row_spoils_no_run(workspace: Workspace) -> None:
    """Text cursors: every row would have to be read."""
    workspace.config(source={"overlap": "1h"})
    workspace.write([track("m1")])
    assert told(at(workspace)) == (None, None)
