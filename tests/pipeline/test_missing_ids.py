"""Identities never hold text made from a missing value, wherever the events come from; rows count from 1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from etl.pipeline import wiring
from tests.support.workspace import USAGE, Workspace, ago, track

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Writer = Callable[[Workspace, Sequence[dict[str, Any]]], None]

#: Gives an event without a message id an empty id; the default mapping gives it none.
TEMPLATE = {
    "transaction_id": {"@template": "{{messageId}}"},
    "customer_id": {"@path": "$.context.groupId"},
    "timestamp": {"@path": "$.timestamp"},
    "event_type": {"@path": "$.event"},
    "properties": {"@path": "$.properties"},
}


def as_logs(workspace: Workspace, events: Sequence[dict[str, Any]]) -> None:
    workspace.config([USAGE], source={"type": "logs"})
    lines = [json.dumps(event) for event in events]
    (workspace.path / "tracks" / "a.json").write_text("\n".join([*lines, '{"broken', ""]))


def as_text(workspace: Workspace, events: Sequence[dict[str, Any]]) -> None:
    workspace.config([USAGE])
    workspace.write(events)


def as_typed(workspace: Workspace, events: Sequence[dict[str, Any]]) -> None:
    workspace.config([USAGE])
    pq.write_table(pa.Table.from_pylist(list(events)), workspace.path / "tracks" / "a.parquet")


def as_whole(workspace: Workspace, events: Sequence[dict[str, Any]]) -> None:
    """JSON in an id's column, as exports write it that infer types."""
    workspace.config([USAGE])
    columns = {key: [event[key] for event in events] for key in ("type", "event", "timestamp", "receivedAt")}
    texts = {
        key: [json.dumps(event[key]) for event in events] for key in ("messageId", "context", "properties")
    }
    json_text = {key: pa.array(values, pa.string()).cast(pa.json_()) for key, values in texts.items()}
    pq.write_table(pa.table(columns | json_text), workspace.path / "tracks" / "a.parquet")


def as_table(workspace: Workspace, events: Sequence[dict[str, Any]]) -> None:
    """In a warehouse a row's place is one in a query's answer, and says nothing."""
    url = f"sqlite:///{workspace.path / 'warehouse.db'}"
    workspace.config(
        [USAGE], source={"type": "warehouse", "url": url, "schema": "main", "tables": ["api_call"]}
    )
    config = json.loads((workspace.path / "etl.yml").read_text())
    del config["source"]["path"]
    (workspace.path / "etl.yml").write_text(json.dumps(config))
    with sa.create_engine(url).begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE api_call (id TEXT, received_at TIMESTAMP, timestamp TIMESTAMP, event TEXT, event_text TEXT, "
            "context_group_id TEXT, count INTEGER)"
        )
        for event in events:
            moment = event["timestamp"].replace("T", " ").removesuffix("Z")
            row = (
                event["messageId"],
                moment,
                moment,
                "api_call",
                "api_call",
                event["context"].get("groupId"),
                1,
            )
            connection.exec_driver_sql("INSERT INTO api_call VALUES (?, ?, ?, ?, ?, ?, ?)", row)


WRITERS = pytest.mark.parametrize("write", [as_logs, as_text, as_typed, as_whole, as_table])


def rows() -> list[dict[str, Any]]:
    """One without an id, one that is billed, and one without a customer: all of the same moment."""
    at = ago(hours=2)
    events = [track(name, timestamp=at, receivedAt=at) for name in ("none", "good", "bad")]
    events[0]["messageId"] = None
    events[2]["context"] = {"groupId": None}
    return events


def pairs_of(workspace: Workspace) -> list[tuple[Any, ...]]:
    letters = wiring.state_of(workspace.load()).dead_letters("test", status=None)
    letters = letters[letters["outcome"] != "unreadable"]
    names = ["letter", "row", "message_id", "transaction_id", "count", "status"]
    return [
        tuple(None if pd.isna(value) else value for value in row)
        for row in letters[names].itertuples(index=False)
    ]


