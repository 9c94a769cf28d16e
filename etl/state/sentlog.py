"""The sent log as one run sees it: which ids are in it, and appending new ones, exactly, at any size.

The log is cut into segments of about half a million rows. A run appends to one segment, so inserts touch one small hot
part of the index however long the log is. Every segment has a Bloom filter, so a new id is answered from memory;
what a filter lets through is looked up by (segment, key) and compared by its full text.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from etl.bloom import Bloom, FilterStack, Probes, near
from etl.seen import key_words, ordered, repeats
from etl.state import rows
from etl.state.schema import Moment, microseconds, runs, sent_log, sent_segments, take_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pandas as pd

#: Rows of a full segment. Its hot index is about 12 MB, its filter 2 MB.
FULL = 1 << 19
#: With fewer, every batch of new ids would ask the database about some of them, segment by segment.
_BITS_PER_KEY = 32
#: A segment takes no more rows after this long, so that old ones can be dropped whole.
LONGEST = timedelta(days=7)
#: Rows that may be in no stored filter before the filter is stored again, while recording and at a run's end.
_TAIL, _TAIL_AT_END = 1 << 19, 1 << 14


@dataclass
class _Segment:
    """What the run knows of a segment: rows up to ``last_number`` are in the filter."""

    number: int
    last_number: int
    bloom_upto: int
    rows: int


@dataclass(frozen=True)
class Found:
    """A row of the sent log."""

    digest: bytes
    run: int


class SentLog:
    """The sent log of ``account`` for the run with ``epoch``; one thread looks up while another appends."""

    def __init__(self, account: str, epoch: int) -> None:
        self._account = account
        self._epoch = epoch
        self._segments: dict[int, _Segment] = {}
        self._sealed = FilterStack()
        self._open: dict[int, Bloom] = {}
        self._own: int | None = None
        self._labels = rows.Labels()
        self._pending: _Segment | None = None
        # Held for what is known of the segments, never while rows are read or written.
        self._guard = threading.RLock()

    def close(self) -> None:
        """Drop the filters."""
        self._sealed.close()
        self._open.clear()

    # ------------------------------------------------------------------------------------- looking up

    def find(self, connection: sa.Connection, keys: np.ndarray, ids: pd.Series) -> dict[int, Found]:
        """Position → row, for those of ``ids`` that are in the log. ``keys``: their words, shape (n, 2)."""
        order = near(keys[:, 0])
        probes = Probes(keys[order, 0])
        with self._guard:
            self._refresh(connection)
            perhaps = list(self._candidates(probes))
        found: dict[int, Found] = {}
        for segment, candidates in perhaps:
            positions = order[candidates]
            found |= _exactly(connection, segment, rows.signed_keys(keys[positions]), positions, ids)
        return found

    def _candidates(self, probes: Probes) -> Iterator[tuple[int, np.ndarray]]:
        yield from self._sealed.candidates(probes)
        for segment, bloom in self._open.items():
            positions = bloom.candidates(probes)
            if len(positions):
                yield segment, positions

    def _refresh(self, connection: sa.Connection) -> None:
        """Learn what other runs appended (and dropped) since the last look."""
        query = sa.select(*_SEGMENT_COLUMNS).where(sent_segments.c.account == self._account)
        there = {row.segment: row for row in connection.execute(query)}
        # The own segment may be too new for this connection to see.
        for gone in self._segments.keys() - there.keys() - {self._own}:
            self._forget(gone)
        for number, row in there.items():
            known = self._segments.get(number)
            # A connection that began before the last commit sees less than is known.
            if known is None or known.last_number < row.last_number:
                self._load(connection, row)

    def _forget(self, segment: int) -> None:
        del self._segments[segment]
        self._sealed.discard(segment)
        self._open.pop(segment, None)

    def _load(self, connection: sa.Connection, row: Any) -> None:
        known = self._segments.get(row.segment)
        bloom = self._open.pop(row.segment, None)
        self._sealed.discard(row.segment)
        if known and bloom and not bloom.crowded(row.rows):
            upto = known.last_number
        else:
            bloom, upto = _stored(connection, row)
        bloom.add(Probes(_keys_after(connection, row, upto)))
        self._segments[row.segment] = _Segment(row.segment, row.last_number, row.bloom_upto, row.rows)
        if row.segment == self._own or known:
            self._open[row.segment] = bloom
        else:
            self._sealed.add(row.segment, bloom)

    # -------------------------------------------------------------------------------------- appending

    def append(self, connection: sa.Connection, sent: pd.DataFrame, now: datetime) -> np.ndarray:
        """Append those of ``sent`` that are not in the log yet; which (bool). Needs the writer lock.

        Follow with ``committed`` or ``rolled_back``.
        """
        keys = key_words(sent["key"])
        order = ordered(keys)
        repeated = np.zeros(len(order), bool)
        repeated[1:] = repeats(keys[order])
        known = self.find(connection, keys, sent["transaction_id"])
        keep = order[~repeated & ~np.isin(order, list(known))]
        if len(keep):
            self._insert(connection, sent.iloc[keep], keys[keep], now)
        appended = np.zeros(len(sent), bool)
        appended[keep] = True
        return appended

    def _insert(self, connection: sa.Connection, new: pd.DataFrame, keys: np.ndarray, now: datetime) -> None:
        count = len(new)
        first = take_numbers(connection, "row", count)
        with self._guard:
            segment = self._writable(connection, first, now)
        rows.insert_rows(
            connection,
            [segment.number, self._epoch, microseconds(now)],
            [
                range(first, first + count),
                rows.signed_keys(keys).tolist(),
                rows.texts(new["transaction_id"]),
                rows.binaries(new["digest"]),
                self._labels.of(connection, new["subscription"]),
                rows.texts(new["customer_id"]),
                self._labels.of(connection, new["event_type"]),
                rows.event_times(new["timestamp"]),
            ],
        )
        probes = Probes(np.ascontiguousarray(keys[:, 0]))
        with self._guard:
            # More keys than the log has only make the filter less sharp, should this transaction fail.
            self._open[segment.number].add(probes)
            grown = _Segment(segment.number, first + count - 1, segment.bloom_upto, segment.rows + count)
            self._update(connection, grown, now)
            self._pending = grown

    def _update(self, connection: sa.Connection, grown: _Segment, now: datetime) -> None:
        columns, at = sent_segments.c, sa.literal(now, Moment())
        values: dict[str, Any] = {
            "rows": grown.rows,
            "last_number": grown.last_number,
            "first_sent": sa.case((columns.first_sent > at, at), else_=columns.first_sent),
            "last_sent": sa.case((columns.last_sent < at, at), else_=columns.last_sent),
        }
        connection.execute(sent_segments.update().where(columns.segment == grown.number).values(values))
        if grown.rows >= FULL or grown.last_number - grown.bloom_upto >= _TAIL:
            self._store_filter(connection, grown)

    def _store_filter(self, connection: sa.Connection, segment: _Segment) -> None:
        segment.bloom_upto = segment.last_number
        update = sent_segments.update().where(sent_segments.c.segment == segment.number)
        blob = self._open[segment.number].to_bytes()
        connection.execute(update.values(bloom=blob, bloom_upto=segment.bloom_upto))

    def finish(self, connection: sa.Connection) -> None:
        """At a run's end: store the filter if many rows are in none, for those who read the log next."""
        with self._guard:
            segment = self._segments.get(self._own) if self._own else None
            if segment and segment.last_number - segment.bloom_upto >= _TAIL_AT_END:
                self._store_filter(connection, segment)

    def committed(self) -> None:
        """The transaction that appended is committed."""
        self._labels.committed()
        with self._guard:
            if self._pending:
                self._segments[self._pending.number] = self._pending
            self._pending = None

    def rolled_back(self) -> None:
        """The transaction that appended is not: read the segment anew when it is needed."""
        self._labels.rolled_back()
        with self._guard:
            if self._own:
                self._segments.pop(self._own, None)
                self._open.pop(self._own, None)
            self._own = self._pending = None

    def _writable(self, connection: sa.Connection, next_number: int, now: datetime) -> _Segment:
        """The run's own segment; when it is full, the newest one that nobody appends to, or a new one."""
        own = self._segments.get(self._own) if self._own else None
        if own and own.rows < FULL:
            return own
        if own:
            self._sealed.add(own.number, self._open.pop(own.number))
        self._own = self._take_over(connection, now) or self._new_segment(connection, next_number, now)
        return self._segments[self._own]

    def _take_over(self, connection: sa.Connection, now: datetime) -> int | None:
        columns = sent_segments.c
        running = sa.select(runs.c.epoch).where(runs.c.status == "running")
        free = (
            (columns.account == self._account) & (columns.rows < FULL) & (columns.first_sent > now - LONGEST)
        )
        query = sa.select(*_SEGMENT_COLUMNS).where(free, columns.owner.not_in(running))
        row = connection.execute(query.order_by(columns.segment.desc()).limit(1)).one_or_none()
        if row is None:
            return None
        number = int(row.segment)
        connection.execute(sent_segments.update().where(columns.segment == number).values(owner=self._epoch))
        self._sealed.discard(number)
        bloom, upto = _stored(connection, row, FULL)
        bloom.add(Probes(_keys_after(connection, row, upto)))
        self._open[number] = bloom
        self._segments[number] = _Segment(number, row.last_number, row.bloom_upto, row.rows)
        return number

    def _new_segment(self, connection: sa.Connection, next_number: int, now: datetime) -> int:
        number = take_numbers(connection, "segment")
        before = next_number - 1
        connection.execute(
            sent_segments.insert().values(
                segment=number,
                account=self._account,
                owner=self._epoch,
                rows=0,
                first_number=next_number,
                last_number=before,
                first_sent=now,
                last_sent=now,
                bloom_upto=before,
            )
        )
        self._open[number] = Bloom.sized(FULL, _BITS_PER_KEY)
        self._segments[number] = _Segment(number, before, before, 0)
        return number


