"""``etl check`` without ``--online``: what files and a state on this machine already say."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.workspace import USAGE, Said, Workspace, ago, track

Command = Callable[..., Said]


def checked(command: Command, *arguments: str) -> dict[str, Any]:
    said = command("check", "--json", *arguments)
    found: dict[str, Any] = json.loads(said.out)
    assert found["exit_code"] == said.code
    return found


def test_json_is_one_object(workspace: Workspace, command: Command) -> None:
    workspace.config([USAGE | {"trigger": "event = null"}])
    workspace.write([track("m1")])
    found = checked(command, "--strict")
    assert set(found) == {"config", "exit_code", "problems", "warnings", "lints", "notes"}
    assert [lint["code"] for lint in found["lints"]] == ["fql-null-text", "trigger-matches-nothing"]
    assert set(found["lints"][0]) == {"code", "where", "message", "fix"}
    assert (found["exit_code"], found["problems"], found["warnings"]) == (1, [], [])


def test_problems_are_in_the_json_too(workspace: Workspace, command: Command) -> None:
    workspace.config([USAGE | {"trigger": "type &"}])
    found = checked(command)
    assert found["exit_code"] == 2
    assert "subscriptions[0].trigger is invalid at character 6" in found["problems"][0]


def test_a_path_without_files_is_said(workspace: Workspace, command: Command) -> None:
    """A run would stop with 3; the config may be right all the same."""
    workspace.config(source={"path": "exprots/"})
    said = command("check")
    assert said.code == 0
    assert said.err.startswith("a run would stop: source: source.path")
    assert "matches no file" in said.err
    assert command("check", "--strict").code == 0


def test_a_missing_start_is_said(workspace: Workspace, command: Command) -> None:
    """Until a first run has begun somewhere."""
    workspace.config(source={"start": None})
    workspace.write([track("m1")])
    (warning,) = checked(command)["warnings"]
    assert "set source.start in the config" in warning
    workspace.config()
    assert command("run").code == 0
    workspace.config(source={"start": None})
    assert checked(command)["warnings"] == []


def test_an_edited_mapping_is_a_problem(workspace: Workspace, command: Command) -> None:
    """As it is for a run."""
    workspace.config()
    workspace.write([track("m1")])
    assert command("run").code == 0
    workspace.config([USAGE | {"trigger": 'event = "api_call"'}])
    said = command("check")
    assert said.code == 2
    assert "'Usage'" in said.err


def test_files_at_hand_are_sampled(workspace: Workspace, command: Command) -> None:
    """A typo shows before the first run, and before there is a token."""
    mapping = {
        "transaction_id": {"@path": "$.userId"},
        "customer_id": {"@path": "$.context.groupId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"calls": {"@path": "$.properties.Count"}},
    }
    workspace.config([USAGE | {"mapping": mapping}])
    workspace.write([track("m1"), track("m2")])
    found = {lint["code"]: lint for lint in checked(command)["lints"]}
    assert set(found) == {"path-empty", "transaction-id-repeated"}
    assert found["path-empty"]["message"] == (
        '$.properties.Count is empty in all 2 sampled events that match; did you mean "count"?'
    )
    assert "2 different events share 1 ids" in found["transaction-id-repeated"]["message"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_path_that_is_asked_for_may_be_empty(workspace: Workspace, command: Command, exists: bool) -> None:
    """``@if`` says that it may."""
    seats: Any = {"@path": "$.properties.seats"}
    if exists:
        seats = {"@if": {"exists": seats, "then": seats, "else": 1}}
    mapping = {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": {"@path": "$.context.groupId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"seats": seats},
    }
    workspace.config([USAGE | {"mapping": mapping}])
    workspace.write([track("m1")])
    assert [lint["code"] for lint in checked(command)["lints"]] == ([] if exists else ["path-empty"])


def test_a_version_that_ended_is_not_linted(workspace: Workspace, command: Command) -> None:
    """Nothing will be billed by it any more."""
    ended = USAGE | {"trigger": "event = null", "until": ago(days=3)}
    workspace.config([ended, USAGE | {"from": ago(days=3)}])
    workspace.write([track("m1")])
    found = checked(command)
    assert (found["lints"], found["problems"]) == ([], [])


def test_columns_of_a_loader_are_no_properties(workspace: Workspace, command: Command) -> None:
    """In a warehouse's columns, where they lie beside the properties."""
    columns = {
        "id": ["m1"],
        "event_text": ["call"],
        "received_at": [ago(hours=2)],
        "context_group_id": ["acme"],
        "units": [3],
        "_fivetran_synced": [ago(hours=1)],
        "_dlt_load_id": ["17"],
    }
    pq.write_table(pa.table(columns), workspace.path / "tracks" / "a.parquet")
    workspace.config()
    (lint,) = [one for one in checked(command)["lints"] if one["code"] == "properties-loader-columns"]
    assert "includes _dlt_load_id, _fivetran_synced, which a loader wrote" in lint["message"]
