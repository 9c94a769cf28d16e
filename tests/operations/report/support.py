"""States to report on: one made by real runs with every outcome, and a month of a schedule by the hour."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import sqlalchemy as sa

import etl
from etl.core.report import Counts
from etl.operations.report import collect, period, render, single_run
from etl.pipeline.wiring import state_of
from etl.state import open_state, schema
from etl.state.schema import microseconds
from tests.state.building import Clock, letter
from tests.support.workspace import Workspace, ago, track

HOSTILE = '</script><script>alert("customer")</script><img src=x onerror=alert(1)>'
SECRET = "the-content-of-an-event"
MAPPING = {
    "transaction_id": {"@path": "$.messageId"},
    "customer_id": {"@path": "$.context.groupId"},
    "timestamp": {"@path": "$.timestamp"},
    "event_type": {"@path": "$.event"},
    "properties": {"@path": "$.properties"},
}
POINTING = {
    **MAPPING,
    "transaction_id": {"@template": "pointed-{{messageId}}"},
    "event_type": {"@path": {"@path": "$.properties.pointer"}},
}
SUBSCRIPTIONS = [
    {"name": "All usage", "trigger": 'type = "track" and event != "pointed"', "mapping": MAPPING},
    {"name": 'Pointed <b>"&', "trigger": 'event = "pointed"', "mapping": POINTING},
]


def every_outcome(workspace: Workspace) -> etl.Config:
    """Runs against the stand-in, in which every outcome occurs, several stages, a retry and a stopped run."""
    standin = workspace.standin
    standin.configure(poison_prefix="poison")
    config = {"source": {"batch_rows": 50, "start": ago(days=3)}, "breaker": {"enabled": False}}
    workspace.config(SUBSCRIPTIONS, **config)
    customers = ["acme", "globex", HOSTILE, "x" * 300, "line\nbreak\u202e\0end", "ünïcode ✓"]
    good = [
        track(
            f"m{i}", event=["api_call", "job", "storage_gb"][i % 3], timestamp=ago(hours=1 + i % 60),
            context={"groupId": customers[i % len(customers)]}, properties={"text": SECRET, "n": i},
        )
        for i in range(400)
    ]  # fmt: skip
    workspace.write([*good, *_troubles()], "a.parquet")
    standin.configure(faults=[{"kind": "status", "status": 503, "rate": 1, "times": 2, "retry_after": "0"}])
    workspace.run()
    changed = [track(f"m{i}", properties={"changed": i}) for i in range(7)]
    workspace.write([*changed, *good[10:30], *(track(f"late{i}") for i in range(120))], "b.parquet")
    interrupt = Interrupted(2)
    with suppress(etl.InterruptedRunError):
        workspace.run(progress=interrupt, interrupted=interrupt.event)
    return workspace.load()


def _troubles() -> list[dict[str, Any]]:
    nobody: dict[str, Any] = {"context": {}, "properties": {"text": SECRET}}
    return [
        *(track("twice") for _ in range(3)),
        *(track(f"nobody{i}", **nobody) for i in range(5)),
        *(track(f"old{i}", timestamp=ago(days=36)) for i in range(4)),
        *(track(f"ahead{i}", timestamp=ago(hours=-30)) for i in range(2)),
        *(track(f"poison-{i}") for i in range(3)),
        track("long" * 50),
        track("no-date", timestamp="whenever"),
        track("pointed-1", event="pointed", properties={"pointer": 5, "text": SECRET}),
        track("null-context", context=None),
        *(track(f"broken{i}", receivedAt="not a time") for i in range(2)),
        track("page", type="page", event="viewed"),
    ]


class Interrupted:
    """Interrupts a run at its n-th batch."""

    def __init__(self, batches: int) -> None:
        self.left = batches
        self.event = threading.Event()

    def update(self, *_: Any) -> None:
        self.left -= 1
        if not self.left:
            self.event.set()


DAY = datetime(2026, 11, 1, tzinfo=UTC)


def month(url: str, config: etl.Config, days: int = 30, events: int = 20) -> datetime:
    """A schedule by the hour for ``days``, with a night in which it stood still, retries and letters; its end.

    Written past the state's own functions, all at once: 700 runs that sync their commits would take minutes.
    """
    clock = Clock(DAY)
    store = open_state(url, retention=timedelta(days=100), now=clock)
    tables = _Tables(config, Random(7), DAY - timedelta(hours=1))
    for hour in range(days * 24):
        if not 200 <= hour < 209:
            tables.run(DAY + timedelta(hours=hour, minutes=3), hour, events)
    with store.database.written() as connection:
        for table, rows in tables.rows().items():
            connection.execute(table.insert(), rows)
    return tables.reached


class _Tables:
    """The rows of the state's tables after a schedule by the hour."""

    def __init__(self, config: etl.Config, random: Random, reached: datetime) -> None:
        self.pipeline, self.account = config.pipeline, config.destination.account
        self.names = [s.name for s in config.subscriptions]
        self.random, self.reached = random, reached
        self.runs: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.letters: list[dict[str, Any]] = []

    def run(self, now: datetime, hour: int, least: int) -> None:
        stopped, events = hour % 97 == 50, least + self.random.randrange(least)
        broken = int(hour % 5 == 0)
        counts = Counts(
            read=events + 30, filtered=20, requests=3, retries=self.random.randrange(3) * (hour % 11 == 0)
        )
        pairs = counts.of(self.names[0])
        pairs.matched, pairs.sent, pairs.already_sent, pairs.rejected = (
            events + 10,
            events,
            10 - broken,
            broken,
        )
        epoch = len(self.runs) + 1
        self.runs.append(
            {
                "epoch": epoch, "run_id": f"{now:%Y%m%dT%H%M%SZ}-{epoch:08x}", "pipeline": self.pipeline,
                "account": self.account, "kind": "scheduled", "scope": "s", "host": "host", "pid": 1, "started": now,
                "since": self.reached - timedelta(hours=6), "until": now, "counts": json.dumps(counts.as_dict()),
                "ended": now + timedelta(seconds=self.random.randrange(20, 200)),
                "status": "stopped" if stopped else "complete",
                "error": "MetronomeError: Metronome answers 503; gave up after 30 minutes" if stopped else None,
            }
        )  # fmt: skip
        for _ in range(events):
            self.sent.append(self._sent(epoch, now))
        self.letters += [self._letter(epoch, now)] * broken
        self.reached = self.reached if stopped else now

    def _sent(self, epoch: int, now: datetime) -> dict[str, Any]:
        number = len(self.sent) + 1
        return {
            "number": number, "segment": 1, "transaction_id": f"t{number}", "digest": bytes(16),
            "subscription": 1, "customer_id": f"customer-{self.random.randrange(400):04d}",
            "event_type": 2 + self.random.randrange(40), "run": epoch, "sent_at": microseconds(now),
            "event_time": microseconds(now - timedelta(minutes=self.random.randrange(120))),
        }  # fmt: skip

    def _letter(self, epoch: int, now: datetime) -> dict[str, Any]:
        number = len(self.letters) + 1
        return asdict(letter(f"l{number}", subscription=self.names[0])) | {
            "letter": number, "same": number.to_bytes(16), "pipeline": self.pipeline, "account": self.account,
            "count": 7, "first_run": epoch, "last_run": epoch, "first_seen": now, "last_seen": now, "status": "open",
        }  # fmt: skip

    def rows(self) -> dict[sa.Table, list[dict[str, Any]]]:
        texts = [self.names[0], *(f"event_{i}" for i in range(40))]
        first, last = self.runs[0]["started"], self.runs[-1]["started"]
        segment = {
            "segment": 1, "account": self.account, "owner": 1, "rows": len(self.sent), "first_number": 1,
            "last_number": len(self.sent), "first_sent": first, "last_sent": last, "stored_upto": 0,
        }  # fmt: skip
        of = {"pipeline": self.pipeline, "account": self.account}
        whole = {**of, "since": DAY, "until": self.reached}
        return {
            schema.runs: self.runs,
            schema.labels: [{"label": i, "text": text} for i, text in enumerate(texts, 1)],
            schema.sent_log: self.sent,
            schema.sent_segments: [segment],
            schema.dead_letters: self.letters,
            schema.intervals: [{**whole, "subscription": name} for name in self.names],
        }


def page(
    config: etl.Config, since: datetime, until: datetime, now: datetime | None = None, **options: Any
) -> str:
    """The report of a period."""
    state = state_of(config)
    scope = period(config, since, until, now or datetime.now(UTC))
    return render(collect(config, state, scope, **options))


def run_page(config: etl.Config, run_id: str, **options: Any) -> str:
    """The report of a run."""
    state = state_of(config)
    return render(collect(config, state, single_run(config, state, run_id), **options))
