"""Rows that arrive behind the watermark, further back than the overlap: billed without anybody's help, or listed."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import etl
from etl.core.report import Report
from etl.pipeline import wiring
from etl.pipeline.run import run
from etl.state import schema
from tests.support.workspace import Workspace, ago, track

NOW = datetime.now(UTC)
FIRST = track("m1", receivedAt=ago(minutes=5))


def at(workspace: Workspace, **ahead: float) -> Report:
    """A scheduled run as if it were so much later."""
    now = datetime.now(UTC) + timedelta(**ahead)
    workspace.standin.configure(now=now.isoformat())
    return run(wiring.job_of(workspace.load(), clock=lambda: now))


def late(name: str, **how_long: float) -> dict[str, Any]:
    return track(name, receivedAt=ago(**how_long), timestamp=ago(**how_long))


def letters(workspace: Workspace) -> list[tuple[str, str]]:
    """(outcome, reason) of the open dead letters."""
    frame = etl.dead_letters(workspace.load())
    frame = frame[frame["status"] == "open"]
    return list(zip(frame["outcome"], frame["reason"], strict=True))


# ---------------------------------------------------------------------------------------------- files


@pytest.fixture
def files(workspace: Workspace) -> Workspace:
    """A pipeline of files that has run once; its overlap is an hour."""
    workspace.config(source={"overlap": "1h", "start": ago(days=50)})
    workspace.write([FIRST])
    assert at(workspace).sent == 1
    return workspace


def test_a_row_far_behind_the_overlap_is_billed_by_the_next_run(files: Workspace) -> None:
    """A new file with a row of 50 hours ago and one of now; another with a row of thirty days ago."""
    files.write([late("old", hours=50), late("new", hours=-0.2)], "b.parquet")
    files.write([late("older", days=30)], "c.parquet")
    report = at(files, hours=1)
    assert (report.exit_code, report.read, report.sent, report.late) == (0, 3, 3, 0)
    assert at(files, hours=2).read == 0
    assert sorted(files.standin.ids()) == ["m1", "new", "old", "older"]


def test_raw_logs_too(workspace: Workspace) -> None:
    folder = workspace.path / "logs"
    folder.mkdir()
    workspace.config(
        source={"type": "logs", "path": "logs/", "overlap": "1h", "start": ago(days=50)},
    )
    (folder / "a.json").write_text(json.dumps(track("m1", receivedAt=ago(minutes=5))) + "\n")
    at(workspace)
    (folder / "b.json").write_text(json.dumps(late("old", days=20)) + "\n")
    report = at(workspace, hours=1)
    assert (report.exit_code, report.sent) == (0, 1)
    assert at(workspace, hours=2).read == 0


def test_a_file_that_is_written_again_with_a_late_row_bills_that_alone(files: Workspace) -> None:
    files.write([FIRST, late("old", days=9)])
    report = at(files, days=2)
    assert (report.sent, report.already_sent, report.exit_code) == (1, 1, 0)


def test_a_row_older_than_max_age_is_counted_and_listed(files: Workspace) -> None:
    files.write([late("old", days=40), late("young", days=9)], "b.parquet")
    report = at(files, hours=1)
    assert (report.exit_code, report.sent, report.late, report.read) == (1, 1, 1, 1)
    ((outcome, reason),) = letters(files)
    assert outcome == "late"
    assert "longer ago than max_age" in reason
    again = at(files, hours=2)
    assert (again.exit_code, again.late, again.read) == (0, 0, 0)


def test_many_of_a_file_are_one_letter(files: Workspace) -> None:
    files.write([late(f"old{n}", days=40, minutes=n) for n in range(150)], "b.parquet")
    report = at(files, hours=1)
    assert (report.exit_code, report.late, report.read) == (1, 150, 0)
    ((_, reason),) = letters(files)
    assert reason.startswith("150 pairs behind the watermark, received from ")
    assert "etl run --since" in reason


def test_rows_of_before_the_start_are_nobodys(files: Workspace) -> None:
    files.write([late("old", days=55)], "b.parquet")
    report = at(files, hours=1)
    assert (report.exit_code, report.sent, report.late) == (0, 0, 0)


def test_by_its_cursor_a_row_is_late_and_by_its_timestamp_too_old(files: Workspace) -> None:
    files.write([track("old", receivedAt=ago(days=9), timestamp=ago(days=40))], "b.parquet")
    report = at(files, hours=1)
    assert (report.exit_code, report.late, report.too_old) == (1, 0, 1)


def test_off_reads_the_overlap_alone(files: Workspace) -> None:
    files.config(source={"overlap": "1h", "start": ago(days=50), "late": "off"})
    files.write([late("old", hours=50)], "b.parquet")
    assert at(files, hours=1).sent == 0


def test_a_root_that_is_new_begins_at_the_watermark(files: Workspace) -> None:
    """Its past is a backfill; what arrives in it later is late as anywhere."""
    (files.path / "tracks").rename(files.path / "elsewhere")
    (files.path / "tracks").mkdir()
    files.write([late("past", days=9)], "past.parquet")
    (files.path / "tracks").rename(files.path / "moved")
    (files.path / "tracks").mkdir()
    files.config(source={"overlap": "1h", "start": ago(days=50), "path": "moved/"})
    report = at(files, hours=1)
    assert (report.exit_code, report.sent, report.late) == (0, 0, 0)
    (files.path / "moved" / "b.parquet").write_bytes(
        files.write([late("old", days=8)], "b.parquet").read_bytes()
    )
    assert at(files, hours=2).sent == 1


def test_the_first_run_after_an_upgrade_lists_older_late_rows_and_bills_none(files: Workspace) -> None:
    """A state that knows of no late rows: as an older release has left it."""
    state = wiring.state_of(files.load())
    with state.database.writing_engine.begin() as connection:
        connection.execute(schema.marks.delete())
    files.write([late("old", days=9)], "b.parquet")
    report = at(files, hours=1)
    assert (report.exit_code, report.sent, report.late) == (1, 0, 1)
    ((outcome, reason),) = letters(files)
    assert (outcome, "before late rows were looked for" in reason) == ("late", True)
    files.write([late("later", days=9)], "c.parquet")
    assert at(files, hours=2).sent == 1
    assert sorted(files.standin.ids()) == ["later", "m1"]


def test_a_stretch_that_another_run_holds_is_left_for_the_next(files: Workspace) -> None:
    files.write([late("old", days=9), late("free", days=5)], "b.parquet")
    config = files.load()
    other = wiring.job_of(
        config, window=(NOW - timedelta(days=10), NOW - timedelta(days=8)), kind="backfill", clock=lambda: NOW
    )
    with wiring.state_of(config).begin(other.plan):
        report = at(files, hours=1)
    assert (report.exit_code, report.complete, report.sent) == (0, True, 1)
    assert at(files, hours=2).sent == 1
    assert sorted(files.standin.ids()) == ["free", "m1", "old"]


# ------------------------------------------------------------------------------------------ warehouse


@pytest.fixture
def warehouse(workspace: Workspace) -> sqlite3.Connection:
    """A warehouse whose pipeline has run once, with one row; its overlap is an hour."""
    database = sqlite3.connect(workspace.path / "segment.db", isolation_level=None)
    for table in ("job_done", "sign_up"):
        database.execute(
            f"CREATE TABLE {table} (id text, event_text text, context_group_id text, received_at timestamp, timestamp timestamp, tokens int)"
        )
    insert(database, "job_done", "m1", minutes=5)
    config(workspace)
    assert at(workspace).sent == 1
    return database


def insert(database: sqlite3.Connection, table: str, name: str, **how_long: float) -> None:
    moment = ago(**how_long)
    database.execute(f"INSERT INTO {table} VALUES (?, ?, 'acme', ?, ?, 7)", (name, table, moment, moment))


def config(workspace: Workspace, **source: Any) -> None:
    path = workspace.config()
    content = json.loads(path.read_text())
    content["source"] = {
        "type": "warehouse",
        "url": "sqlite:///segment.db",
        "schema": "main",
        "tables": ["job_done"],
        "start": ago(days=50),
        "overlap": "1h",
        "late": "1h",
        **source,
    }
    path.write_text(json.dumps(content))


def test_a_late_row_of_a_warehouse_is_billed(workspace: Workspace, warehouse: sqlite3.Connection) -> None:
    insert(warehouse, "job_done", "old", days=9)
    insert(warehouse, "job_done", "older", days=30)
    report = at(workspace, hours=2)
    assert (report.exit_code, report.sent) == (0, 2)
    assert at(workspace, hours=4).read == 0
    assert sorted(workspace.standin.ids()) == ["m1", "old", "older"]


def test_a_warehouse_is_asked_as_often_as_the_config_says(
    workspace: Workspace, warehouse: sqlite3.Connection
) -> None:
    config(workspace, late="30d")
    at(workspace, hours=1)
    insert(warehouse, "job_done", "old", days=9)
    assert at(workspace, hours=2).sent == 0
    config(workspace, late="1h")
    assert at(workspace, hours=3).sent == 1


def test_a_table_that_is_new_begins_at_the_watermark(
    workspace: Workspace, warehouse: sqlite3.Connection
) -> None:
    insert(warehouse, "sign_up", "past", days=9)
    config(workspace, tables=["job_done", "sign_up"])
    report = at(workspace, hours=2)
    assert (report.exit_code, report.sent, report.late) == (0, 0, 0)
    insert(warehouse, "sign_up", "old", days=8)
    assert at(workspace, hours=4).sent == 1
    assert sorted(workspace.standin.ids()) == ["m1", "old"]
