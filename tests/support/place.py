"""A folder as the reader of a page has it: an export, a config that bills the stand-in, a shell with ``etl``."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

import etl
from etl.standin import Standin
from etl.standin.samples import SampleEvents, json_text, write_parquet

#: The day on which the docs play: their dates move with today.
DOCS_TODAY = date(2026, 11, 21)
EVENTS, DAYS = 300, 6


#: A subscription as Segment's Public API answers it.
SEGMENTS = {
    "id": "s1",
    "name": "Send track events to Metronome",
    "actionId": "a1",
    "actionSlug": "sendEvent",
    "destinationId": "d1",
    "enabled": True,
    "trigger": 'type = "track"',
    "settings": {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": {"@path": "$.context.groupId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"@path": "$.properties"},
    },
}


@dataclass
class Place:
    """A folder as the reader of a page has it."""

    path: Path
    standin: Standin
    programs: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path.mkdir()
        start = datetime.now(UTC) - timedelta(days=DAYS)
        sample = SampleEvents(EVENTS, start=start, days=DAYS).table()
        write_parquet(self.path / "exports" / "tracks", sample, by_day=True)
        texts = json_text(sample.combine_chunks().to_struct_array().combine_chunks()).to_pylist()
        (self.path / "sample.ndjson").write_text("".join(f"{text}\n" for text in texts))
        self.env = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(self.path),
            "METRONOME_BEARER_TOKEN": self.standin.token,
            "METRONOME_SANDBOX_TOKEN": self.standin.token,
        }
        self.run(f"etl init --source parquet --path exports/tracks/ --start {start.date()}")
        self._record()
        answer = {"data": {"subscriptions": [SEGMENTS]}}
        (self.path / "subscriptions.json").write_text(json.dumps(answer))

    def _record(self) -> None:
        """What Segment sent for the sample, as its destination would have: one usage event a line."""
        ran = self.run("etl map -c etl.yml sample.ndjson -q")
        bodies = [line["body"] for line in map(json.loads, ran.stdout.splitlines()) if line["body"]]
        (self.path / "recorded.ndjson").write_text("".join(f"{json.dumps(body)}\n" for body in bodies))

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """In bash; configs that it makes bill the stand-in."""
        ran = subprocess.run(
            ["bash", "-c", self.placed(line)],
            cwd=self.path,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for config in self.path.rglob("*.yml"):
            text = config.read_text()
            if "base_url:" not in text:
                config.write_text(
                    text.replace("destination:\n", f"destination:\n  base_url: {self.standin.url}\n")
                )
        return ran

    def placed(self, line: str) -> str:
        """The line with this folder's places, today's dates, and a run and a letter that there are."""
        line = re.sub(r"/etc/etl/|/srv/\w+/|/var/lib/etl/|/opt/etl/bin/", "", line)
        assert not re.search(r"\s/(etc|usr|opt|var|srv)/", line), line
        line = re.sub(r"2026-1[0-2]-\d\d", lambda found: moved(found[0]), line)
        if "RUN_ID" in line or re.search(r"\b\d{8}T\d{6}Z-\w{8}\b", line):
            line = re.sub(r"RUN_ID|\d{8}T\d{6}Z-\w{8}", self.newest_run(), line)
        if "NUMBER" in line:
            line = line.replace("NUMBER", str(self.open_letter()))
        return line

    def open_letter(self) -> int:
        return int(etl.dead_letters(etl.load_config(self.path / "etl.yml", self.env))["letter"].iloc[0])

    def edit(self, **sections: object) -> None:
        """Sections of etl.yml, as somebody types them in; None leaves one out."""
        yaml = YAML()
        config = yaml.load(self.path / "etl.yml")
        for name, section in sections.items():
            config[name] = {**config.get(name, {}), **section} if isinstance(section, dict) else section
        yaml.dump(config, self.path / "etl.yml")

    def receive(self, **changes: object) -> None:
        """A track event of two days ago comes into a file of its own."""
        day = datetime.now(UTC).date() - timedelta(days=2)
        at = f"{day}T12:00:00Z"
        event = {
            "type": "track",
            "event": "api_request",
            "userId": "u",
            "timestamp": at,
            "receivedAt": at,
            "properties": "{}",
        }
        columns = {name: pa.array([text], pa.string()) for name, text in {**event, **changes}.items()}
        pq.write_table(
            pa.table(columns), self.path / "exports" / "tracks" / f"{changes['messageId']}.parquet"
        )

    def forget(self, name: str) -> None:
        """Files of events that came on their own are gone."""
        for path in (self.path / "exports" / "tracks").glob(f"{name}*.parquet"):
            path.unlink()

    def newest_run(self) -> str:
        return str(etl.runs(etl.load_config(self.path / "etl.yml", self.env))["run_id"].iloc[0])


def moved(day: str) -> str:
    return (date.fromisoformat(day) + (datetime.now(UTC).date() - DOCS_TODAY)).isoformat()
