"""Sent logs with millions of ids in them, as earlier runs would have left them."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.data import FOLDER
from etl.core.ids import digests, transaction_keys
from etl.core.ports import RunPlan
from etl.core.report import Counts
from etl.core.windows import Window
from etl.state import open_state
from etl.state.schema import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GROUP = 40_000
_TEXT = pd.ArrowDtype(pa.string())


def filled(ids: int) -> Path:
    """A SQLite state with so many ids; made once and kept under ``benchmarks/data``: see ``copy_filled``."""
    path = FOLDER / f"sent-log-{ids}-{VERSION}.db"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        making = path.with_suffix(".making")
        making.unlink(missing_ok=True)
        fill(f"sqlite:///{making}", ids)
        for left in ("-wal", "-shm"):
            making.with_name(making.name + left).unlink(missing_ok=True)
        shutil.move(making, path)
    return path


def copy_filled(ids: int, to: Path) -> None:
    """A copy, on the disk: else the next run would wait until it got there."""
    shutil.copy(filled(ids), to)
    os.sync()


def fill(url: str, ids: int) -> None:
    """Record ``ids`` usage events, through the state's own door."""
    past = datetime.now(UTC) - timedelta(days=30)
    window = Window(past, past + timedelta(hours=1))
    plan = RunPlan("earlier", "bench", "ad-hoc", window, [], {}, "earlier")
    store = open_state(url, retention=timedelta(days=100))
    with store.begin(plan) as run:
        for frame in _frames(ids):
            run.record(frame, [], Counts())
        run.complete(Counts(), [])


def _frames(ids: int) -> Iterator[pd.DataFrame]:
    rng = np.random.default_rng(7)
    for first in range(0, ids, _GROUP):
        size = min(_GROUP, ids - first)
        numbers = rng.bytes(16 * size).hex().encode()
        hexes = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), size, [None, pa.py_buffer(numbers)])
        texts = pc.binary_join_element_wise("ajs-next-", hexes.cast(pa.binary()).cast(pa.string()), "")
        column = pd.Series(texts, dtype=_TEXT)
        yield pd.DataFrame(
            {
                "transaction_id": column,
                "key": transaction_keys(column),
                "digest": digests(column),
                "subscription": _same("default", size),
                "customer_id": _same("acct_0001", size),
                "event_type": _same("api_request", size),
                "timestamp": _same("2026-11-01T00:00:00.000Z", size),
            }
        )


def _same(text: str, size: int) -> pd.Series:
    return pd.Series(pa.repeat(pa.scalar(text), size), dtype=_TEXT)
