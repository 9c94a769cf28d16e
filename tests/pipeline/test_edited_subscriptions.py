"""Subscriptions edited, removed and renamed while rows arrive late: each row is billed once, by the version of its time."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl.core.report import Report
from etl.pipeline import wiring
from etl.pipeline.run import run
from tests.support.workspace import USAGE, Said, Workspace, ago, track

OTHER = {"name": "Other", "trigger": 'event = "nothing"', "mapping": {
    "transaction_id": {"@template": "other-{{messageId}}"},
    "customer_id": {"@path": "$.userId"},
    "timestamp": {"@path": "$.timestamp"},
    "event_type": {"@path": "$.event"},
    "properties": {"@path": "$.properties"},
}}  # fmt: skip


def version(prefix: str, name: str = "Usage", **more: Any) -> dict[str, Any]:
    """A subscription whose ids begin with ``prefix``."""
    ids = {"transaction_id": {"@template": prefix + "-{{messageId}}"}}
    return {"name": name, "mapping": {**OTHER["mapping"], **ids}, **more}


class Days:
    """A schedule with a clock of its own, which Metronome shares."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.now = workspace, datetime.now(UTC) - timedelta(days=2)
        self.files = 0

    def stamp(self, **before: float) -> str:
        moment = self.now - timedelta(**before)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def arrive(self, name: str, *, at: str | None = None, **changes: Any) -> None:
        """A file with one event, received by default an hour before now."""
        self.files += 1
        stamp = at or self.stamp(hours=1)
        event = track(name, **{"receivedAt": stamp, "timestamp": stamp, **changes})
        self.workspace.write([event], f"{self.files}.parquet")

    def run(self, **later: float) -> Report:
        """The scheduled run, so much later."""
        self.now += timedelta(**later)
        self.workspace.standin.configure(now=self.now.isoformat())
        return run(wiring.job_of(self.workspace.load(), clock=lambda: self.now))

    def since(self) -> str:
        """The watermark, as a message gives it."""
        state = wiring.state_of(self.workspace.load())
        found = state.touched("test", "sandbox").values()
        return max(w.until for windows in found for w in windows).isoformat()

    @property
    def sent(self) -> list[str]:
        return sorted(self.workspace.standin.ids())


@pytest.fixture
def days(workspace: Workspace) -> Days:
    return Days(workspace)


def test_each_of_three_versions_bills_the_late_rows_of_its_time(
    workspace: Workspace, days: Days, command: Callable[..., Said]
) -> None:
    """Only the newest is listed, with its from; the run says once that others bill beside it."""
    times, reports = [], []
    for number, prefix in enumerate("abc"):
        more = {"from": days.since()} if number else {}
        workspace.config([version(prefix, **more)])
        times.append(days.stamp(hours=-1))
        days.arrive(f"m{number}", at=times[-1])
        reports.append(days.run(hours=6))
    assert days.sent == ["a-m0", "b-m1", "c-m2"]
    assert [len(report.notes) for report in reports] == [0, 1, 1]
    assert (
        "an earlier version, which the config does not list, bills the rows of before" in reports[2].notes[0]
    )
    for number, at in enumerate(times):
        days.arrive(f"late{number}", at=at)
    late = days.run(hours=1)
    assert (late.exit_code, late.sent, late.notes) == (0, 3, ())
    assert days.sent[-3:] == ["b-m1", "c-late2", "c-m2"]
    assert {"a-late0", "b-late1"} <= {*days.sent}
    assert days.run(hours=1).read == 0
    told = json.loads(command("status", "--json").out)
    assert (told["removed"], list(told["subscriptions"])) == ({}, ["Usage"])


def test_an_edit_stops_with_2_until_its_from_is_there(
    workspace: Workspace, days: Days, command: Callable[..., Said]
) -> None:
    """The message needs the new version only."""
    workspace.config([version("a")])
    days.arrive("m1")
    days.run()
    workspace.config([version("b")])
    refused = command("run")
    assert (refused.code, days.sent) == (2, ["a-m1"])
    assert refused.err.splitlines()[-3:] == [
        "  subscriptions:",
        '    - name: "Usage"',
        f"      from: {days.since().replace('+00:00', 'Z')}",
    ]


def test_a_removed_subscription_bills_the_late_rows_of_its_time(
    workspace: Workspace, days: Days, command: Callable[..., Said]
) -> None:
    """Rows of after are not its own; the run says so once, and the status as long as rows can come."""
    workspace.config([version("a", "Gone"), OTHER])
    days.arrive("m1")
    days.run()
    time = days.stamp(hours=2)
    workspace.config([OTHER])
    first = days.run(hours=6)
    days.arrive("late", at=time)
    days.arrive("later")
    second = days.run(hours=1)
    assert days.sent == ["a-late", "a-m1"]
    assert (second.exit_code, second.filtered, len(first.notes), second.notes) == (0, 1, 1, ())
    assert first.notes[0].startswith(
        "subscription 'Gone' is not in the config any more: rows of its time, before"
    )
    said = command("status")
    assert "Gone: late rows of before are still billed" in said.out
    assert list(json.loads(command("status", "--json").out)["removed"]) == ["Gone"]
    assert command("check", "--online").code == 0


