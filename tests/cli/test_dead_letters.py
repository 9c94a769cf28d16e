"""Dead letters through the real commands: list, show, export, retry, discard."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
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
    assert "1  rejected   The root value is missing the required field 'customer_id'.\n" in said.out
    assert "a.parquet:2" in said.out
    assert "region" not in said.out


def test_list_fits_a_terminal_and_is_whole_in_a_pipe(billed: Workspace) -> None:
    """A program that counts reasons must not get two that were cut to one."""
    shown = on_a_terminal(billed, "dead-letters", "list", "-c", "etl.yml")
    assert "the required field 'customer_id" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80
    piped = billed.cli("dead-letters", "list", "-c", "etl.yml").stdout
    assert "the required field 'customer_id'.\n" in piped


def on_a_terminal(workspace: Workspace, *arguments: str) -> str:
    """What the command writes where its standard output is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "etl", *arguments],
        cwd=workspace.path,
        env=os.environ | workspace.env | {"COLUMNS": "80"},
        stdout=theirs,
    ) as process:
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # Linux says so at the end of a terminal that nobody holds open
            while piece := os.read(ours, 65536):
                written += piece
        os.close(ours)
        assert process.wait(60) == 0
    return written.decode()


@pytest.mark.parametrize(
    "arguments", [("list", "99"), ("retry", "1", "99"), ("export", "99"), ("discard", "99", "--why", "x")]
)
def test_a_number_that_is_no_open_letter_is_an_error(
    billed: Workspace, command: Command, arguments: tuple[str, ...]
) -> None:
    """Nothing is done to the others, either."""
    said = command("dead-letters", *arguments)
    words = (
        "etl: there is no open dead letter 99 in pipeline 'test'; list --all shows those that were closed\n"
    )
    assert (said.code, said.err) == (2, words)
    assert len(json.loads(command("dead-letters", "list", "--json").out)) == 2


def test_a_retry_of_nothing_says_so(workspace: Workspace, command: Command) -> None:
    workspace.config()
    workspace.write([track("good")])
    assert command("run", "--since", ago(days=1)).code == 0
    said = command("dead-letters", "retry")
    assert (said.code, said.err.splitlines()[0]) == (0, "no open dead letters to retry")


@pytest.mark.parametrize("arguments", [("dead-letters", "list", "--limit", "-1"), ("status", "--runs", "-1")])
def test_a_negative_number_is_refused(
    billed: Workspace, command: Command, arguments: tuple[str, ...]
) -> None:
    said = command(*arguments)
    assert said.code == 2
    assert "-1 is not in the range" in said.err


def test_the_help_says_what_json_prints(billed: Workspace, command: Command) -> None:
    assert "A JSON array on stdout" in " ".join(command("dead-letters", "list", "--help").out.split())


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
    assert command("run", "--since", ago(days=1)).code == 1  # m2's letter, which the stopped run recorded
    assert sorted(workspace.standin.ids()) == ["m1", "m2"]


def corrected(workspace: Workspace, command: Command, new: dict[str, Any], *, keep_old: bool = True) -> None:
    """The mapping is corrected from the watermark on; before, the old version stays unless it was deleted."""
    when = json.loads(command("status", "--json").out)["watermark"]
    old = [{**USAGE, "until": when}] if keep_old else []
    workspace.config([*old, {**new, "from": when}])


def open_letters(command: Command) -> list[int]:
    return [one["letter"] for one in json.loads(command("dead-letters", "list", "--json").out)]


@pytest.fixture
def nobody(workspace: Workspace, command: Command) -> Workspace:
    """A complete scheduled run that met one good event, and one without a group."""
    workspace.config()
    workspace.write([track("good"), track("nobody", context={}, userId="u-7")])
    assert command("run").code == 1
    return workspace


def test_a_mapping_is_corrected_from_a_moment_on_before_anything_is_retried(
    nobody: Workspace, command: Command
) -> None:
    nobody.config([mapped("$.messageId", "$.userId")])
    refused = command("dead-letters", "retry")
    assert refused.code == 2
    assert "has changed since it was last run" in refused.err


@pytest.mark.parametrize("transaction_id", ["$.messageId", "$.timestamp"])
@pytest.mark.parametrize("keep_old", [True, False])
def test_what_a_mapping_rejected_is_retried_with_the_corrected_one(
    nobody: Workspace, command: Command, transaction_id: str, keep_old: bool
) -> None:
    """It was never billed, under whatever id; and stays closed though the old version goes on rejecting it."""
    corrected(nobody, command, mapped(transaction_id, "$.userId"), keep_old=keep_old)
    assert "1  would be sent" in command("dead-letters", "retry", "--dry-run").out
    said = command("dead-letters", "retry")
    assert (said.code, said.out) == (0, "        1  resolved: their usage event is in the sent log\n")
    assert len(nobody.standin.ids()) == 2
    for _ in range(2):  # the whole time is read again, since the subscription is another
        assert command("run").code == 0
    assert command("run", "--since", ago(days=1)).code == 0
    assert (len(nobody.standin.ids()), nobody.standin.stats()["duplicates"]) == (2, 0)
    assert open_letters(command) == []
    assert json.loads(command("dead-letters", "show", "1").out)["status"] == "resolved"
    nobody.write([track("late", receivedAt=ago(hours=3))], "late.parquet")
    assert command("run", "--since", ago(days=1)).code == 0
    assert "late" in nobody.standin.ids()  # by the version of its time, listed or not


def test_what_the_corrected_mapping_rejects_too_stays_the_same_letter(
    nobody: Workspace, command: Command
) -> None:
    corrected(nobody, command, mapped("$.messageId", "$.nowhere"))
    assert command("dead-letters", "retry").code == 1
    assert open_letters(command) == [1]


def test_an_event_that_was_put_right_and_billed_is_not_billed_by_a_correction_again(
    nobody: Workspace, command: Command
) -> None:
    """The correction makes other ids, and the event was kept as it was."""
    nobody.write([track("nobody")])
    assert command("run").code == 0
    nobody.write([])
    corrected(nobody, command, mapped("$.timestamp", "$.userId"))
    assert command("dead-letters", "retry").code == 1
    assert sorted(nobody.standin.ids()) == ["good", "nobody"]


def test_what_metronome_refused_is_billed_under_the_id_that_any_run_would_give_it(
    workspace: Workspace, command: Command
) -> None:
    """A correction that makes other ids does not take it over: the schedule may meet the event again."""
    workspace.standin.configure(poison_prefix="bad")
    workspace.config()
    workspace.write([track("bad-1")])
    assert command("run").code == 1
    corrected(workspace, command, mapped("$.timestamp", "$.userId"))
    workspace.standin.configure(poison_prefix=None)
    assert command("dead-letters", "retry").code == 0
    assert command("run").code == 0
    assert workspace.standin.ids() == ["bad-1"]


def test_a_retry_that_was_stopped_before_it_closed_its_letters_closes_them_the_next_time(
    nobody: Workspace, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it sent is in the sent log."""
    corrected(nobody, command, mapped("$.messageId", "$.userId"))
    with monkeypatch.context() as stopped:
        stopped.setattr("etl.operations.retry._resolve", lambda *_: None)
        command("dead-letters", "retry")
    assert open_letters(command) == [1]
    assert command("dead-letters", "retry").code == 0
    assert (open_letters(command), nobody.standin.stats()["duplicates"]) == ([], 0)
