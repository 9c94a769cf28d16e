"""The transform alone (match, map, check, encode): ours, the tests' plain reference, and Segment's own packages.

``seconds`` are of one pass over events that are in memory already, in one process.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.data import FOLDER
from etl.core.subscription import Subscription
from etl.core.windows import Window
from etl.sources.parquet import ParquetSource
from etl.transform import compile_subscription, event_json
from etl.transform.columns.tracks import Events
from tests.reference import outcome, parse_json

if TYPE_CHECKING:
    from benchmarks.data import Data
    from etl.core.ports import EventBatch

#: Segment's packages at fixed versions; the overrides are the versions that they work with together.
PACKAGES = {
    "dependencies": {
        "@segment/actions-core": "3.170.0",
        "@segment/destination-subscriptions": "3.37.0",
        "dayjs": "1.11.23",
        "liquidjs": "10.30.1",
    },
    "overrides": {"@segment/fql-ts": "1.10.1", "fast-uri": "3.1.0"},
}
_BATCH = 50_000


@dataclass(frozen=True)
class Pass:
    """One pass over ``events`` events."""

    events: int
    seconds: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


def batches(data: Data) -> list[EventBatch]:
    """Everything, as the job's source gives it."""
    source = ParquetSource(str(data.path), batch_rows=_BATCH)
    paths = {(key,) for key in ("type", "event", "messageId", "userId", "timestamp", "context", "properties")}
    return list(source.batches(Window(data.since, data.until), paths))


def ours(held: list[EventBatch], subscription: dict[str, Any]) -> Pass:
    """The job's transform."""
    compiled = compile_subscription(Subscription("bench", subscription["trigger"], subscription["mapping"]))
    began, events = time.perf_counter(), 0
    for batch in held:
        roots = Events(batch.table, batch.layout)
        mask, _ = compiled.match(roots)
        compiled.map(roots.take(np.flatnonzero(mask)))
        events += len(roots)
    return Pass(events, time.perf_counter() - began)


def texts(data: Data, count: int) -> list[str]:
    """The first events as JSON text."""
    table = pq.ParquetFile(data.file).read_row_group(0).slice(0, count)
    columns = [name for name in table.column_names if name != "receivedAt"]
    return event_json(Events(table.select(columns), "segment"), range(count))


def reference(events: list[dict[str, Any]], subscription: dict[str, Any]) -> Pass:
    """The reference of the tests, event by event."""
    began = time.perf_counter()
    for event in events:
        outcome(event, subscription["trigger"], subscription["mapping"])
    return Pass(len(events), time.perf_counter() - began)


def parsed(lines: list[str]) -> list[dict[str, Any]]:
    """Events as the reference takes them."""
    return [parse_json(line) for line in lines]


class Segment:
    """Segment's published packages in Node, installed under ``benchmarks/data``; ``missing`` tells why not."""

    def __init__(self) -> None:
        self._folder = FOLDER / "segment"
        self.missing = self._install()

    def _install(self) -> str:
        if not (shutil.which("node") and shutil.which("npm")):
            return "node or npm is not installed"
        if not (self._folder / "node_modules" / "liquidjs").is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "package.json").write_text(json.dumps({"private": True, **PACKAGES}))
            command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
            try:
                subprocess.run(command, cwd=self._folder, check=True, capture_output=True, timeout=180)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                return "npm could not install Segment's packages"
        return ""

    def run(self, lines: list[str], subscription: dict[str, Any]) -> Pass:
        """One pass, in a process of its own, after a warm-up."""
        (self._folder / "events.ndjson").write_text("\n".join(lines))
        (self._folder / "subscription.json").write_text(json.dumps(subscription))
        script = Path(__file__).parent / "baselines" / "segment.cjs"
        command = ["node", str(script), "events.ndjson", "subscription.json"]
        said = subprocess.run(command, cwd=self._folder, check=True, capture_output=True, text=True).stdout
        done = json.loads(said)
        return Pass(done["events"], done["seconds"])
