"""What ``etl demo`` shows the job on: a folder with sample events and a config, made anew each time."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from etl.core.errors import ConfigError
from etl.core.windows import Window, rfc3339
from etl.standin.samples import SampleEvents, write_parquet

if TYPE_CHECKING:
    from pathlib import Path

    from etl.config import Config

#: Opens nothing but the stand-in that the demo starts.
TOKEN = "demo-token"  # noqa: S105
_MADE_HERE = ("tracks", "state", "etl-demo.yml", "report.html")
_START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
WINDOW = Window(_START, _START + timedelta(days=1))

_CONFIG = """\
# Made by `etl demo`: Segment's default mapping over a Parquet export.
pipeline: demo
source:
  type: parquet
  path: tracks/
  start: {start}
subscriptions:
  - name: Send track events to Metronome
    trigger: type = "track"
    mapping:
      transaction_id: {{"@path": "$.messageId"}}
      customer_id:    {{"@path": "$.context.groupId"}}
      timestamp:      {{"@path": "$.timestamp"}}
      event_type:     {{"@path": "$.event"}}
      properties:     {{"@path": "$.properties"}}
destination:
  account: demo
  base_url: {url}        # the stand-in; it runs only while the demo does
  api_token: ${{METRONOME_BEARER_TOKEN:-}}
  events_per_second: 100000
state:
  url: sqlite:///state/etl.db
"""


def prepare(folder: Path, events: int) -> None:
    """A day of sample events in ``folder``; what an earlier demo left there is removed.

    Raises ``ConfigError`` when the folder holds anything else.
    """
    strange = sorted(p.name for p in folder.iterdir() if p.name not in _MADE_HERE) if folder.exists() else []
    if strange:
        raise ConfigError(f"{folder} holds {strange[0]}, which no demo made; name another folder with --dir")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_parquet(folder / "tracks", SampleEvents(events, start=_START, awkward=True), by_day=True)


def write_config(folder: Path, url: str) -> Path:
    """The demo's config, billing the stand-in at ``url``."""
    path = folder / "etl-demo.yml"
    path.write_text(_CONFIG.format(start=rfc3339(_START), url=url))
    return path


def write_report(folder: Path, config: Config) -> Path:
    """The HTML report of the demo's runs."""
    from etl.operations.report import collect, period, render
    from etl.pipeline.wiring import state_of

    now = datetime.now(UTC)
    path = folder / "report.html"
    page = render(collect(config, state_of(config), period(config, now - timedelta(days=1), now, now)))
    path.write_text(page, encoding="utf-8")
    return path
