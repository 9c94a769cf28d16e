"""Alarms: each fires when it should, and is silent when it should not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.operations.alarms import alarms
from etl.pipeline import wiring
from etl.pipeline.run import run
from tests.support.workspace import Workspace, track

NOW = datetime.now(UTC)


def at(workspace: Workspace, now: datetime) -> None:
    """A scheduled run at that time."""
    workspace.standin.configure(now=now.isoformat())
    run(wiring.job_of(workspace.load(), clock=lambda: now))


def firing(workspace: Workspace, **ahead: float) -> dict[str, str]:
    found = alarms(workspace.load(), NOW + timedelta(**ahead))
    return {alarm.name: alarm.message for alarm in found}


def test_without_a_section_only_what_is_about_to_be_lost_fires(workspace: Workspace) -> None:
    """33 days is max_age, 7 days before it the alarm begins."""
    workspace.config()
    assert firing(workspace) == {}
    workspace.write([track("m1")])
    at(workspace, NOW)
    assert firing(workspace, days=25) == {}
    message = firing(workspace, days=27)["unbillable"]
    assert "27 days ago; Metronome takes nothing older than 33 days: run it now" in message


def test_a_watermark_that_stands_still(workspace: Workspace) -> None:
    workspace.config(alarms={"watermark_age": "6h"})
    assert firing(workspace) == {
        "watermark_age": "subscription 'Usage': no scheduled window is complete yet: etl run"
    }
    workspace.write([track("m1")])
    at(workspace, NOW)
    assert firing(workspace, hours=5) == {}
    assert "7 h ago; alarms.watermark_age is 6 h" in firing(workspace, hours=7)["watermark_age"]


def test_no_new_rows(workspace: Workspace) -> None:
    """Of text cursors, by the last run that found any: those that read the same rows again do not count."""
    workspace.config(alarms={"no_new_rows": "2h"})
    assert "had no new row ever" in firing(workspace)["no_new_rows"]
    workspace.write([track("m1")])
    at(workspace, NOW)
    assert firing(workspace, hours=1) == {}
    workspace.write([track("m1")], "again.parquet")
    at(workspace, NOW + timedelta(hours=3))
    assert "alarms.no_new_rows is 2 h: look at what fills it" in firing(workspace, hours=3)["no_new_rows"]


def test_no_new_rows_by_the_newest_row_of_the_source(workspace: Workspace) -> None:
    """Where footers tell it, whatever runs found."""
    workspace.config(alarms={"no_new_rows": "2h"})
    moment = NOW.replace(microsecond=0)
    table = pa.table({"id": ["m1"], "received_at": pa.array([moment], pa.timestamp("us", "UTC"))})
    pq.write_table(table, workspace.path / "tracks" / "a.parquet")
    assert firing(workspace, hours=1) == {}
    since = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert f"had no new row since {since}" in firing(workspace, hours=3)["no_new_rows"]


def test_rejected_pairs_whose_time_runs_out(workspace: Workspace) -> None:
    """Silent while there is time, and again when it is over."""
    workspace.config()
    workspace.write([track("m1", context={})])
    at(workspace, NOW)
    assert "unbillable_letters" not in firing(workspace, days=20)
    assert "1 rejected pairs can be repaired" in firing(workspace, days=28)["unbillable_letters"]
    assert "unbillable_letters" not in firing(workspace, days=40)


def sent(runs: dict[int, int], workspace: Workspace) -> dict[str, str]:
    """Weeks ago → how many usage events a run sent then."""
    for weeks, number in sorted(runs.items(), reverse=True):
        now = NOW - timedelta(weeks=weeks, hours=1)
        moment = (now - timedelta(hours=2)).isoformat()
        events: list[dict[str, Any]] = [
            track(f"{weeks}-{n}", receivedAt=moment, timestamp=moment) for n in range(number)
        ]
        workspace.write(events, f"{weeks}.parquet")
        ends(workspace, now)
    return firing(workspace)


def ends(workspace: Workspace, now: datetime) -> None:
    """A scheduled run that also ends at ``now`` by the state's clock."""
    job = wiring.job_of(workspace.load(), clock=lambda: now)
    job.state._now = lambda: now
    workspace.standin.configure(now=now.isoformat())
    run(job)


@pytest.mark.parametrize(
    ("runs", "fires"),
    [
        ({3: 10, 2: 12, 1: 11, 0: 4}, "4 usage events were sent in the last 24 h, 36% of the 11 usual"),
        ({3: 10, 2: 12, 1: 11, 0: 40}, "40 usage events were sent in the last 24 h, 364% of the 11 usual"),
        ({3: 10, 2: 12, 1: 11}, "0 usage events were sent in the last 24 h, 0% of the 11 usual"),
        ({3: 10, 2: 12, 1: 11, 0: 9}, None),
        ({1: 100, 0: 1}, None),
    ],
)
def test_a_volume_far_from_the_same_hours_of_past_weeks(
    workspace: Workspace, runs: dict[int, int], fires: str | None
) -> None:
    """Against the median of up to four weeks; one week is no custom."""
    workspace.config(alarms={"volume_below": 0.5, "volume_above": 2})
    workspace.write([], "none.parquet")
    found = sent(runs, workspace)
    assert ("volume" in found) == (fires is not None)
    assert (fires or "") in found.get("volume", "")


def test_the_command_prints_what_fires_and_exits_1(workspace: Workspace) -> None:
    workspace.config(alarms={"watermark_age": "6h"})
    quiet = workspace.cli("status", "-c", "etl.yml")
    assert quiet.returncode == 0
    ran = workspace.cli("status", "-c", "etl.yml", "--alarms")
    assert (ran.returncode, ran.stdout) == (
        1,
        "watermark_age: subscription 'Usage': no scheduled window is complete yet: etl run\n",
    )
    ran = workspace.cli("status", "-c", "etl.yml", "--alarms", "--json")
    assert (ran.returncode, json.loads(ran.stdout)["alarms"][0]["name"]) == (1, "watermark_age")
    workspace.config()
    ran = workspace.cli("status", "-c", "etl.yml", "--alarms")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
