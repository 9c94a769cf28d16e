"""The log on stderr: its formats, its schema, and how progress is told where."""

from __future__ import annotations

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl.cli.progress import CountLines, Lines, Pace
from etl.config import load_config
from etl.core import logs
from etl.core.report import Counts
from etl.core.windows import Window
from tests.support.workspace import Workspace, ago, track

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = (Path(__file__).parents[2] / "docs" / "observability.md").read_text(encoding="utf-8")
DAY = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    logs.set_up("auto")


def events(text: str) -> list[dict[str, Any]]:
    """Each line as JSON; the first three keys are those of the schema."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all(list(event)[:3] == ["timestamp", "level", "event"] for event in found)
    assert all(datetime.fromisoformat(event["timestamp"]).utcoffset() == timedelta(0) for event in found)
    return found


def documented(event: str) -> set[str]:
    """The names in code that the docs give an event."""
    (row,) = re.findall(rf"^\| `{event}` \| \w+ \| (.*) \|$", DOCS, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row)) - {"json"}


def test_with_json_every_line_of_stderr_is_an_event(workspace: Workspace) -> None:
    workspace.config()
    workspace.write([track("m1")])
    ran = workspace.cli("run", "-c", "etl.yml", "--log-format", "json")
    (report,) = events(ran.stderr)
    assert (report["level"], report["event"], report["sent"]) == ("info", "report", 1)
    workspace.config(source={"path": "nowhere/"})
    ran = workspace.cli("run", "-c", "etl.yml", "--log-format", "json")
    report, error = events(ran.stderr)
    assert not report["complete"]
    assert error.keys() - {"timestamp", "level", "event"} == documented("error")
    assert (error["level"], error["type"], error["exit_code"]) == ("error", "SourceError", 3)


def test_the_format_may_come_from_the_environment(workspace: Workspace) -> None:
    workspace.config()
    workspace.env["ETL_LOG_FORMAT"] = "json"
    assert events(workspace.cli("run", "-c", "etl.yml", "--dry-run").stderr)


def test_a_backfill_logs_each_window(workspace: Workspace) -> None:
    workspace.config()
    workspace.write([track("m1")])
    day = datetime.now(UTC).date()
    span = ("--since", f"{day - timedelta(days=2)}", "--until", f"{day}")
    ran = workspace.cli("backfill", "-c", "etl.yml", *span, "--log-format", "json")
    *windows, report = events(ran.stderr)
    assert [window["number"] for window in windows] == [1, 2]
    assert documented("window") <= windows[0].keys()
    assert report["event"] == "report"


def test_unless_asked_errors_are_text_for_cron_to_mail(workspace: Workspace) -> None:
    workspace.config(source={"path": "nowhere/"})
    stderr = workspace.cli("run", "-c", "etl.yml", "-q").stderr
    assert "etl: source.path" in stderr
    assert "{" not in stderr


def test_progress_elsewhere_is_an_event_per_interval(capsys: pytest.CaptureFixture[str]) -> None:
    """With the documented fields; a quarter of the rows in 10 seconds leaves 30."""
    logs.set_up("json")
    clock = (10.0 * n for n in count())
    lines = Lines(interval=10.0, clock=lambda: next(clock))
    counts = Counts(read=500)
    for hours, done in ((2, 0.1), (6, 0.25)):
        lines.update(counts, DAY, DAY.since + timedelta(hours=hours), done)
    *_, told = events(capsys.readouterr().err)
    assert told.keys() - {"timestamp", "level", "event"} <= documented("progress")
    assert (told["event"], told["read"], told["at"]) == ("progress", 500, "2026-11-01T06:00:00Z")
    assert told["seconds_left"] > 0
    assert told["rows_per_second"] > 0


def test_the_rate_and_the_time_left_begin_anew_with_each_window() -> None:
    now = [0.0]
    pace = Pace(clock=lambda: now[0])
    assert pace.update(Counts(), DAY, 0.0) == (0.0, None)
    now[0] = 30.0
    assert pace.update(Counts(read=300), DAY, 0.25) == (10.0, 90.0)
    following = Window(DAY.until, DAY.until + timedelta(days=1))
    assert pace.update(Counts(), following, 0.0) == (0.0, None)
    now[0] = 40.0
    assert pace.update(Counts(read=50), following, 1.0) == (5.0, 0.0)


def test_no_time_left_is_told_where_nothing_tells_how_much_there_is() -> None:
    """Of a warehouse: its tables are of any length, and cursors say nothing of it."""
    now = [0.0]
    pace = Pace(clock=lambda: now[0])
    pace.update(Counts(), DAY, None)
    now[0] = 30.0
    assert pace.update(Counts(read=300), DAY, None) == (10.0, None)


def test_counting_tells_how_many_how_fast_and_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json")
    now = [0.0]
    lines = CountLines("ids", total=400, clock=lambda: now[0])
    lines.update(10)
    now[0] = 10.0
    lines.update(100)
    (told,) = events(capsys.readouterr().err)
    assert (told["ids"], told["per_second"], told["seconds_left"]) == (100, 10, 30)


@pytest.mark.parametrize("command", [["run"], ["fields"], ["state", "export", "--out", "x.parquet"]])
def test_a_terminal_shows_a_bar_and_quiet_shows_nothing(workspace: Workspace, command: list[str]) -> None:
    """The bar is gone when the work is done; what stays is the summary."""
    workspace.config()
    workspace.write([track("m1")])
    workspace.run()
    (workspace.path / "tracks" / "b.parquet").write_bytes((workspace.path / "tracks/a.parquet").read_bytes())
    assert "\x1b[" in on_terminal(workspace, [*command, "-c", "etl.yml"])
    assert "\x1b[" not in on_terminal(workspace, [*command, "-c", "etl.yml", "--quiet"])


def on_terminal(workspace: Workspace, arguments: list[str]) -> str:
    """What a terminal of 100 columns gets as stderr."""
    ours, theirs = pty.openpty()
    env = os.environ | workspace.env | {"TERM": "xterm", "COLUMNS": "100"}
    try:
        ran = subprocess.Popen(
            [sys.executable, "-m", "etl", *arguments],
            cwd=workspace.path, env=env, stdout=subprocess.DEVNULL, stderr=theirs,
        )  # fmt: skip
    finally:
        os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # how Linux tells that the other side has closed
        pass
    finally:
        os.close(ours)
    assert ran.wait(60) == 0
    return shown.decode()


@pytest.mark.parametrize("block", re.findall(r"```yaml\n((?:alarms|notify):.*?)```", DOCS, re.DOTALL))
def test_the_sections_that_the_docs_show_load(workspace: Workspace, block: str) -> None:
    from ruamel.yaml import YAML

    workspace.config(**YAML(typ="safe").load(block))
    workspace.env["ALERT_WEBHOOK"] = "https://alerts.example.com/x"
    assert load_config(workspace.path / "etl.yml", workspace.env)


def test_what_a_source_warns_of_is_an_event_too(workspace: Workspace) -> None:
    """Python's own logging would print it bare, amid JSON lines."""
    with closing(sqlite3.connect(workspace.path / "w.db")) as database:
        database.execute(
            "CREATE TABLE api_call (id, event_text, received_at, timestamp, context_group_id, n)"
        )
        row = ("m1", "api_call", ago(hours=2), ago(hours=2), "acme", 1)
        database.execute("INSERT INTO api_call VALUES (?, ?, ?, ?, ?, ?)", row)
        database.commit()
    source = {"type": "warehouse", "url": f"sqlite:///{workspace.path}/w.db", "schema": "main"}
    trigger = 'type = "track" and properties.plan != "free"'
    workspace.config([{"name": "Usage", "trigger": trigger}], source={**source, "tables": ["api_call"]})
    config = json.loads((workspace.path / "etl.yml").read_text())
    del config["source"]["path"]
    (workspace.path / "etl.yml").write_text(json.dumps(config))
    ran = workspace.cli("run", "-c", "etl.yml", "--log-format", "json")
    warning, report = events(ran.stderr)
    assert warning.keys() - {"timestamp", "level", "event"} == documented("warning")
    assert (warning["level"], warning["event"], report["sent"]) == ("warning", "warning", 1)
    assert warning["message"] == "no table has a column for $.properties.plan: it is absent from every event"
    assert workspace.cli("run", "-c", "etl.yml", "--quiet").stderr == ""
    assert workspace.cli("run", "-c", "etl.yml").stderr.count("$.properties.plan") == 1
    with closing(sqlite3.connect(workspace.path / "w.db")) as database:
        late = ago(hours=1)
        database.execute("INSERT INTO api_call VALUES ('m2', 'api_call', ?, ?, NULL, 1)", (late, late))
        database.commit()
    ran = workspace.cli("run", "-c", "etl.yml", "--quiet")
    assert (ran.returncode, ran.stderr.count("$.properties.plan")) == (1, 1)
