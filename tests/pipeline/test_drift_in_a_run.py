"""Two rows of one run with one id: the same content is a duplicate, other content is drift and is listed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from etl.core.ids import digests
from etl.pipeline import wiring
from tests.support.workspace import USAGE, Workspace, ago, track

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.core.report import Report

AT = ago(hours=2)


def calls(count: int, message_id: str = "m1", **changes: Any) -> dict[str, Any]:
    return track(message_id, **{"timestamp": AT, "properties": {"count": count}, **changes})


def one_batch(workspace: Workspace, *events: dict[str, Any]) -> None:
    workspace.config()
    workspace.write(events)


def two_batches(workspace: Workspace, *events: dict[str, Any]) -> None:
    workspace.config(source={"batch_rows": 1})
    workspace.write(events)


def two_files(workspace: Workspace, *events: dict[str, Any]) -> None:
    workspace.config()
    for number, event in enumerate(events):
        workspace.write([event], f"{number}.parquet")


PLACES = pytest.mark.parametrize("place", [one_batch, two_batches, two_files])


def letters(workspace: Workspace) -> list[dict[str, Any]]:
    listed = workspace.cli("dead-letters", "list", "--config", "etl.yml", "--json")
    return list(json.loads(listed.stdout))


def outcomes(report: Report) -> tuple[int, ...]:
    return report.sent, report.already_sent, report.duplicate, report.drift


def digest(body: str) -> str:
    return str(digests(pd.Series([body], dtype=pd.ArrowDtype(pa.string())))[0].hex())


@PLACES
def test_other_content_under_an_id_of_the_run_is_drift(
    workspace: Workspace, place: Callable[..., None]
) -> None:
    """5 calls are billed; the letter of the 999 has the digests of both, and the commands say that one is to look at."""
    place(workspace, calls(5), calls(999), calls(5))
    ran = workspace.cli("run", "--config", "etl.yml", "--json")
    report = json.loads(ran.stdout)
    assert (ran.returncode, report["complete"]) == (1, True)
    counts = [report[name] for name in ("matched", "sent", "duplicate", "drift", "new_letters")]
    assert counts == [3, 1, 1, 1, 1]
    taken = workspace.standin.bodies()["m1"]
    assert json.loads(taken)["properties"] == {"count": 5}
    (listed,) = letters(workspace)
    shown = workspace.cli("dead-letters", "show", "--config", "etl.yml", str(listed["letter"]))
    letter = json.loads(shown.stdout)
    assert (letter["outcome"], letter["transaction_id"]) == ("drift", "m1")
    assert letter["body"]["properties"] == {"count": 999}
    assert (letter["digest"], letter["sent_digest"]) == (
        digest(json.dumps(letter["body"], separators=(",", ":"))),
        digest(taken),
    )
    assert "drift" in workspace.cli("status", "--config", "etl.yml").stdout
    assert "drift" in workspace.cli("report", "--config", "etl.yml").stdout


@PLACES
def test_a_dry_run_counts_it_and_records_nothing(workspace: Workspace, place: Callable[..., None]) -> None:
    """Exit code 1, as the run will have."""
    place(workspace, calls(5), calls(999), calls(5))
    dry = workspace.run(dry_run=True)
    assert (*outcomes(dry), dry.unsent, dry.exit_code) == (0, 0, 1, 1, 1, 1)
    assert letters(workspace) == []


@PLACES
def test_a_redelivery_whose_timestamp_differs_by_milliseconds_is_a_duplicate(
    workspace: Workspace, place: Callable[..., None]
) -> None:
    """Within the run, and in a later one against the sent log; across the full second, too."""
    second = datetime.fromisoformat(AT).replace(microsecond=0)
    stamps = [(second + timedelta(milliseconds=ms)).isoformat() for ms in (0, -3, 4, 999)]
    again = [calls(5, timestamp=stamp) for stamp in stamps]
    place(workspace, *again[:3])
    assert outcomes(workspace.run()) == (1, 0, 2, 0)
    workspace.write([again[3]])
    workspace.write([again[1]], "1.parquet")
    later = workspace.run(since=ago(days=1))
    assert (later.sent, later.drift, later.exit_code) == (0, 0, 0)


def test_another_time_is_other_content(workspace: Workspace) -> None:
    """A second apart they are two events, in the run and against the sent log."""
    later = (datetime.fromisoformat(AT) + timedelta(seconds=1)).astimezone(UTC).isoformat()
    one_batch(workspace, calls(5), calls(5, timestamp=later))
    assert outcomes(workspace.run()) == (1, 0, 0, 1)
    one_batch(workspace, calls(5, timestamp=later))
    assert outcomes(workspace.run(since=ago(days=1))) == (0, 0, 0, 1)
    assert [letter["count"] for letter in letters(workspace)] == [2]


def test_ids_of_a_template_that_is_not_unique(workspace: Workspace) -> None:
    """Each event that an earlier one keeps from being billed is listed."""
    mapping = {
        "transaction_id": {"@template": "{{userId}}-{{event}}"},
        "customer_id": {"@path": "$.userId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"count": {"@path": "$.properties.count"}},
    }
    workspace.config([USAGE | {"mapping": mapping}])
    workspace.write([calls(count, f"m{count}") for count in (1, 2, 3)])
    report = workspace.run()
    assert (*outcomes(report), report.exit_code) == (1, 0, 0, 2, 1)
    assert sorted(letter["message_id"] for letter in letters(workspace)) == ["m2", "m3"]


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        ({"timestamp": ago(days=35)}, "too_old"),
        ({"timestamp": ago(days=-3)}, "in_future"),
        ({"messageId": "bad"}, "rejected"),
    ],
)
def test_an_earlier_pair_counts_whatever_became_of_it(
    workspace: Workspace, first: dict[str, Any], outcome: str
) -> None:
    """Too old, held, or refused by Metronome: other content under its id waits for somebody to look."""
    workspace.standin.configure(poison_prefix="bad")
    name = first.get("messageId", "m1")
    one_batch(workspace, calls(5, **first), calls(999, name), calls(5, **first))
    report = workspace.run()
    counts = {letter["outcome"]: letter["count"] for letter in letters(workspace)}
    assert counts == {outcome: 1, "drift": 1}
    assert (*outcomes(report), report.exit_code) == (0, 0, 1, 1, 1)


def test_a_rejected_pair_does_not_count(workspace: Workspace) -> None:
    """What mapping, schema or limits refused never had the id."""
    one_batch(workspace, calls(5, context={}), calls(999))
    report = workspace.run()
    assert (*outcomes(report), report.rejected) == (1, 0, 0, 0, 1)


def test_what_was_sent_is_no_drift_whatever_else_has_its_id(workspace: Workspace) -> None:
    """The next run meets the other content first: one letter, as before, and none about what was billed."""
    two_files(workspace, calls(5), calls(999))
    assert outcomes(workspace.run()) == (1, 0, 0, 1)
    two_files(workspace, calls(999), calls(5))
    again = workspace.run(since=ago(days=1))
    assert (*outcomes(again), again.exit_code) == (0, 1, 0, 1, 0)
    assert [letter["count"] for letter in letters(workspace)] == [2]


def test_two_subscriptions_that_give_two_events_one_id(workspace: Workspace) -> None:
    """Metronome would keep the first alone."""
    other = {
        "transaction_id": {"@path": "$.properties.id"},
        "customer_id": {"@path": "$.userId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": "other",
        "properties": {},
    }
    workspace.config([USAGE, {"name": "Other", "mapping": other}])
    workspace.write([calls(5, properties={"id": "m1"})])
    report = workspace.run()
    assert outcomes(report) == (1, 0, 0, 1)
    assert report.by_subscription["Other"]["drift"] == 1


def test_a_letter_of_the_run_that_is_retried_is_drift_against_what_was_sent(workspace: Workspace) -> None:
    one_batch(workspace, calls(5), calls(999))
    workspace.run()
    retried = workspace.cli("dead-letters", "retry", "--config", "etl.yml")
    assert workspace.standin.ids() == ["m1"], retried.stdout + retried.stderr
    assert [letter["outcome"] for letter in letters(workspace)] == ["drift"]
    state = wiring.state_of(workspace.load())
    assert len(state.dead_letters("test", status=None)) == 1
