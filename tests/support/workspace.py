"""A folder with an export, a config and a state, as a user of the job has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

import etl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etl.standin import Standin

SCALARS = ("messageId", "type", "event", "userId", "anonymousId", "timestamp", "receivedAt")
OBJECTS = ("context", "properties", "integrations")
USAGE = {"name": "Usage"}


def ago(**how_long: float) -> str:
    """RFC 3339 with milliseconds, so long ago."""
    moment = datetime.now(UTC) - timedelta(**how_long)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def track(message_id: str, **changes: Any) -> dict[str, Any]:
    """A track event of two hours ago; ``changes`` replace top-level keys, None removes one."""
    event = {
        "messageId": message_id,
        "type": "track",
        "event": "api_call",
        "userId": "u1",
        "timestamp": ago(hours=2),
        "receivedAt": ago(hours=2),
        "context": {"groupId": "acme"},
        "properties": {"count": 1, "region": "eu"},
    }
    return {key: value for key, value in (event | changes).items() if value is not None}


@dataclass
class Said:
    """What a command ended with, and what it printed."""

    code: int
    out: str
    err: str


@dataclass
class Workspace:
    """``path``: the folder. ``options`` are merged into the config's sections."""

    path: Path
    standin: Standin
    state: str = "sqlite:///state.db"
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.path / "tracks").mkdir(exist_ok=True)
        self.env = {"METRONOME_BEARER_TOKEN": self.standin.token, **self.env}

    def write(self, events: Sequence[dict[str, Any]], name: str = "a.parquet") -> Path:
        """Events as JSON text columns of one Parquet file."""
        columns: dict[str, pa.Array] = {
            key: pa.array([event.get(key) for event in events], pa.string()) for key in SCALARS
        }
        for key in OBJECTS:
            texts = [json.dumps(event[key]) if key in event else None for event in events]
            columns[key] = pa.array(texts, pa.string())
        path = self.path / "tracks" / name
        pq.write_table(pa.table(columns), path)
        return path

    def config(self, subscriptions: Sequence[dict[str, Any]] = (USAGE,), **sections: Any) -> Path:
        """Write the config; ``sections`` are merged over the defaults (JSON is YAML)."""
        content: dict[str, Any] = {
            "pipeline": "test",
            "source": {"type": "parquet", "path": "tracks/", "start": ago(days=40)},
            "subscriptions": list(subscriptions),
            "destination": {
                "account": "sandbox",
                "base_url": self.standin.url,
                "api_token": "${METRONOME_BEARER_TOKEN}",
                "events_per_second": 1_000_000,
            },
            "state": {"url": self.state},
        }
        for section, values in sections.items():
            content[section] = content.get(section, {}) | values if isinstance(values, dict) else values
        path = self.path / "etl.yml"
        path.write_text(json.dumps(content, indent=1))
        return path

    def load(self) -> etl.Config:
        """The config, with this workspace's environment."""
        return etl.load_config(self.path / "etl.yml", self.env)

    def run(self, **options: Any) -> etl.Report:
        """``etl.run`` of the config."""
        return etl.run(self.load(), **options)

    def cli(self, *arguments: str, timeout: float = 60, **options: Any) -> subprocess.CompletedProcess[str]:
        """The real command, in a process of its own, in this folder."""
        return subprocess.run(
            [sys.executable, "-m", "etl", *arguments],
            cwd=self.path,
            env=os.environ | self.env,
            text=True,
            capture_output=True,
            timeout=timeout,
            check=False,
            **options,
        )
