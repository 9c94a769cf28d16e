"""Frames of usage events, and the run of a delivery from chunks to results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from etl.core.errors import MetronomeError
from etl.metronome.client import Metronome
from etl.pipeline.chunks import chunks
from tests.metronome.fake_time import FakeTime

if TYPE_CHECKING:
    from etl.core.ports import Chunk, ChunkResult
    from etl.metronome.delivery import MetronomeDelivery

TOKEN = "tok-3f9a-very-secret"
TEXT = pd.ArrowDtype(pa.string())


def usage_events(
    count: int, *, timestamp: str = "2026-11-20T11:00:00.000Z", **properties: Any
) -> pd.DataFrame:
    """``count`` usage events with ids ``t0``, ``t1``…; columns as the pipeline has them."""
    events = [
        {
            "transaction_id": f"t{i}",
            "customer_id": "acme",
            "timestamp": timestamp,
            "event_type": "api_request",
            "properties": {"n": 1000 + i, **properties},
        }
        for i in range(count)
    ]
    columns = {
        "transaction_id": [e["transaction_id"] for e in events],
        "timestamp": [e["timestamp"] for e in events],
        "body": [json.dumps(e, separators=(",", ":")) for e in events],
    }
    return pd.DataFrame({name: pd.Series(values, dtype=TEXT) for name, values in columns.items()})


def metronome(url: str, **settings: Any) -> Metronome:
    settings = {
        "account": "test",
        "events_per_second": 1e9,
        "clock": FakeTime(),
        "timeout": 20.0,
        **settings,
    }
    return Metronome(url, lambda: TOKEN, **settings)


def submit(delivery: MetronomeDelivery, chunk: Chunk) -> None:
    """Hands it over once there is room, as the pipeline does. Raises ``MetronomeError`` once stopped."""
    while not delivery.offer([chunk]):
        delivery.ready()


def deliver(
    destination: Metronome, events: pd.DataFrame, size: int = 100
) -> tuple[list[ChunkResult], MetronomeError | None]:
    """Everything submitted and drained; the results, and what stopped the delivery if something did."""
    results: list[ChunkResult] = []
    failure: MetronomeError | None = None
    with destination.open() as delivery:
        try:
            for chunk in chunks(events, max_events=size):
                submit(delivery, chunk)
                results += delivery.results()
        except MetronomeError as error:
            failure = error
        try:
            delivery.drain(timeout=30)
        except MetronomeError as error:
            assert failure is None
            failure = error
        results += delivery.results()
        assert delivery.in_flight == 0
    return results, failure


def outcomes(results: list[ChunkResult]) -> dict[str, str]:
    """transaction_id → ``sent``, ``too_old`` or the reason of its refusal."""
    found = {}
    for result in results:
        for row in range(result.chunk.start, result.chunk.stop):
            outcome = "too_old" if row in result.too_old else result.refused.get(row, "sent")
            found[result.chunk.events["transaction_id"].iloc[row]] = outcome
    return found