def test_the_last_subscription_of_all_may_be_replaced(workspace: Workspace, days: Days) -> None:
    """Nothing reaches back for the new name, but the old one's late rows are read all the same."""
    workspace.config([USAGE], source={"overlap": "24h"})
    days.arrive("m1")
    days.run()
    time = days.stamp(hours=3)
    workspace.config([{**OTHER, "beside": ["Usage"]}], source={"overlap": "24h"})
    days.run(hours=1)
    days.arrive("late", at=time)
    assert (days.run(hours=1).sent, days.sent) == (1, ["late", "m1"])


@pytest.mark.parametrize(
    ("hours", "sent"), [(3, ["a-early", "a-m1"]), (-3, ["a-after", "a-early", "a-late", "a-m1"])]
)
def test_retired_says_until_when_a_name_bills(
    workspace: Workspace, days: Days, hours: float, sent: list[str]
) -> None:
    """Three hours before its last run, or three after."""
    workspace.config([version("a", "Gone"), OTHER])
    days.arrive("m1", at=days.stamp(hours=9))
    days.run()
    early, late = days.stamp(hours=5), days.stamp(hours=1)
    workspace.config([OTHER], retired={"Gone": days.stamp(hours=hours)})
    after = days.stamp(hours=-2)
    days.run(hours=6)
    for name, at in (("early", early), ("late", late), ("after", after)):
        days.arrive(name, at=at)
    days.run(hours=1)
    assert days.sent == sent


def test_a_name_that_is_both_a_subscription_and_retired_is_refused(
    workspace: Workspace, command: Callable[..., Said]
) -> None:
    workspace.config([USAGE], retired={"Usage": ago(days=1)})
    refused = command("check")
    assert refused.code == 2
    assert "retired.Usage is the name of a subscription: give that an until, or take this out" in refused.err


def test_a_held_event_of_a_removed_subscription_is_sent_when_it_is_due(
    workspace: Workspace, days: Days
) -> None:
    workspace.config([version("a", "Gone"), OTHER], source={"overlap": "0s"})
    days.arrive("m1", timestamp=days.stamp(hours=-30))
    assert days.run().in_future == 1
    workspace.config([OTHER], source={"overlap": "0s"})
    assert (days.run(hours=12).released, days.sent) == (1, ["a-m1"])


def test_a_held_event_of_after_its_subscription_retired_is_not_sent(workspace: Workspace, days: Days) -> None:
    workspace.config([version("a", "Gone"), OTHER], source={"overlap": "0s"})
    days.arrive("m1", timestamp=days.stamp(hours=-30))
    assert days.run().in_future == 1
    workspace.config([OTHER], source={"overlap": "0s"}, retired={"Gone": days.stamp(hours=2)})
    assert (days.run(hours=12).released, days.sent) == (0, [])


# -------------------------------------------------------------------------------------------- renames


def test_a_renamed_subscription_without_a_word_loses_no_late_row(workspace: Workspace, days: Days) -> None:
    """The old name bills its time, the new one what came after."""
    workspace.config([USAGE])
    days.arrive("m1")
    days.run()
    time = days.stamp(hours=2)
    workspace.config([{**USAGE, "name": "Calls"}])
    days.arrive("late", at=time)
    days.arrive("new", at=days.stamp(hours=-1))
    report = days.run(hours=6)
    assert days.sent == ["late", "m1", "new"]
    assert [report.by_subscription[name]["sent"] for name in ("Calls", "Usage")] == [1, 1]


def test_was_carries_letters_status_and_alarms_over_a_rename(
    workspace: Workspace, days: Days, command: Callable[..., Said]
) -> None:
    """Nothing is read again from the start, and the old name is heard of no more."""
    workspace.config([USAGE])
    days.arrive("bad", context={})
    days.arrive("m1")
    assert days.run().exit_code == 1
    before = json.loads(command("status", "--json").out)["subscriptions"]["Usage"]
    workspace.config([{**USAGE, "name": "Calls", "was": "Usage"}], alarms={"watermark_age": "1h"})
    after = json.loads(command("status", "--json").out)
    assert after["subscriptions"] == {"Calls": before}
    assert "subscription 'Calls' is complete up to" in command("status", "--alarms").out
    again = days.run(hours=1)
    assert (again.sent, again.notes, again.exit_code) == (0, (), 0)
    (letter,) = etl_letters(workspace)
    assert (letter["subscription"], letter["status"], letter["count"]) == ("Calls", "open", 2)
    assert json.loads(command("status", "--json").out)["removed"] == {}


