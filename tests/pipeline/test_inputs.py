"""A change of each thing that a config says, in a pipeline that has run: the rows of the table in docs/state.md."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.core.report import Report
from etl.standin import Standin
from tests.pipeline.test_edited_subscriptions import Days, version
from tests.sources.warehouses import JOB_DONE, insert, run, segment_schema
from tests.support.workspace import USAGE, Said, Workspace, ago, track

Command = Callable[..., Said]
PAGE = Path(__file__).parents[2] / "docs" / "state.md"


@pytest.fixture
def days(workspace: Workspace) -> Days:
    """Whatever is changed, event m1 was billed from the folder tracks."""
    days = Days(workspace)
    workspace.config()
    days.arrive("m1")
    assert days.run().sent == 1
    return days


def change(days: Days, **sections: Any) -> Report:
    """The next run, an hour later, with the sections changed."""
    days.workspace.config(**sections)
    return days.run(hours=1)


def refused(days: Days, command: Command, **sections: Any) -> str:
    """What the command says; it exits 2, and nothing was touched."""
    before = days.workspace.standin.stats()["requests"]
    days.workspace.config(**sections)
    said = command("run")
    assert (said.code, days.workspace.standin.stats()["requests"]) == (2, before)
    assert command("run", "--since", ago(days=3)).code == 2
    return said.err


# --------------------------------------------------------------------------------------------- source


def test_source_type(workspace: Workspace, days: Days) -> None:
    """Raw logs of the same events: their ids are known."""
    stamp = days.stamp(hours=1)
    events = [track("m1", receivedAt=stamp, timestamp=stamp), track("m2", receivedAt=stamp, timestamp=stamp)]
    (workspace.path / "raw").mkdir()
    lines = "".join(f"{json.dumps(event)}\n" for event in events)
    (workspace.path / "raw" / "1.gz").write_bytes(gzip.compress(lines.encode()))
    report = change(days, source={"type": "logs", "path": "raw/"})
    assert (report.sent, report.matched, days.sent) == (1, 2, ["m1", "m2"])


def test_source_path(workspace: Workspace, days: Days) -> None:
    """The files have moved: they are read once more, and billed no more."""
    shutil.move(workspace.path / "tracks", workspace.path / "moved")
    report = change(days, source={"path": "moved/"})
    assert (report.read, report.already_sent, report.sent) == (1, 1, 0)
    (workspace.path / "tracks").mkdir()


def test_source_layout(days: Days) -> None:
    """What was read whole was read in another way."""
    report = change(days, source={"layout": "segment"})
    assert (report.read, report.already_sent, report.sent) == (1, 1, 0)
    assert days.run(hours=1).read == 0


@pytest.fixture
def warehouse(workspace: Workspace) -> Days:
    """The same in a warehouse, with one row in each of two tables, of which one is read."""
    days = Days(workspace)
    url = f"sqlite:///{workspace.path}/warehouse.db"
    segment_schema(url, "main", instant="timestamp", json="json")
    run(url, JOB_DONE.replace("job_done", "other_done"), schema="main", instant="timestamp", json="json")
    for table in ("job_done", "other_done"):
        put(days, table, table)
    configure(days, tables=["job_done"])
    assert days.run().sent == 1
    return days


def put(days: Days, table: str, name: str) -> None:
    stamp = days.stamp(hours=1)
    row = {
        "id": name,
        "event_text": "x",
        "context_group_id": "acme",
        "received_at": stamp,
        "timestamp": stamp,
    }
    insert(f"sqlite:///{days.workspace.path}/warehouse.db", f"main.{table}", [row])


def configure(days: Days, **keys: Any) -> None:
    """``source``, whole."""
    path = days.workspace.config()
    source = {"type": "warehouse", "url": "sqlite:///warehouse.db", "start": "2026-01-01", "overlap": "2h"}
    if "query" not in keys:
        source["schema"] = "main"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"source": source | keys}))


def test_source_schema_and_tables(warehouse: Days) -> None:
    """Said once; the new one begins at the watermark less the overlap, and its past is a backfill."""
    configure(warehouse, tables=["job_done", "other_done"], overlap="0s")
    first, second = warehouse.run(hours=3), warehouse.run(hours=1)
    assert [len(report.notes) for report in (first, second)] == [1, 0]
    assert first.notes[0].startswith("source.schema, source.tables or source.query has changed: rows that")
    assert (first.sent, first.exit_code) == (0, 0)
    assert warehouse.workspace.run(since=ago(days=3)).sent == 1
    assert warehouse.sent == ["job_done", "other_done"]


def test_source_query(warehouse: Days) -> None:
    """The same of a query's text."""
    query = warehouse.workspace.path / "mine.sql"
    where = "WHERE received_at >= :since AND received_at < :until"
    query.write_text(f"SELECT * FROM main.job_done {where}")
    configure(warehouse, query="mine.sql")
    assert len(warehouse.run(hours=1).notes) == 1
    assert warehouse.run(hours=1).notes == ()
    query.write_text(f"SELECT * FROM main.job_done {where} AND 1 = 1")
    assert len(warehouse.run(hours=1).notes) == 1
    assert warehouse.sent == ["job_done"]


