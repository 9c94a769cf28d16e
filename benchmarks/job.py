"""One run of the job as its users run it (``etl run`` in a process of its own), checked from outside."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.measured import Measured, measure
from etl.core.subscription import DEFAULT_MAPPING, DEFAULT_TRIGGER

if TYPE_CHECKING:
    from benchmarks.data import Data
    from benchmarks.sink import Sink

DEFAULT = {"trigger": DEFAULT_TRIGGER, "mapping": DEFAULT_MAPPING}
#: Three conditions, which every track event meets, and a mapping that looks into objects and builds new ones.
NESTED: dict[str, Any] = {
    "trigger": 'type = "track" and properties.region != "us-gov-1" and properties.duration_ms > 0',
    "mapping": {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": {
            "@if": {
                "exists": {"@path": "$.context.groupId"},
                "then": {"@path": "$.context.groupId"},
                "else": {"@path": "$.userId"},
            }
        },
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@template": "usage_{{event}}"},
        "properties": {
            "region": {"@path": "$.properties.region"},
            "source": "segment",
            "usage": {
                "bytes": {"@path": "$.properties.bytes"},
                "cost": {"@path": "$.properties.cost"},
                "job": {"id": {"@path": "$.properties.jobId"}, "zone": {"@path": "$.properties.meta.zone"}},
                "seconds": {"@path": "$.properties.duration_ms"},
            },
        },
    },
}


@dataclass(frozen=True)
class Ran:
    """``sent``: usage events of this run."""

    measured: Measured
    sent: int
    requests: int
    bytes: int

    @property
    def rate(self) -> float:
        """Usage events a second, wall-clock, from the process's start to its end."""
        return self.sent / self.measured.wall


class Workplace:
    """A folder with a state of its own, for runs of one config; a context manager."""

    def __init__(
        self,
        data: Data,
        sink: Sink,
        subscriptions: list[dict[str, Any]] | None = None,
        state: str | None = None,
        **source: str,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="etl-bench-"))
        self.data, self.sink = data, sink
        self.database = self.folder / "state.db"
        config = {
            "pipeline": "bench",
            "source": {"type": "parquet", "path": str(data.path), **source},
            "subscriptions": subscriptions or [{"name": "default", **DEFAULT}],
            "destination": {
                "account": "bench",
                "base_url": sink.url,
                "api_token": "${BENCH_TOKEN}",
                # No limit: Metronome's own is the goal, not the bound, of this measurement.
                "events_per_second": 10_000_000,
            },
            "state": {"url": state or f"sqlite:///{self.database}"},
        }
        self.config = self.folder / "etl.yml"
        self.config.write_text(json.dumps(config))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *options: str) -> list[str]:
        """``etl run`` over the day of the data."""
        window = ["--since", self.data.since.isoformat()]
        window += ["--until", (self.data.until + timedelta(hours=1)).isoformat()]
        run = ["-m", "etl", "run", "--config", str(self.config), "--json", "--quiet"]
        return [sys.executable, *run, *(options or window)]

    def run(self, *options: str) -> Ran:
        """Run, and hold the books of the job against what the sink got."""
        self.sink.forget()
        measured = measure(self.command(*options), BENCH_TOKEN="bench")
        counts = json.loads(measured.output)
        got = self.sink.got()
        _same("requests seen by the sink and reported", got.requests, counts["requests"])
        return Ran(measured, counts["sent"], got.requests, got.bytes)

    def run_checked(self) -> Ran:
        """A first run of the data by one subscription: every id expected is in the sent log, and no other."""
        ran = self.run()
        _same("track events and events sent", self.data.tracks, ran.sent)
        expected, recorded = _expected(self.data), self._recorded()
        _same("rows in the sent log", len(expected), len(recorded))
        _same(
            "ids accepted and expected", 0, int(pc.sum(pc.invert(pc.is_in(recorded, expected))).as_py() or 0)
        )
        return ran

    def _recorded(self) -> pa.Array:
        with sqlite3.connect(self.database) as connection:
            return pa.array(
                [i for (i,) in connection.execute("SELECT transaction_id FROM sent_log")], pa.string()
            )


def _expected(data: Data) -> pa.Array:
    table = pq.read_table(data.file, columns=["type", "messageId"])
    return table.filter(pc.equal(table["type"], "track"))["messageId"].combine_chunks()


def _same(what: str, one: int, other: int) -> None:
    if one != other:
        raise RuntimeError(f"{what} differ: {one:,} and {other:,}")
