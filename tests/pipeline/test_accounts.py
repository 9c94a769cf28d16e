"""A pipeline that bills one account and then another: each has a watermark, books and dead letters of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etl.standin import Standin
from tests.support.workspace import USAGE, Said, Workspace, ago, track

Command = Callable[..., Said]
SECTIONS: dict[str, Any] = {"source": {"overlap": "6h"}, "alarms": {"watermark_age": "12h"}}


@pytest.fixture(scope="module")
def production() -> Iterator[Standin]:
    """A second Metronome, which takes another token."""
    with Standin(token="token-of-production") as standin:
        yield standin


@pytest.fixture
def moved(
    workspace: Workspace, production: Standin, command: Command, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    """A pipeline that has billed the sandbox, and is now pointed at production.

    The storage has one event of long ago, one that is held, and one without a customer.
    """
    production.reset()
    workspace.config(**SECTIONS)
    events = [track("old", receivedAt=ago(days=9)), track("held", timestamp=ago(days=-3))]
    workspace.write([*events, track("nobody", context={})])
    assert command("run").code == 1
    billed = {"account": "production", "base_url": production.url}
    workspace.config(**SECTIONS, destination=billed)
    workspace.env["METRONOME_BEARER_TOKEN"] = production.token
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", production.token)
    return workspace


def told(command: Command, *arguments: str) -> Any:
    return json.loads(command(*arguments, "--json").out)


def test_a_new_account_is_billed_from_the_start_and_not_from_the_watermark_of_another(
    moved: Workspace, production: Standin, command: Command
) -> None:
    """What lies before the overlap would never be billed in production, and nobody would be told."""
    report = told(command, "run")
    assert (report["sent"], report["already_sent"], report["in_future"], report["rejected"]) == (1, 0, 1, 1)
    assert report["exit_code"] == 1
    assert production.ids() == ["old"]
    assert moved.standin.ids() == ["old"]


def test_each_account_is_told_of_what_is_its_own(moved: Workspace, command: Command) -> None:
    """Status, dead letters, alarms, figures and reports."""
    status = told(command, "status")
    assert (status["account"], status["watermark"], status["runs"]) == ("production", None, [])
    assert status["dead_letters"] == {}
    assert told(command, "dead-letters", "list") == []
    assert command("dead-letters", "list").out == "no dead letters\n"
    assert command("dead-letters", "show", "1").code == 2
    alarms = command("status", "--alarms").out
    assert "no scheduled window is complete yet" in alarms
    assert command("status", "--metrics-file", "figures.prom").code == 0
    figures = (moved.path / "figures.prom").read_text()
    assert "etl_watermark_timestamp_seconds{" not in figures
    assert "etl_open_dead_letters{" not in figures
    command("run")
    status = told(command, "status")
    assert [run["account"] for run in status["runs"]] == ["production"]
    assert status["dead_letters"] == {"in_future": 1, "rejected": 1}
    assert [one["account"] for one in told(command, "dead-letters", "list")] == ["production"] * 2


def test_what_an_account_discarded_or_holds_binds_no_other(
    moved: Workspace, production: Standin, command: Command
) -> None:
    """The same pair is another dead letter: the one is closed, the other is to be looked at."""
    destination = json.loads((moved.path / "etl.yml").read_text())["destination"]
    moved.config(**SECTIONS)
    assert command("dead-letters", "discard", "--all", "--why", "sandbox").code == 0
    moved.config(**SECTIONS, destination=destination)
    assert command("run").code == 1
    assert sorted(one["outcome"] for one in told(command, "dead-letters", "list")) == [
        "in_future",
        "rejected",
    ]


def test_a_version_is_bound_by_what_it_billed_to_this_account_alone(
    moved: Workspace, production: Standin, command: Command
) -> None:
    """Ids are unique within an account: what the sandbox has under other ids does not matter in production."""
    destination = json.loads((moved.path / "etl.yml").read_text())["destination"]
    other = {"@template": "p-{{messageId}}"}
    mapping = {
        "transaction_id": other,
        "customer_id": {"@path": "$.context.groupId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"@path": "$.properties"},
    }
    moved.config([{**USAGE, "mapping": mapping}], **SECTIONS, destination=destination)
    assert command("run").code == 1
    assert production.ids() == ["p-old"]
    moved.config(**SECTIONS, destination=destination)
    refused = command("run")
    assert refused.code == 2
    assert "has changed since it was last run" in refused.err


def test_back_at_the_first_account_the_schedule_goes_on_where_that_was(
    moved: Workspace, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its watermark is as it was."""
    assert command("run").code == 1
    moved.config(**SECTIONS)
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", moved.standin.token)
    again = told(command, "run")
    assert (again["exit_code"], again["read"], again["sent"]) == (0, 0, 0)
    assert again["window"]["since"] > ago(hours=7)
