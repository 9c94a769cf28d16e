"""Baseline (b): the fastest script for the same wire work that knows no state, no duplicates and no validation.

``python -m benchmarks.baselines.by_hand FILE URL``: Polars makes the JSON in a thread, outside the interpreter's
lock, and aiohttp on uvloop sends it, 100 events a request over 16 connections.
"""

from __future__ import annotations

import asyncio
import sys
from queue import Queue
from threading import Thread

import aiohttp
import polars as pl
import pyarrow.parquet as pq
import uvloop

CHUNK, CONNECTIONS = 100, 16
HEADERS = {"content-type": "application/json", "authorization": "Bearer x"}
COLUMNS = ["type", "event", "messageId", "timestamp", "context", "properties"]
STAMP = pl.col("timestamp").dt.to_string("iso:strict").str.replace("+00:00", "Z", literal=True)


def typed(frame: pl.DataFrame) -> pl.Series:
    """JSON text per track event."""
    event = pl.struct(
        transaction_id="messageId",
        customer_id=pl.col("context").struct.field("groupId"),
        timestamp=STAMP,
        event_type="event",
        properties="properties",
    )
    return frame.filter(pl.col("type") == "track").select(body=event.struct.json_encode())["body"]


def text(frame: pl.DataFrame) -> pl.Series:
    """The same where properties and context are JSON text, which is sent on as it is."""
    group = pl.col("context").str.json_path_match("$.groupId")
    pieces = (
        *('{"transaction_id":"', pl.col("messageId"), '","customer_id":"', group, '","timestamp":"', STAMP),
        *('","event_type":"', pl.col("event"), '","properties":', pl.col("properties"), "}"),
    )
    event = pl.concat_str(pl.lit(p) if isinstance(p, str) else p for p in pieces)
    return frame.filter(pl.col("type") == "track").select(body=event)["body"]


def requests(path: str, queue: Queue[list[bytes] | None]) -> None:
    """Bodies of requests, a batch of the file at a time."""
    file = pq.ParquetFile(path)
    encode = text if file.schema_arrow.field("properties").type == "string" else typed
    left: list[str] = []
    for batch in file.iter_batches(50_000, columns=COLUMNS):
        left += encode(pl.from_arrow(batch)).to_list()  # type: ignore[arg-type]
        whole = len(left) // CHUNK * CHUNK
        queue.put([f"[{','.join(left[i : i + CHUNK])}]".encode() for i in range(0, whole, CHUNK)])
        left = left[whole:]
    if left:
        queue.put([f"[{','.join(left)}]".encode()])
    queue.put(None)


async def send(path: str, url: str) -> None:
    """Read, encode and send everything."""
    queue: Queue[list[bytes] | None] = Queue(2)
    Thread(target=requests, args=(path, queue), daemon=True).start()
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:
        while (bodies := await asyncio.to_thread(queue.get)) is not None:
            waiting = iter(bodies)
            await asyncio.gather(*(_post_all(session, url, waiting) for _ in range(CONNECTIONS)))


async def _post_all(session: aiohttp.ClientSession, url: str, waiting: object) -> None:
    for body in waiting:  # type: ignore[attr-defined]
        async with session.post(url, data=body) as answer:
            await answer.read()
            answer.raise_for_status()


if __name__ == "__main__":
    uvloop.run(send(sys.argv[1], sys.argv[2] + "/v1/ingest"))
