"""The identity of counts and the precedence of outcomes, for generated inputs, faults, dry and interrupted runs.

The events go through real Parquet, real HTTP and a real SQLite state; a few plain lines of Python say what must
become of each pair.
"""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import etl
from etl.core.outcomes import OUTCOMES
from etl.standin import Standin
from tests.support.workspace import Workspace, ago, track

OTHER_IDS = {
    "transaction_id": {"@template": "other-{{messageId}}"},
    "customer_id": {"@path": "$.userId"},
    "timestamp": {"@path": "$.timestamp"},
    "event_type": {"@path": "$.event"},
    "properties": {"@path": "$.properties"},
}
SUBSCRIPTIONS = [
    {"name": "all", "trigger": 'type = "track"'},
    {"name": "calls", "trigger": 'event = "api_call"', "mapping": OTHER_IDS},
]

KINDS = (
    "good",
    "good",
    "good",
    "page",
    "opted_out",
    "no_customer",
    "long_id",
    "old",
    "future",
    "poison",
    "other",
)

kinds = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 30)), max_size=60)
FAULTS = [
    [],
    [{"kind": "status", "status": 503, "rate": 0.2, "retry_after": "0"}],
    [{"kind": "status", "status": 500, "rate": 0.2, "when": "after_taking", "retry_after": "0"}],
    [{"kind": "status", "status": 429, "rate": 0.2, "retry_after": "0"}],
]


def event(kind: str, number: int, content: int) -> dict[str, Any]:
    """An event of a kind; the same number is the same messageId, so numbers make duplicates."""
    message_id = f"m{number}"
    changes: dict[str, Any] = {"properties": {"n": content}, "timestamp": TIME}
    match kind:
        case "page":
            changes["type"] = "page"
            changes["event"] = "viewed"
        case "opted_out":
            changes["integrations"] = {"All": False}
        case "no_customer":
            changes["context"] = {}
        case "long_id":
            message_id = f"m{number}" * 60
        case "old":
            changes["timestamp"] = OLD
        case "future":
            changes["timestamp"] = FUTURE
        case "poison":
            message_id = f"poison-{number}"
        case "other":
            changes["event"] = "job"
    return track(message_id, **changes)


TIME, OLD, FUTURE = ago(hours=2), ago(days=35), ago(hours=-30)


def expected(events: list[dict[str, Any]], sent: dict[str, str]) -> Counter[str]:
    """What becomes of each pair, by the documented precedence; ``sent`` (id → content) is updated."""
    outcomes: Counter[str] = Counter()
    seen: dict[str, str] = {}
    for one in events:
        if one.get("integrations"):
            continue
        for name in ("all", "calls"):
            if (name == "all" and one["type"] != "track") or (name == "calls" and one["event"] != "api_call"):
                continue
            outcomes["matched"] += 1
            outcomes[_outcome(one, name, sent, seen)] += 1
    return outcomes


def _outcome(one: dict[str, Any], name: str, sent: dict[str, str], seen: dict[str, str]) -> str:
    transaction_id = one["messageId"] if name == "all" else f"other-{one['messageId']}"
    content = f"{one['timestamp']} {one['properties']} {one['event']}"
    if (name == "all" and not one["context"]) or len(transaction_id) > 128:
        return "rejected"
    met = transaction_id in seen
    if met and seen[transaction_id] == content:
        return "duplicate"
    seen.setdefault(transaction_id, content)
    if sent.get(transaction_id) == content:
        return "already_sent"
    if met or transaction_id in sent:
        return "drift"
    if one["timestamp"] == OLD:
        return "too_old"
    if one["timestamp"] == FUTURE:
        return "in_future"
    if transaction_id.startswith("poison"):
        return "rejected"
    sent[transaction_id] = content
    return "sent"


def counts_of(report: etl.Report) -> dict[str, int]:
    return {outcome: getattr(report, outcome) for outcome in ("matched", *OUTCOMES)}


