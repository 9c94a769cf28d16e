"""Exit 1 is never lost behind an exit 3: letters are new until a run that completed has said so."""

from __future__ import annotations

import json

import pytest

import etl
from etl.pipeline import wiring
from tests.support.workspace import Workspace, ago, track

BROKEN = [track(f"broken {n}", context={}) for n in range(5)]


@pytest.fixture
def stopped(workspace: Workspace) -> Workspace:
    """Five letters, kept by a run that Metronome refused the token."""
    workspace.config()
    workspace.write([track("good"), *BROKEN])
    right, workspace.env["METRONOME_BEARER_TOKEN"] = workspace.env["METRONOME_BEARER_TOKEN"], "wrong"
    assert workspace.cli("run", "-c", "etl.yml").returncode == 3
    workspace.env["METRONOME_BEARER_TOKEN"] = right
    return workspace


def test_what_a_stopped_run_kept_is_new_to_the_next_that_completes(stopped: Workspace) -> None:
    ran = stopped.cli("run", "-c", "etl.yml", "--json")
    report = json.loads(ran.stdout)
    assert (ran.returncode, report["exit_code"], report["new_letters"], report["sent"]) == (1, 1, 5, 1)
    assert json.loads(stopped.cli("status", "-c", "etl.yml", "--json").stdout)["dead_letters"] == {
        "rejected": 5
    }
    again = stopped.cli("run", "-c", "etl.yml", "--json")
    assert (again.returncode, json.loads(again.stdout)["new_letters"]) == (0, 0)


def test_what_was_dealt_with_meanwhile_is_not_new(stopped: Workspace) -> None:
    assert stopped.cli("dead-letters", "discard", "-c", "etl.yml", "--all", "--why", "tests").returncode == 0
    assert stopped.run().exit_code == 0


def test_neither_a_dry_run_nor_a_retry_says_it(stopped: Workspace) -> None:
    assert stopped.run(dry_run=True).exit_code == 1
    assert stopped.cli("dead-letters", "retry", "-c", "etl.yml").returncode == 1
    assert stopped.run().exit_code == 1


def test_a_backfill_says_it_at_its_end_only(workspace: Workspace) -> None:
    """Windows it completed before it was stopped are skipped when it goes on, and so are their letters."""
    workspace.config()
    hours = [track("broken", context={}, receivedAt=ago(hours=50)), track("good", receivedAt=ago(hours=5))]
    workspace.write(hours)
    asked = ("backfill", "-c", "etl.yml", "--since", ago(hours=72), "--until", ago(hours=1), "--json")
    right, workspace.env["METRONOME_BEARER_TOKEN"] = workspace.env["METRONOME_BEARER_TOKEN"], "wrong"
    assert workspace.cli(*asked).returncode == 3
    workspace.env["METRONOME_BEARER_TOKEN"] = right
    done = workspace.cli(*asked)
    report = json.loads(done.stdout)
    assert (done.returncode, report["exit_code"], report["rejected"], report["new_letters"]) == (1, 1, 0, 1)
    assert workspace.cli(*asked).returncode == 0


def test_a_letter_that_is_opened_again_is_new_again(workspace: Workspace) -> None:
    """Drift that was resolved, and is met once more."""
    workspace.config()
    workspace.write([track("a", properties={"calls": 1})])
    assert workspace.run().exit_code == 0
    workspace.write([track("a", properties={"calls": 2})])
    assert workspace.run().exit_code == 1
    state = wiring.state_of(workspace.load())
    state.resolve(state.dead_letters("test")["letter"])
    workspace.write([track("a", properties={"calls": 2})], "again.parquet")
    workspace.env["METRONOME_BEARER_TOKEN"], right = "wrong", workspace.env["METRONOME_BEARER_TOKEN"]
    workspace.write([track("b")], "b.parquet")
    with pytest.raises(etl.MetronomeError):
        workspace.run()
    workspace.env["METRONOME_BEARER_TOKEN"] = right
    assert workspace.run().exit_code == 1