@WRITERS
def test_a_retry_makes_no_letters(workspace: Workspace, write: Writer) -> None:
    """Two letters stay two, and none is about a neighbour; so does a run over the same rows."""
    write(workspace, rows())
    report = workspace.run()
    assert (report.sent, report.rejected) == (1, 2)
    before = pairs_of(workspace)
    assert sorted((row, message_id, id_) for _, row, message_id, id_, *_ in before) == [
        (1, None, None),
        (3, "bad", "bad"),
    ]
    retried = workspace.cli("dead-letters", "retry", "--config", "etl.yml", "--json")
    assert json.loads(retried.stdout)["resolved"] == [], retried.stderr
    again = workspace.run(since=ago(days=1))
    assert again.new_letters == 0, pairs_of(workspace)
    assert pairs_of(workspace) == [(*letter[:4], 3, "open") for letter in before]
    assert workspace.standin.ids() == ["good"]


@WRITERS
def test_what_is_listed_shows_no_made_up_id(workspace: Workspace, write: Writer) -> None:
    """Nor does anything that is exported."""
    write(workspace, rows())
    workspace.run()
    config = ("--config", "etl.yml")
    listed = workspace.cli("dead-letters", "list", *config).stdout
    whole = workspace.cli("dead-letters", "list", *config, "--json").stdout
    for text in (listed, whole.replace(": null", "")):
        assert not any(made_up in text for made_up in ("null", "<NA>", "nan", "None")), text
    assert ":1 " in listed
    assert ":3 " in listed


def test_an_empty_id_is_rejected(workspace: Workspace) -> None:
    """A template makes nothing of a missing value, as Segment's does."""
    workspace.config([USAGE | {"mapping": TEMPLATE}])
    workspace.write(rows())
    workspace.run()
    assert {row[3] for row in pairs_of(workspace)} == {"", "bad"}


def test_an_event_without_an_id_is_repaired_from_what_was_kept_of_it(workspace: Workspace) -> None:
    """Another row at its place does not pass for it."""
    by_group = {**TEMPLATE, "transaction_id": {"@template": "{{context.groupId}}-{{messageId}}"}}
    at = ago(hours=2)
    workspace.config([USAGE])
    event = track("none", timestamp=at, receivedAt=at, properties={"count": 5})
    workspace.write([{**event, "messageId": None}])
    workspace.run()
    workspace.write([{**event, "messageId": None, "properties": {"count": 999}}])
    when = json.loads(workspace.cli("status", "--config", "etl.yml", "--json").stdout)["watermark"]
    workspace.config([USAGE | {"until": when}, USAGE | {"mapping": by_group, "from": when}])
    workspace.cli("dead-letters", "retry", "--config", "etl.yml")
    (body,) = workspace.standin.bodies().values()
    assert json.loads(body)["properties"] == {"count": 5}


@pytest.mark.parametrize("other", [None, True, {"a": 1}])
def test_an_opt_out_counts_whatever_others_have_in_its_place(workspace: Workspace, other: Any) -> None:
    """Values of several kinds make the column JSON text, where false is a word."""
    workspace.config([USAGE], source={"type": "logs"})
    events = [
        track("out", integrations={"All": False}),
        track("in", integrations={"All": other}),
        track("named", integrations={"All": False, "Metronome (Actions)": {"a": 1}}),
    ]
    text = "".join(json.dumps(event) + "\n" for event in events)
    (workspace.path / "tracks" / "a.json").write_text(text)
    assert workspace.run().filtered == 1
    assert sorted(workspace.standin.ids()) == ["in", "named"]


@WRITERS
def test_what_was_refused_is_sent_as_it_would_have_been(workspace: Workspace, write: Writer) -> None:
    """A table's columns are called otherwise than the paths of a mapping."""
    workspace.standin.configure(poison_prefix="bad")
    write(workspace, [track("bad-1"), track("bad-2")])
    workspace.run()
    letters = wiring.state_of(workspace.load()).dead_letters("test")
    workspace.standin.configure(poison_prefix=None)
    workspace.cli("dead-letters", "retry", "--config", "etl.yml")
    assert sorted(workspace.standin.bodies().values()) == sorted(letters["body"].dropna())
    assert len(workspace.standin.ids()) == 2
