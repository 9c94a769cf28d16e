"""Cuts a frame of usage events into what single requests carry. Pure.

Metronome takes 1 to 100 usage events a request; the size of a body is not documented, so 1 MB is kept to.
The texts stay where Arrow has them: nothing is copied, and no Python runs per event.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from etl.core.ports import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import pandas as pd

MAX_EVENTS = 100
MAX_BYTES = 1_000_000


def chunks(events: pd.DataFrame, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> Iterator[Chunk]:
    """Yields the events of the frame in order, as few chunks as the limits allow.

    Args:
        events: column ``body``, ``string[pyarrow]``, one JSON object each; other columns are carried along.
        max_events: events in a chunk, at most.
        max_bytes: UTF-8 bytes of a chunk's JSON array, at most. An event larger than that gets a chunk of its own.

    Raises:
        ValueError: a body is null.
    """
    bodies = _bodies(events["body"])
    offsets = _offsets(bodies)
    # What a row takes in an array: its text and a comma, or a bracket.
    cuts = _cuts(offsets + np.arange(len(offsets)), max_events, max_bytes).tolist()
    texts = memoryview(bodies.buffers()[2] or b"").cast("B")
    for start, stop in pairwise(cuts):
        first, ends = int(offsets[start]), offsets[start + 1 : stop + 1]
        yield Chunk(events, start, stop, texts[first : int(ends[-1])], ends - first)


def _bodies(column: pd.Series[str]) -> pa.LargeStringArray:
    array = pa.array(column)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.null_count:
        raise ValueError("a usage event without a body cannot be put into a chunk")
    return array.cast(pa.large_string())


def _offsets(bodies: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    """Where each text starts in the array's buffer, and where the last one ends."""
    offsets = np.frombuffer(bodies.buffers()[1] or bytes(8), np.int64)
    return offsets[bodies.offset : bodies.offset + len(bodies) + 1]


def _cuts(starts: npt.NDArray[np.int64], max_events: int, max_bytes: int) -> npt.NDArray[np.int64]:
    """Row positions to cut at, both ends included."""
    rows = len(starts) - 1
    cuts = np.append(np.arange(0, rows, max_events), rows)
    # A JSON array is its events, a comma between each two, and two brackets: one byte more than `starts` tells.
    if rows == 0 or np.diff(starts[cuts]).max() < max_bytes:
        return cuts
    return _cuts_by_size(starts, max_events, max_bytes)


def _cuts_by_size(starts: npt.NDArray[np.int64], max_events: int, max_bytes: int) -> npt.NDArray[np.int64]:
    cuts = [0]
    while (start := cuts[-1]) < len(starts) - 1:
        fitting = int(np.searchsorted(starts, starts[start] + max_bytes, side="left")) - 1
        cuts.append(min(max(fitting, start + 1), start + max_events, len(starts) - 1))
    return np.array(cuts)
