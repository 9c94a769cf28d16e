"""Thirty days of a schedule whose rows arrive late at random: every row is billed once, from every kind of storage."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.core.report import Report
from etl.pipeline import wiring
from etl.pipeline.run import run
from tests.support.workspace import Workspace

OVERLAP = timedelta(hours=72)
EVENTS = {"job_done": "Job Done", "api_request": "API Request"}


@dataclass(frozen=True)
class Row:
    id: str
    table: str
    received_at: datetime


@dataclass
class Storage:
    """What a config says of it, and how rows get into it."""

    source: dict[str, Any]
    put: Callable[[Sequence[Row]], None]


# ----------------------------------------------------------------------------------------------- storages


@pytest.fixture
def warehouse(postgres: str) -> Iterator[Storage]:
    """Segment's tables on a real server: ``tracks``, and one table per event."""
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA prod")
        connection.execute("CREATE TABLE prod.tracks (id text, event text, received_at timestamptz)")
        for table in EVENTS:
            connection.execute(
                f"CREATE TABLE prod.{table} (id text, event_text text, context_group_id text, "
                f"received_at timestamptz, timestamp timestamptz, tokens bigint)"
            )

        def put(rows: Sequence[Row]) -> None:
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO prod.tracks VALUES (%s, %s, %s)",
                    [(r.id, r.table, r.received_at) for r in rows],
                )
                for table, text in EVENTS.items():
                    cells = [(r.id, text, "acme", *[r.received_at] * 2) for r in rows if r.table == table]
                    cursor.executemany(f"INSERT INTO prod.{table} VALUES (%s, %s, %s, %s, %s, 7)", cells)

        yield Storage({"type": "warehouse", "url": postgres, "schema": "prod", "tables": "*"}, put)


@pytest.fixture
def lake(tmp_path: Path) -> Storage:
    """Hour partitions; a sync adds files to older hours, or writes the hour's first file anew."""
    held: dict[Path, list[Row]] = {}

    def put(rows: Sequence[Row]) -> None:
        for name, grouped in groupby(sorted(rows, key=folder), key=folder):
            alike = list(grouped)
            number = alike[0].received_at.microsecond // 1000 % 2  # as good as random
            path = tmp_path / "lake" / name / f"part-{number and alike[0].id}.parquet"
            held.setdefault(path, []).extend(alike)
            put_file(path, held[path])

    return Storage({"type": "parquet", "path": "lake/"}, put)


def folder(row: Row) -> str:
    return f"segment_type={row.table}/day={row.received_at:%Y-%m-%d}/hr={row.received_at:%H}"


def put_file(path: Path, rows: Sequence[Row]) -> None:
    moments = pa.array([row.received_at for row in rows], pa.timestamp("ms", "UTC"))
    table = pa.table(
        {
            "message_id": [row.id for row in rows],
            "event": [EVENTS[row.table] for row in rows],
            "type": ["track"] * len(rows),
            "context_group_id": ["acme"] * len(rows),
            "received_at": moments,
            "timestamp": moments,
            "tokens": [7] * len(rows),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sink.getvalue())


# ------------------------------------------------------------------------------------------------ the days


def arrivals(chance: random.Random, before: datetime, now: datetime) -> list[Row]:
    """What is stored between two runs: some new, most of it behind the watermark, but inside the overlap."""
    count = chance.randrange(1, 12)
    lates = [chance.random() < 0.7 for _ in range(count)]
    moments = [
        before - chance.random() * OVERLAP if late else before + chance.random() * (now - before)
        for late in lates
    ]
    return [
        Row(
            f"{now:%d%H%M%S}-{number}", chance.choice(list(EVENTS)), moment.replace(microsecond=number * 1000)
        )
        for number, moment in enumerate(moments)
    ]


class Schedule:
    """Runs of a config, one after the other, by a clock of its own that Metronome shares."""

    def __init__(self, workspace: Workspace, source: dict[str, Any]) -> None:
        self._workspace = workspace
        self.start = self.now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        path = workspace.config()
        content = json.loads(path.read_text())
        start = (self.start - OVERLAP).isoformat()
        path.write_text(json.dumps(content | {"source": {**source, "start": start, "overlap": "72h"}}))

    def run(self) -> Report:
        self._workspace.standin.configure(now=self.now.isoformat())
        return run(wiring.job_of(self._workspace.load(), clock=lambda: self.now))


@pytest.mark.parametrize("kind", ["warehouse", "lake"])
def test_thirty_days_of_late_rows_are_each_billed_once(
    kind: str, workspace: Workspace, request: pytest.FixtureRequest
) -> None:
    """Unchanged parts are skipped all the while: little is read twice, and nothing at all in a quiet overlap."""
    storage: Storage = request.getfixturevalue(kind)
    schedule = Schedule(workspace, storage.source)
    chance = random.Random(kind)
    rows: list[Row] = []
    read = 0
    while schedule.now < schedule.start + timedelta(days=30):
        before = schedule.now
        schedule.now += timedelta(minutes=chance.randrange(18 * 60, 54 * 60))
        new = arrivals(chance, before, schedule.now)
        storage.put(new)
        rows += new
        report = schedule.run()
        assert (report.complete, report.sent) == (True, len(new))
        read += report.read
    assert sorted(workspace.standin.ids()) == sorted(row.id for row in rows)
    assert workspace.standin.stats()["accepted"] == len(rows)
    assert read < 1.7 * len(rows)
    schedule.now = (schedule.now + timedelta(hours=1)).replace(minute=0)
    schedule.run()
    assert schedule.run().read == 0
