"""A subscription or pipeline under a new name does not bill once more what another has billed under other ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.pipeline.test_edited_subscriptions import Days, version
from tests.support.workspace import Said, Workspace, ago, track

Command = Callable[..., Said]


@pytest.fixture
def billed(workspace: Workspace) -> Days:
    """One event that subscription Usage of pipeline test has billed, two days ago."""
    days = Days(workspace)
    workspace.config([version("a")])
    days.arrive("m1")
    days.run()
    return days


def runs(command: Command) -> list[Said]:
    """Scheduled, ad-hoc, dry, and a backfill."""
    window = ("--since", ago(days=3), "--until", ago(days=1))
    return [
        command("run", "--json"),
        command("run", "--json", *window),
        command("run", "--json", *window, "--dry-run"),
        command("backfill", "--json", *window),
        command("backfill", "--json", *window, "--plan"),
    ]


def test_a_subscription_that_is_renamed_and_edited_is_refused_in_every_kind_of_run(
    workspace: Workspace, billed: Days, command: Command
) -> None:
    """With the ways on; nothing is sent, and the watermark stays."""
    before = json.loads(command("status", "--json").out)["runs"]
    workspace.config([version("b", "Calls")])
    for said in runs(command):
        report = json.loads(said.out)
        assert (said.code, report["exit_code"], report["error"]["type"]) == (2, 2, "ConfigError")
    until = billed.since().replace("+00:00", "Z")
    assert report["error"]["message"] == (
        "subscription 'Calls' is new, and 'Usage', which the config no longer has, has billed events of the same source "
        f"up to {until} under other ids: what both match would be billed twice. Say what it is: `was: Usage` (it takes its "
        "place; then its from says since when), `beside: [Usage]` (a further charge for the same events, on purpose), or "
        f"a from that is no earlier than {until}"
    )
    assert billed.sent == ["a-m1"]
    assert json.loads(command("status", "--json").out)["runs"] == before
    assert command("check", "--online").code == 2


def test_beside_is_a_further_charge(workspace: Workspace, billed: Days, command: Command) -> None:
    """Of what comes from now on, and with a backfill of the past."""
    workspace.config([version("b", "Calls", beside=["Usage"])])
    assert [said.code for said in runs(command)] == [0, 0, 0, 0, 0]
    assert billed.sent == ["a-m1", "b-m1"]
    workspace.config([version("b", "Calls")])  # it is known by now
    assert [said.code for said in runs(command)] == [0, 0, 0, 0, 0]


def test_a_successor_says_since_when(workspace: Workspace, billed: Days, command: Command) -> None:
    workspace.config([version("b", "Calls", was="Usage")])
    assert {said.code for said in runs(command)} == {2}
    workspace.config([version("b", "Calls", was="Usage", **{"from": billed.since()})])
    assert [said.code for said in runs(command)] == [0, 0, 0, 0, 0]
    assert billed.sent == ["a-m1"]


def test_a_from_after_what_was_billed_is_enough_and_may_not_be_taken_out_again(
    workspace: Workspace, billed: Days, command: Command
) -> None:
    """It is what the new name was let run for."""
    workspace.config([version("b", "Calls", **{"from": billed.since()})])
    assert [said.code for said in runs(command)] == [0, 0, 0, 0, 0]
    workspace.config([version("b", "Calls")])
    assert {said.code for said in runs(command)} == {2}
    assert billed.sent == ["a-m1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"mapping": version("a")["mapping"]},
        {"trigger": 'type = "track" and event != "api_call"'},
    ],
)
def test_the_same_ids_or_other_events_are_no_edit(
    workspace: Workspace, command: Command, changes: dict[str, Any]
) -> None:
    """The sent log knows the ids; triggers that exclude each other meet nothing twice."""
    workspace.config([version("a", trigger='event = "api_call"')])
    workspace.write([track("m1")])
    assert command("run").code == 0
    workspace.config([{**version("b", "Calls"), **changes}])
    assert [said.code for said in runs(command)] == [0, 0, 0, 0, 0]
    assert workspace.standin.ids() == ["a-m1"]


def test_names_side_by_side_are_never_refused(workspace: Workspace, billed: Days, command: Command) -> None:
    """One event, several usage events; also when the first of them goes."""
    workspace.config([version("a"), version("b", "Calls")])
    assert [said.code for said in runs(command)] == [0, 0, 0, 0, 0]
    workspace.config([version("b", "Calls")])
    assert [said.code for said in runs(command)] == [0, 0, 0, 0, 0]
    assert billed.sent == ["a-m1", "b-m1"]


# ------------------------------------------------------------------------------------------ pipelines


def test_a_pipeline_that_is_renamed_and_edited_is_refused(
    workspace: Workspace, billed: Days, command: Command
) -> None:
    workspace.config([version("b")], pipeline="renamed")
    said = runs(command)
    assert {one.code for one in said} == {2}
    assert "'Usage' of pipeline 'test' has billed events of the same source up to" in said[0].out
    assert (
        "`was: test` at the top (it takes its place; then its from says since when), `beside: [test]`"
        in said[0].out
    )
    workspace.config([version("b", beside=["test"])], pipeline="renamed")
    assert [one.code for one in runs(command)] == [0, 0, 0, 0, 0]
    assert billed.sent == ["a-m1", "b-m1"]


def test_a_renamed_pipeline_takes_over_its_state(
    workspace: Workspace, billed: Days, command: Command
) -> None:
    """Runs, watermark, letters and versions, once; an edit in the same commit is refused as one."""
    billed.arrive("bad", at=billed.stamp(hours=-1), userId=None)
    billed.run(hours=2)
    before = json.loads(command("status", "--json").out)
    workspace.config([version("a")], pipeline="renamed", was="test")
    assert json.loads(command("status", "--json").out)["subscriptions"] == before["subscriptions"]
    report = billed.run(hours=1)
    assert (report.exit_code, report.sent) == (0, 0)
    after = json.loads(command("status", "--json").out)
    assert (after["dead_letters"], len(after["runs"])) == ({"rejected": 1}, 3)
    (letter,) = json.loads(command("dead-letters", "list", "--json").out)
    assert (letter["pipeline"], letter["count"]) == ("renamed", 2)
    workspace.config([version("b")], pipeline="renamed", was="test")
    assert "has changed since it was last run" in command("run").err
    workspace.config([version("a")], pipeline="again", was="unknown")
    assert billed.run(hours=1).exit_code == 1  # a pipeline of its own: it meets the bad event anew
    assert billed.sent == ["a-m1"]


def test_a_pipeline_of_another_source_is_not_compared(
    workspace: Workspace, billed: Days, command: Command
) -> None:
    (workspace.path / "other").mkdir()
    workspace.config([version("b")], pipeline="other", source={"path": "other/*.parquet"})
    stamp = ago(days=2.5)
    workspace.write([track("m2", receivedAt=stamp, timestamp=stamp)], "../other/a.parquet")
    assert [said.code for said in runs(command)] == [0, 0, 0, 0, 0]
    assert billed.sent == ["a-m1", "b-m2"]