def test_source_url(warehouse: Days) -> None:
    """The warehouse has moved."""
    path = warehouse.workspace.path
    shutil.copy(path / "warehouse.db", path / "moved.db")
    configure(warehouse, tables=["job_done"], url="sqlite:///moved.db")
    report = warehouse.run(hours=1)
    assert (report.sent, report.exit_code, report.notes) == (0, 0, ())


def test_source_cursor(workspace: Workspace, days: Days, command: Command) -> None:
    """Refused; under another name of the pipeline the row between the two clocks is billed, and nothing twice."""
    message = refused(days, command, source={"cursor": "timestamp"})
    assert "source.cursor is 'timestamp', and until now windows were cut on 'receivedat'" in message
    assert "go on under another name in `pipeline`, with a source.start before the first row" in message
    assert change(days, source={"cursor": "receivedAt"}).exit_code == 0  # the default, spelt out
    days.arrive("between", at=days.stamp(days=20), timestamp=days.stamp(hours=1))
    report = change(days, pipeline="by-timestamp", source={"cursor": "timestamp"})
    assert (report.sent, report.already_sent, days.sent) == (1, 1, ["between", "m1"])


def test_source_start(days: Days) -> None:
    """Earlier: what lies between is a backfill, and the run says so once. Later: nothing."""
    days.arrive("old", at=days.stamp(days=44), timestamp=days.stamp(days=10))
    later = change(days, source={"start": ago(days=1)})
    earlier = change(days, source={"start": "2026-01-01"})
    assert (later.notes, len(earlier.notes), days.run(hours=1).notes) == ((), 1, ())
    since, until = re.findall(r"--(?:since|until) (\S+)", earlier.notes[0])
    assert (since, days.sent) == ("2026-01-01T00:00:00Z", ["m1"])
    assert days.workspace.run(since=since, until=until).sent == 1


def test_source_overlap(workspace: Workspace) -> None:
    """Longer: late rows of before are read from then on."""
    days = Days(workspace)
    workspace.config(source={"overlap": "1h"})
    days.arrive("m1")
    days.run()
    days.arrive("late", at=days.stamp(hours=30))
    report = change(days, source={"overlap": "48h"})
    assert (report.exit_code, days.sent) == (0, ["late", "m1"])
    assert change(days, source={"overlap": "1h"}).sent == 0


# ---------------------------------------------------------------------------------------- destination


@pytest.fixture(scope="module")
def production() -> Iterator[Standin]:
    """A second Metronome, which takes another token."""
    with Standin(token="token-of-production") as standin:
        yield standin


def test_destination_account(days: Days, command: Command, production: Standin) -> None:
    """The token of another account is refused; with its own, the account has books of its own, from the start on."""
    message = refused(days, command, destination={"account": "production"})
    assert "this token was accepted by Metronome under destination.account 'sandbox'" in message
    days.workspace.env["METRONOME_BEARER_TOKEN"] = production.token
    report = change(days, destination={"account": "production", "base_url": production.url})
    assert (report.sent, production.ids(), days.sent) == (1, ["m1"], ["m1"])


def test_destination_base_url(days: Days, command: Command) -> None:
    """Another host is refused, unless it is said to be the same Metronome."""
    new = {"base_url": "https://metronome.example"}
    message = refused(days, command, destination=new)
    assert (
        "destination.base_url is at another host than before (localhost), and what was sent there" in message
    )
    assert "destination.was with the base_url of before" in message
    days.workspace.config(destination={**new, "was": days.workspace.standin.url})
    assert command("run", "--dry-run").code == 0
    days.workspace.config(
        destination={"base_url": days.workspace.standin.url.replace("127.0.0.1", "localhost")}
    )
    assert command("run", "--dry-run").code == 0