def check_identity(report: etl.Report, events: list[dict[str, Any]]) -> None:
    """The identity of counts, in sum and for each subscription; and read = filtered + matched rows."""
    assert report.matched == sum(getattr(report, outcome) for outcome in OUTCOMES)
    for counts in report.by_subscription.values():
        assert counts["matched"] == sum(counts[outcome] for outcome in OUTCOMES)
        assert min(counts.values()) >= 0
    if report.read == len(events):
        billable = [e for e in events if not e.get("integrations")]
        rows = sum(e["type"] == "track" or e["event"] == "api_call" for e in billable)
        assert report.read == report.filtered + rows


def build(events: list[tuple[str, int]], content: int = 0) -> list[dict[str, Any]]:
    return [event(kind, number, content) for kind, number in events]


@pytest.fixture(scope="module")
def poisoned(running_standin: Standin) -> Standin:
    """A stand-in that refuses ids with ``poison`` in front."""
    return running_standin


common = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@common
@given(kinds, kinds, st.sampled_from(FAULTS), st.integers(0, 2**31))
def test_two_runs_count_every_pair_as_the_precedence_says(
    poisoned: Standin,
    first: list[tuple[str, int]],
    second: list[tuple[str, int]],
    faults: list[Any],
    seed: int,
) -> None:
    """A run, then one over more rows, some of them the same, some with other content."""
    sent: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        workspace = prepare(Path(folder), poisoned, faults, seed)
        for number, kinds_of_run in enumerate((first, second)):
            events = build(kinds_of_run, content=number % 2)
            workspace.write(events)
            dry = workspace.run(since=ago(days=1), dry_run=True)
            report = workspace.run(since=ago(days=1))
            want = expected(events, dict(sent))
            poison = want["rejected"] - dry.rejected
            assert dry.unsent == want["sent"] + poison
            check_identity(dry, events)
            want = expected(events, sent)
            assert counts_of(report) == {o: want[o] for o in ("matched", *OUTCOMES)}
            check_identity(report, events)
            assert report.complete
            assert not dry.complete
        assert set(poisoned.ids()) == set(sent)
        assert poisoned.stats()["accepted"] == len(sent)


@common
@given(st.integers(1, 400), st.integers(0, 6))
def test_an_interrupted_run_balances_and_the_next_one_sends_the_rest(
    poisoned: Standin, number: int, batches: int
) -> None:
    """Interrupted before its n-th batch: what was sent is recorded, what was not is unsent; then all is sent."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = prepare(Path(folder), poisoned, [], 0, batch_rows=50)
        events = [track(f"m{i}") for i in range(number)]
        workspace.write(events)
        interrupted = threading.Event()

        class Interrupt:
            def __init__(self) -> None:
                self.left = batches

            def update(self, *_: Any) -> None:
                self.left -= 1
                if self.left <= 0:
                    interrupted.set()

        try:
            report = workspace.run(since=ago(days=1), progress=Interrupt(), interrupted=interrupted)
        except etl.InterruptedRunError as error:
            report = error.report
            assert report is not None
            assert not report.complete
        check_identity(report, events)
        assert report.sent == len(poisoned.ids())
        rest = workspace.run(since=ago(days=1))
        assert rest.complete
        assert rest.already_sent == report.sent
        check_identity(rest, events)
        assert poisoned.stats()["duplicates"] == 0
        assert set(poisoned.ids()) == {e["messageId"] for e in events}


def prepare(
    folder: Path, standin: Standin, faults: list[Any], seed: int, batch_rows: int = 65_536
) -> Workspace:
    standin.reset()
    standin.configure(poison_prefix="poison", faults=faults, seed=seed)
    workspace = Workspace(folder, standin)
    workspace.config(
        SUBSCRIPTIONS if batch_rows > 1000 else [{"name": "all"}],
        source={"batch_rows": batch_rows},
        breaker={"enabled": False},
    )
    return workspace
