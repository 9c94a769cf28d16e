"""Cuts a frame of usage events into the JSON arrays that requests carry. Pure.

Metronome takes 1 to 100 usage events a request; the size of a body is not documented, so 1 MB is kept to
(FACTS §1.1). Bodies are joined by Arrow, a few chunks at a time: no Python runs per event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.ports import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import pandas as pd

MAX_EVENTS = 100
MAX_BYTES = 1_000_000
#: Chunks joined by one Arrow call: enough to make the call's cost vanish, few enough to stay in the cache.
_JOINED = 32


def chunks(events: pd.DataFrame, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> Iterator[Chunk]:
    """Yields the events of the frame in order, as few chunks as the limits allow.

    Args:
        events: column ``body``, ``string[pyarrow]``, one JSON object each; other columns are carried along.
        max_events: events in a chunk, at most.
        max_bytes: UTF-8 bytes of a chunk's body, at most. An event larger than that gets a chunk of its own.

    Raises:
        ValueError: a body is null.
    """
    bodies = _bodies(events["body"])
    starts = _starts(bodies)
    cuts = _cuts(starts, max_events, max_bytes)
    for first in range(0, len(cuts) - 1, _JOINED):
        some = cuts[first : first + _JOINED + 1]
        for start, stop, body in zip(some[:-1], some[1:], _arrays(bodies, some), strict=True):
            # The bracket takes the place of the comma before the first event.
            ends = starts[start + 1 : stop + 1] - starts[start]
            yield Chunk(events, int(start), int(stop), body, ends)


def _bodies(column: pd.Series[str]) -> pa.LargeStringArray:
    array = pa.array(column)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.null_count:
        raise ValueError("a usage event without a body cannot be put into a chunk")
    return array.cast(pa.large_string())


def _starts(bodies: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    """Where each event would start in one long array of all, commas counted: one more entry than events."""
    offsets = np.frombuffer(bodies.buffers()[1], np.int64)[bodies.offset : bodies.offset + len(bodies) + 1]
    return cast("npt.NDArray[np.int64]", offsets + np.arange(len(bodies) + 1))


def _cuts(starts: npt.NDArray[np.int64], max_events: int, max_bytes: int) -> npt.NDArray[np.int64]:
    """Row positions to cut at, both ends included."""
    rows = len(starts) - 1
    cuts = np.append(np.arange(0, rows, max_events), rows)
    # A body is its events, a comma between each two, and two brackets: one byte more than `starts` tells.
    if rows == 0 or np.diff(starts[cuts]).max() < max_bytes:
        return cuts
    return _cuts_by_size(starts, max_events, max_bytes)


def _cuts_by_size(starts: npt.NDArray[np.int64], max_events: int, max_bytes: int) -> npt.NDArray[np.int64]:
    cuts = [0]
    while (start := cuts[-1]) < len(starts) - 1:
        fitting = int(np.searchsorted(starts, starts[start] + max_bytes, side="left")) - 1
        cuts.append(min(max(fitting, start + 1), start + max_events, len(starts) - 1))
    return np.array(cuts)


def _arrays(bodies: pa.LargeStringArray, cuts: npt.NDArray[np.int64]) -> Iterator[bytes]:
    """The JSON array of each stretch between two cuts."""
    lists = pa.LargeListArray.from_arrays(pa.array(cuts - cuts[0]), bodies.slice(cuts[0], cuts[-1] - cuts[0]))
    for joined in pc.binary_join(lists, pa.scalar(",", pa.large_string())):
        yield b"".join((b"[", joined.as_buffer(), b"]"))