def test_destination_max_age(workspace: Workspace, command: Command) -> None:
    """Longer: what was too old can be retried."""
    days = Days(workspace)
    workspace.config(destination={"max_age": "1d"})
    days.arrive("old", timestamp=days.stamp(days=3))
    assert days.run().too_old == 1
    workspace.config()
    assert "1  resolved" in command("dead-letters", "retry").out
    assert days.sent == ["old"]


# ---------------------------------------------------------------------------- pipeline, subscriptions


def test_pipeline(days: Days) -> None:
    """Another name begins at ``source.start``; the ids are known in the account."""
    report = change(days, pipeline="other")
    assert (report.sent, report.already_sent) == (0, 1)


def test_subscription_name(days: Days) -> None:
    """The old name bills its time."""
    time = days.stamp(hours=2)
    days.workspace.config([{**USAGE, "name": "Calls"}])
    days.arrive("late", at=time)
    report = days.run(hours=1)
    assert (report.by_subscription["Usage"]["sent"], report.exit_code) == (1, 0)


@pytest.mark.parametrize(
    "edit", [{"trigger": 'event = "x"'}, {"mapping": version("b")["mapping"]}, {"numbers": "string"}]
)
def test_trigger_mapping_and_numbers(days: Days, command: Command, edit: dict[str, Any]) -> None:
    """Refused until ``from`` says since when."""
    days.workspace.config([{**USAGE, **edit}])
    assert "has changed since it was last run" in command("run").err
    days.workspace.config([{**USAGE, **edit, "from": days.since()}])
    assert (days.run(hours=1).sent, days.sent) == (0, ["m1"])


def test_from_and_until(days: Days) -> None:
    """Moved to where they leave something out, nobody bills that; a later until bills the time since."""
    end = days.stamp(hours=3)
    days.workspace.config([{**USAGE, "until": end}])
    days.arrive("after", at=days.stamp(hours=2))
    days.arrive("before", at=days.stamp(hours=4))
    assert (days.run(hours=1).sent, days.sent) == (1, ["before", "m1"])
    days.workspace.config([USAGE])
    days.run(hours=1)
    assert days.sent == ["after", "before", "m1"]


def test_limits(workspace: Workspace) -> None:
    """Looser: the overlap is read once more, and what was rejected is sent."""
    days = Days(workspace)
    workspace.config(limits={"property_value": "reject", "property_value_bytes": 4})
    days.arrive("long", properties={"text": "longer"})
    assert days.run().rejected == 1
    report = change(days, limits={"property_value": "warn"})
    assert (report.sent, days.sent) == (1, ["long"])


def test_state_url(days: Days) -> None:
    """Another state knows nothing: it begins at ``source.start``, and Metronome ignores what it has."""
    days.workspace.state = "sqlite:///other.db"
    assert (change(days).sent, days.workspace.standin.stats()["duplicates"]) == (1, 1)
    assert days.sent == ["m1"]


#: The rows of the page, in its order.
ROWS: dict[str, Callable[..., None]] = {
    "`source.type`": test_source_type,
    "`source.path`": test_source_path,
    "`source.layout`": test_source_layout,
    "`source.schema`, `source.tables`": test_source_schema_and_tables,
    "`source.query`": test_source_query,
    "`source.url`": test_source_url,
    "`source.cursor`": test_source_cursor,
    "`source.start`": test_source_start,
    "`source.overlap`": test_source_overlap,
    "`destination.account`": test_destination_account,
    "`destination.base_url`": test_destination_base_url,
    "`destination.max_age`": test_destination_max_age,
    "`pipeline`": test_pipeline,
    "a subscription's `name`": test_subscription_name,
    "its `trigger`, `mapping`, `numbers`": test_trigger_mapping_and_numbers,
    "its `from`, `until`": test_from_and_until,
    "`limits`": test_limits,
    "`state.url`": test_state_url,
}


def test_each_row_of_the_page_has_its_test() -> None:
    text = (
        PAGE.read_text(encoding="utf-8")
        .partition("## What a change in the config does")[2]
        .partition("\n## ")[0]
    )
    assert re.findall(r"^\| (.+?) \|", text, re.MULTILINE)[1:] == list(ROWS)
