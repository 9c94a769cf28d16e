"""Which sample events there are: made column by column with numpy, a million in a few seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 100_000
_TIME = pa.timestamp("ms", "UTC")
_MS_PER_DAY = 86_400_000

_EVENTS = pa.array(["api_request", "job_completed", "gpu_seconds", "storage_snapshot", "seat_added"])
_ACTIONS = pa.array(["create", "read", "update", "delete"])
_AWKWARD_ACTIONS = pa.array(['say "hi"', "back\\slash", "tab\tand\nline", "naïve 🚀 日本"])
_REGIONS = pa.array(["eu-west-1", "us-east-1", "ap-south-1"])
_ZONES = pa.array(["a", "b", "c"])
_LOCALES = pa.array(["en-GB", "de-DE", "ja-JP"])
_GROUPS = pa.array([f"acct_{number:04d}" for number in range(500)])
_USERS = pa.array([f"user_{number:05d}" for number in range(2000)])


@dataclass(frozen=True)
class SampleEvents:
    """``count`` rows received evenly over ``days`` days from ``start``, in order of ``receivedAt``.

    95 % are track events, the others identify and page calls; one in ten rows has no ``userId``, one in fifty no
    ``bytes``. With ``awkward``, one in a hundred rows is without ``context.groupId``, one in a hundred is an
    earlier event delivered again (same ``messageId``, later ``receivedAt``), and one in a hundred has an
    ``action`` that JSON must escape.
    """

    count: int
    seed: int = 1
    start: datetime = datetime(2026, 11, 1, tzinfo=UTC)
    days: float = 1
    awkward: bool = False

    def pieces(self) -> Iterator[pa.Table]:
        """The events in tables of up to 100,000 rows.

        Columns as Segment has them: ``type``, ``event``, ``messageId``, ``userId``, ``anonymousId`` (string),
        ``timestamp``, ``originalTimestamp``, ``sentAt``, ``receivedAt`` (``timestamp[ms, UTC]``), ``context`` and
        ``properties`` (struct; eight properties of six types, one of them an object).
        """
        for first in range(0, self.count, PIECE):
            rng = np.random.default_rng([self.seed, first])
            yield self._piece(rng, first, min(PIECE, self.count - first))

    def table(self) -> pa.Table:
        """All the events in one table."""
        return pa.concat_tables(self.pieces()).combine_chunks()

    def _piece(self, rng: np.random.Generator, first: int, size: int) -> pa.Table:
        received = self._received(rng, first, size)
        kinds = rng.choice(3, size, p=[0.95, 0.03, 0.02])
        table = pa.table(
            {
                "type": pa.array(["track", "identify", "page"]).take(pa.array(kinds)),
                "event": _blank(_drawn(rng, _EVENTS, size), kinds > 0),
                "messageId": _joined("ajs-next-", _hex(rng, size)),
                "userId": _blank(_drawn(rng, _USERS, size), rng.random(size) < 0.1),
                "anonymousId": _hex(rng, size),
                **_times(rng, received),
                "context": self._context(rng, size),
                "properties": _blank(self._properties(rng, size), kinds == 1),
            }
        )
        return _delivered_again(rng, table) if self.awkward else table

    def _received(self, rng: np.random.Generator, first: int, size: int) -> np.ndarray:
        start = int(self.start.timestamp() * 1000)
        step = self.days * _MS_PER_DAY / self.count
        return start + ((first + np.arange(size) + rng.random(size)) * step).astype(np.int64)

    def _context(self, rng: np.random.Generator, size: int) -> pa.StructArray:
        groups = _drawn(rng, _GROUPS, size)
        if self.awkward:
            groups = _blank(groups, rng.random(size) < 0.01)
        address = _joined("203.0.113.", _text(rng.integers(1, 255, size)))
        return _struct(groupId=groups, ip=address, locale=_drawn(rng, _LOCALES, size))

    def _properties(self, rng: np.random.Generator, size: int) -> pa.StructArray:
        actions = _drawn(rng, _ACTIONS, size)
        if self.awkward:
            rare = pa.array(rng.random(size) < 0.01)
            actions = pc.if_else(rare, _drawn(rng, _AWKWARD_ACTIONS, size), actions)
        return _struct(
            action=actions,
            bytes=_blank(pa.array(rng.integers(1, 2**40, size)), rng.random(size) < 0.02),
            cached=pa.array(rng.random(size) < 0.3),
            cost=_cost(rng, size),
            duration_ms=pa.array(rng.integers(1, 4_000_000, size) / 1000),
            jobId=_joined("job_", _text(rng.integers(0, 10**12, size))),
            meta=_struct(attempt=pa.array(rng.integers(1, 5, size)), zone=_drawn(rng, _ZONES, size)),
            region=_drawn(rng, _REGIONS, size),
        )


def _times(rng: np.random.Generator, received: np.ndarray) -> dict[str, pa.Array]:
    size = len(received)
    sent = received - rng.integers(20, 2_000, size)
    waited = rng.integers(0, 30_000, size)
    # timestamp = receivedAt - (sentAt - originalTimestamp), as Segment corrects the clock of the device.
    times = {
        "timestamp": received - waited,
        "originalTimestamp": sent - waited,
        "sentAt": sent,
        "receivedAt": received,
    }
    return {name: pa.array(values, _TIME) for name, values in times.items()}


def _delivered_again(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    rows = np.arange(len(table))
    again = (rng.random(len(table)) < 0.01) & (rows > 0)
    earlier = np.where(again, rows - rng.integers(1, 100, len(table)), rows).clip(0)
    index = table.schema.get_field_index("receivedAt")
    return table.take(pa.array(earlier)).set_column(index, "receivedAt", table["receivedAt"])


def _cost(rng: np.random.Generator, size: int) -> pa.Array:
    # The last digit is never 0, so that the digits are the same as decimal(12, 4) and as JSON number.
    ticks = rng.integers(0, 10**6, size) * 10 + rng.integers(1, 10, size)
    step = pa.scalar(Decimal("0.0001"), pa.decimal128(5, 4))
    return pc.multiply(pa.array(ticks).cast(pa.decimal128(19, 0)), step).cast(pa.decimal128(12, 4))


def _drawn(rng: np.random.Generator, values: pa.Array, size: int) -> pa.Array:
    return values.take(pa.array(rng.integers(0, len(values), size)))


def _blank(values: pa.Array, absent: np.ndarray) -> pa.Array:
    return pc.if_else(pa.array(absent), pa.scalar(None, values.type), values)


def _text(numbers: np.ndarray) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _hex(rng: np.random.Generator, size: int) -> pa.Array:
    digits = rng.bytes(16 * size).hex().encode()
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), size, [None, pa.py_buffer(digits)])
    return fixed.cast(pa.binary()).cast(pa.string())


def _joined(prefix: str, texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(prefix, texts, "")


def _struct(**fields: pa.Array) -> pa.StructArray:
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields))
