"""Baseline (a): the plain script: pandas rows as dicts, Metronome's own SDK, one request at a time.

``python -m benchmarks.baselines.sdk FILE URL EVENTS``.
"""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import pandas as pd
from metronome import Metronome

if TYPE_CHECKING:
    from collections.abc import Iterator


def usage(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """A usage event per track event."""
    for event in frame.to_dict("records"):
        if event["type"] == "track":
            yield {
                "transaction_id": event["messageId"],
                "customer_id": event["context"]["groupId"],
                "timestamp": event["timestamp"].isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "event_type": event["event"],
                "properties": {**event["properties"], "cost": str(event["properties"]["cost"])},
            }


def main(path: str, url: str, count: int) -> None:
    """Send the first ``count`` rows' track events."""
    events = usage(pd.read_parquet(path).head(count))
    client = Metronome(base_url=url, bearer_token="x")
    while some := list(islice(events, 100)):
        client.v1.usage.ingest(usage=some)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
