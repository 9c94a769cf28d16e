"""Dead letters through the real commands: list, show, export, retry, discard."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.workspace import USAGE, Said, Workspace, ago, track

Command = Callable[..., Said]


@pytest.fixture
def billed(workspace: Workspace, command: Command) -> Workspace:
    """A run with one good event, one without a customer, and one that Metronome refuses."""
    workspace.standin.configure(poison_prefix="bad")
    workspace.config()
    workspace.write([track("good"), track("nobody", context={}, userId="u-7"), track("bad-1")])
    assert command("run", "--since", ago(days=1)).code == 1
    return workspace


def test_list_counts_by_reason_and_shows_no_content(billed: Workspace, command: Command) -> None:
    said = command("dead-letters", "list")
    assert said.code == 0
    assert "1  rejected   The root value is missing the required field 'customer_id" in said.out
    assert "a.parquet:1" in said.out
    assert "region" not in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 80


def test_the_same_bad_row_in_more_runs_is_one_letter_with_a_count(
    billed: Workspace, command: Command
) -> None:
    """And only its first run exits 1."""
    assert command("run", "--since", ago(days=1)).code == 0
    found = json.loads(command("dead-letters", "list", "--json").out)
    assert [(one["transaction_id"], one["count"]) for one in found] == [("nobody", 2), ("bad-1", 2)]
    assert "event" not in found[0]


def test_show_has_the_event_and_the_body(billed: Workspace, command: Command) -> None:
    shown = json.loads(command("dead-letters", "show", "2").out)
    assert shown["stage"] == "metronome"
    assert shown["event"]["properties"] == {"count": 1, "region": "eu"}
    assert shown["body"]["transaction_id"] == "bad-1"
    missing = command("dead-letters", "show", "99")
    assert (missing.code, missing.err) == (2, "etl: there is no dead letter 99 in pipeline 'test'\n")


def test_export_as_ndjson_and_parquet(billed: Workspace, command: Command) -> None:
    lines = command("dead-letters", "export").out.splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["rejected", "rejected"]
    command("dead-letters", "export", "--out", "letters.parquet")
    assert pq.read_table(billed.path / "letters.parquet").num_rows == 2
    assert command("dead-letters", "export", "--out", "letters.csv").code == 2


def test_retry_sends_what_todays_config_can_make_and_resolves_it(billed: Workspace, command: Command) -> None:
    """Metronome takes the event now; the other one still has no customer."""
    billed.standin.configure(poison_prefix=None)
    dry = command("dead-letters", "retry", "--dry-run")
    assert "1  would be sent" in dry.out
    assert billed.standin.ids() == ["good"]
    said = command("dead-letters", "retry")
    assert said.code == 1
    assert "1  resolved: their usage event is in the sent log" in said.out
    assert "1  refused again" in said.out
    assert sorted(billed.standin.ids()) == ["bad-1", "good"]
    assert [one["count"] for one in json.loads(command("dead-letters", "list", "--json").out)] == [2]
    assert command("run", "--since", ago(days=1)).code == 0
    assert billed.standin.stats()["duplicates"] == 0


def test_retry_maps_with_todays_mapping(billed: Workspace, command: Command) -> None:
    """An edited mapping from now on repairs letters of its own time only; the old version stays for the old ones."""
    mapping = {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": {"@path": "$.userId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"@path": "$.properties"},
    }
    billed.config([{**USAGE, "mapping": mapping}])
    refused = command("dead-letters", "retry", "1")
    assert refused.code == 2
    assert "has changed since it was last run" in refused.err


def test_discard_needs_a_reason_and_is_not_undone_by_the_next_run(
    billed: Workspace, command: Command
) -> None:
    assert command("dead-letters", "discard", "1").code == 2
    assert (
        command("dead-letters", "discard", "1", "--why", "test account").err == "1 dead letters discarded\n"
    )
    assert command("run", "--since", ago(days=1)).code == 0
    assert len(json.loads(command("dead-letters", "list", "--json").out)) == 1
    discarded = json.loads(command("dead-letters", "show", "1").out)
    assert (discarded["status"], discarded["why"]) == ("discarded", "test account")


def test_without_kept_events_retry_reads_the_source_again_and_says_when_it_cannot(
    workspace: Workspace, command: Command
) -> None:
    workspace.standin.configure(poison_prefix="bad")
    workspace.config(state={"keep_events": False})
    workspace.write([track("bad-1"), track("bad-2", receivedAt=ago(hours=5))])
    command("run", "--since", ago(days=1))
    shown = json.loads(command("dead-letters", "show", "1").out)
    assert (shown["event"], shown["body"]) == (None, None)
    workspace.standin.configure(poison_prefix=None)
    assert "1  resolved" in command("dead-letters", "retry", "1").out
    workspace.write([track("other")])
    assert "without their event: it was not kept" in command("dead-letters", "retry", "2").out


def mapped(transaction_id: str, customer_id: str) -> dict[str, Any]:
    """The subscription with these two paths in its mapping."""
    paths = {
        "transaction_id": transaction_id,
        "customer_id": customer_id,
        "timestamp": "$.timestamp",
        "event_type": "$.event",
        "properties": "$.properties",
    }
    return {**USAGE, "mapping": {name: {"@path": path} for name, path in paths.items()}}


def test_what_a_retry_bills_no_other_version_bills_again(workspace: Workspace, command: Command) -> None:
    """The run that met the event was stopped before anything was sent, so no version was bound yet."""
    workspace.config([mapped("$.messageId", "$.nowhere")])
    workspace.write([track("m1"), track("m2", receivedAt=ago(hours=4))])
    corrupt = workspace.path / "tracks" / "b.parquet"
    corrupt.write_bytes(b"PAR1 rubbish PAR1")
    assert command("run", "--since", ago(days=1)).code == 3
    for nothing_sent in ("$.still.nowhere", "$.userId"):  # a retry that sends nothing binds nothing
        workspace.config([mapped("$.messageId", nothing_sent)])
        said = command("dead-letters", "retry", "1")
    assert "1  resolved" in said.out
    corrupt.unlink()
    workspace.config([mapped("$.event", "$.userId")])
    refused = command("run", "--since", ago(days=1))
    assert refused.code == 2
    assert "subscription 'Usage' has changed since it was last run" in refused.err
    assert workspace.standin.ids() == ["m1"]
    workspace.config([mapped("$.messageId", "$.userId")])
    assert command("run", "--since", ago(days=1)).code == 0
    assert sorted(workspace.standin.ids()) == ["m1", "m2"]