_SEGMENT_COLUMNS = (
    *(sent_segments.c.segment, sent_segments.c.rows, sent_segments.c.first_number),
    *(sent_segments.c.last_number, sent_segments.c.bloom_upto),
)


def _stored(connection: sa.Connection, row: Any, capacity: int = 0) -> tuple[Bloom, int]:
    """The stored filter and the last number in it; where there is none, an empty one of the size needed."""
    if row.bloom_upto < row.first_number:
        return Bloom.sized(max(row.rows, capacity), _BITS_PER_KEY), row.first_number - 1
    blob = connection.execute(
        sa.select(sent_segments.c.bloom).where(sent_segments.c.segment == row.segment)
    ).scalar_one()
    return Bloom.from_bytes(blob), row.bloom_upto


def _keys_after(connection: sa.Connection, row: Any, number: int) -> np.ndarray:
    """The keys of the segment's rows after ``number``."""
    if number >= row.last_number:
        return np.empty(0, np.uint64)
    in_segment = sent_log.c.segment == row.segment
    if number >= row.first_number:
        # Adding 0 keeps the index on segments out of it: the end of the table is the shorter way.
        in_segment = (sent_log.c.segment + 0 == row.segment) & sent_log.c.number.between(
            number + 1, row.last_number
        )
    return rows.unsigned_keys(list(connection.execute(sa.select(sent_log.c.key).where(in_segment)).scalars()))


def _exactly(
    connection: sa.Connection, segment: int, keys: np.ndarray, positions: np.ndarray, ids: pd.Series
) -> dict[int, Found]:
    """Those of ``positions`` whose id is in the segment, letter for letter."""
    columns = sent_log.c
    query = sa.select(columns.transaction_id, columns.digest, columns.run).where(
        columns.segment == segment, rows.members(columns.key, keys, connection.dialect.name)
    )
    there = {row[0]: row for row in connection.execute(query)}
    if not there:
        return {}
    return {
        position: Found(bytes(row[1]), row[2])
        for position, text in zip(positions.tolist(), rows.texts(ids.iloc[positions]), strict=True)
        if (row := there.get(text)) is not None
    }