def etl_letters(workspace: Workspace) -> list[dict[str, Any]]:
    found = wiring.state_of(workspace.load()).dead_letters("test", status=None)
    return [{str(key): value for key, value in row.items()} for row in found.to_dict("records")]


def test_was_is_done_once(workspace: Workspace, days: Days) -> None:
    """Also where the old name is used anew, beside it or later; unknown names and deleted lines do no harm."""
    renamed = {**version("a"), "name": "Calls", "was": "Usage"}
    workspace.config([version("a")])
    days.arrive("m1")
    days.run()
    workspace.config([renamed])
    days.run(hours=1)
    reused = version("b", "Usage", trigger='event = "job"')
    workspace.config([renamed, reused])
    days.run(hours=1)
    days.arrive("m2", at=days.stamp(hours=-1), event="job")
    days.run(hours=2)
    assert days.sent == ["a-m1", "a-m2", "b-m2"]
    touched = wiring.state_of(workspace.load()).touched("test", "sandbox")
    assert sorted(name for name, _ in touched) == ["Calls", "Usage"]
    workspace.config([{**renamed, "was": "Never"}, reused])
    assert days.run(hours=1).exit_code == 0
    workspace.config([{**version("a"), "name": "Calls"}, reused])
    assert days.run(hours=1).exit_code == 0
    assert days.sent == ["a-m1", "a-m2", "b-m2"]


def test_two_subscriptions_swap_their_names(workspace: Workspace, days: Days) -> None:
    """Letters and times go over crosswise, once."""
    calls, jobs = version("a", "Calls"), version("b", "Jobs", trigger='event = "job"')
    workspace.config([calls, jobs])
    days.arrive("bad", event="job", userId=None)
    days.run()
    assert {(x["subscription"], x["message_id"]) for x in etl_letters(workspace)} == {
        ("Calls", "bad"),
        ("Jobs", "bad"),
    }
    swapped = [{**calls, "name": "Jobs", "was": "Calls"}, {**jobs, "name": "Calls", "was": "Jobs"}]
    for _ in range(3):
        workspace.config(swapped)
        assert days.run(hours=1).exit_code == 0
    ids = {(x["letter"], x["subscription"]) for x in etl_letters(workspace)}
    workspace.config([calls, jobs])
    assert len(ids) == 2
    touched = wiring.state_of(workspace.load()).touched("test", "sandbox")
    assert len(touched) == 2


def test_a_chain_of_renames_in_one_edit(workspace: Workspace, days: Days) -> None:
    """B becomes C, and A becomes B."""
    a, b = version("a", "A"), version("b", "B", trigger='event = "job"')
    workspace.config([a, b])
    days.arrive("m1", event="job")
    days.run()
    time = days.stamp(hours=2)
    workspace.config([{**a, "name": "B", "was": "A"}, {**b, "name": "C", "was": "B"}])
    days.arrive("late", at=time, event="job")
    report = days.run(hours=1)
    assert [report.by_subscription[name]["sent"] for name in ("B", "C")] == [1, 1]
    assert days.sent == ["a-late", "a-m1", "b-late", "b-m1"]


def test_a_rename_and_an_edit_in_one_commit(
    workspace: Workspace, days: Days, command: Callable[..., Said]
) -> None:
    """``was`` makes the new name the old one's successor, so its from is asked for as after any edit."""
    workspace.config([version("a")])
    days.arrive("m1")
    days.run()
    edited = {**version("b", "Calls"), "was": "Usage"}
    workspace.config([edited])
    assert "the trigger or mapping of subscription 'Calls' has changed" in command("run").err
    time = days.stamp(hours=2)
    workspace.config([{**edited, "from": days.since()}])
    days.arrive("late", at=time)
    days.arrive("new", at=days.stamp(hours=-1))
    days.run(hours=2)
    assert days.sent == ["a-late", "a-m1", "b-new"]


@pytest.mark.parametrize(
    ("subscriptions", "problem"),
    [
        ([{**USAGE, "was": "Usage"}], "subscriptions[0].was is its own name"),
        (
            [{**USAGE, "was": "A"}, {**OTHER, "was": "A"}],
            'subscriptions[1].was is "A", as is that of "Usage": only one can take its place',
        ),
    ],
)
def test_renames_that_contradict_each_other_are_refused(
    workspace: Workspace, command: Callable[..., Said], subscriptions: list[dict[str, Any]], problem: str
) -> None:
    workspace.config(subscriptions)
    refused = command("check")
    assert refused.code == 2
    assert problem in refused.err
