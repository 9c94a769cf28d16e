"""The sent log as one run sees it: which ids are in it, and appending new ones, exactly, at any size.

The log is cut into segments of about half a million rows; a run appends to one of them. Every segment has a Bloom
filter, so a new id is answered from memory; what a filter lets through is looked up in the segment's index
(``keyindex``), and the rows found there are compared by their full text.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from etl.core.bloom import Bloom, FilterStack, Probes
from etl.core.ids import key_words, ordered, repeats
from etl.core.ports import Content
from etl.state.dialects import dialect_of
from etl.state.schema import IN_BINARY, Moment, microseconds, runs, sent_log, sent_segments, take_numbers
from etl.state.sent_log import index as keyindex
from etl.state.sent_log import rows
from etl.state.sent_log.index import Entries, Matches, Tail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pandas as pd

#: Rows of a full segment. Its index is 8 MB, its filter 2 MB.
FULL = 1 << 19
#: With fewer, every batch of new ids would ask the database about some of them, segment by segment.
_BITS_PER_KEY = 32
#: A segment takes no more rows after this long, so that old ones can be dropped whole.
LONGEST = timedelta(days=7)
#: Numbers that may be in no stored filter before it is stored again, with the index, while recording and at a run's end.
_TAIL, _TAIL_AT_END = 1 << 19, 1 << 14


@dataclass
class _Segment:
    """What the run knows of a segment: rows up to ``last_number`` are in the filter, those up to ``stored_upto`` stored."""

    number: int
    last_number: int
    stored_upto: int
    rows: int


class SentLog:
    """The sent log of ``account`` for the run with ``epoch``; one thread looks up while another appends."""

    def __init__(self, account: str, epoch: int) -> None:
        self._account = account
        self._epoch = epoch
        self._segments: dict[int, _Segment] = {}
        self._sealed = FilterStack()
        self._open: dict[int, Bloom] = {}
        self._tails: dict[int, Tail] = {}
        self._own: int | None = None
        #: Since the run looked first, others have appended.
        self._others_appended = False
        self._looked = False
        self._labels = rows.Labels()
        self._pending: _Segment | None = None
        # Held for what is known of the segments, never while rows are read or written.
        self._guard = threading.RLock()

    def close(self) -> None:
        """Drop the filters."""
        self._sealed.close()
        self._open.clear()
        self._tails.clear()

    # ------------------------------------------------------------------------------------- looking up

    def find(self, connection: sa.Connection, keys: np.ndarray, ids: pd.Series) -> dict[int, Content]:
        """Position → row, for those of ``ids`` that are in the log. ``keys``: their words, shape (n, 2)."""
        return self._find(connection, keys, ids, np.argsort(keys[:, 0]))

    def _find(
        self,
        connection: sa.Connection,
        keys: np.ndarray,
        ids: pd.Series,
        order: np.ndarray,
        *,
        looked_up: bool = False,
    ) -> dict[int, Content]:
        """``order``: of the keys' first words. ``looked_up``: what the run saw when it looked first holds none of them."""
        probes = Probes(keys[order, 0])
        with self._guard:
            self._refresh(connection)
            everywhere = self._others_appended or not looked_up
            perhaps = [
                (segment, order[candidates]) for segment, candidates in self._candidates(probes, everywhere)
            ]
            # In one step with what is known of the segments: a tail goes when its segment is full.
            matches = [
                Matches(positions[found.positions], found.numbers)
                for segment, positions in perhaps
                if segment in self._tails
                for found in self._tails[segment].find(keys[positions, 0])
            ]
        at = dict(perhaps)
        wanted = {segment: keys[positions, 0] for segment, positions in perhaps}
        for segment, found in keyindex.find(connection, wanted):
            matches.append(Matches(at[segment][found.positions], found.numbers))
        return _exactly(connection, matches, ids)

    def _candidates(self, probes: Probes, everywhere: bool) -> Iterator[tuple[int, np.ndarray]]:
        """In which segments which keys may be; not ``everywhere``: in those that rows are appended to."""
        if everywhere:
            yield from self._sealed.candidates(probes)
        for segment, bloom in self._open.items():
            positions = bloom.candidates(probes)
            if len(positions):
                yield segment, positions

    def _refresh(self, connection: sa.Connection) -> None:
        """Learn what other runs appended (and dropped) since the last look."""
        query = sa.select(*_SEGMENT_COLUMNS).where(sent_segments.c.account == self._account)
        there = {row.segment: row for row in connection.execute(query)}
        # Nobody else appends to the own segment, and this connection may see less of it than is known.
        there.pop(self._own or 0, None)
        for gone in self._segments.keys() - there.keys() - {self._own}:
            self._forget(gone)
        for number, row in there.items():
            known = self._segments.get(number)
            # A connection that began before the last commit sees less than is known.
            if known is None or known.last_number < row.last_number:
                self._others_appended |= self._looked
                self._load(connection, row)
        self._looked = True

    def _forget(self, segment: int) -> None:
        del self._segments[segment]
        self._sealed.discard(segment)
        self._open.pop(segment, None)
        self._tails.pop(segment, None)

    def _load(self, connection: sa.Connection, row: Any) -> None:
        known = self._segments.get(row.segment)
        bloom = self._open.pop(row.segment, None)
        self._sealed.discard(row.segment)
        if known and bloom and not bloom.crowded(row.rows):
            upto = known.last_number
        else:
            bloom, upto = _stored(connection, row)
            self._tails.pop(row.segment, None)
        self._read_after(connection, row, upto, bloom)
        self._segments[row.segment] = _Segment(row.segment, row.last_number, row.stored_upto, row.rows)
        if known:
            self._open[row.segment] = bloom
        else:
            self._sealed.add(row.segment, bloom)

    def _read_after(self, connection: sa.Connection, row: Any, upto: int, bloom: Bloom) -> None:
        """Learn the keys of the segment's rows after ``upto``, which ``bloom`` and the tail do not have yet."""
        entries = _entries_after(connection, row, upto)
        if len(entries):
            bloom.add(Probes(entries.keys))
            self._tails.setdefault(row.segment, Tail()).add(entries)

    # -------------------------------------------------------------------------------------- appending

    def append(
        self, connection: sa.Connection, sent: pd.DataFrame, now: datetime, *, looked_up: bool = False
    ) -> np.ndarray:
        """Append those of ``sent`` that are not in the log yet; which (bool). Needs the writer lock.

        ``looked_up``: see ``Run.record``.
        Follow with ``committed`` or ``rolled_back``.
        """
        keys = key_words(sent["key"])
        order = ordered(keys)
        appended = np.ones(len(sent), bool)
        appended[order[1:]] = ~repeats(keys[order])
        known = self._find(connection, keys, sent["transaction_id"], order, looked_up=looked_up)
        appended[list(known)] = False
        new = sent if appended.all() else sent[appended]
        if len(new):
            kept = order[appended[order]]
            # A row's number among those that are new.
            places = np.cumsum(appended) - 1
            self._insert(connection, new, keys[kept, 0], places[kept], now)
        return appended

    def _insert(
        self,
        connection: sa.Connection,
        new: pd.DataFrame,
        keys: np.ndarray,
        places: np.ndarray,
        now: datetime,
    ) -> None:
        """``keys``: the first words, in order; ``places``: which row of ``new`` each is of."""
        count = len(new)
        first = take_numbers(connection, "row", count)
        with self._guard:
            segment = self._writable(connection, first, now)
        dialect_of(connection).append(
            connection,
            [segment.number, self._epoch, microseconds(now)],
            first,
            new["digest"],
            [
                rows.stored(new["transaction_id"]),
                self._labels.of(connection, new["subscription"]),
                rows.stored(new["customer_id"]),
                self._labels.of(connection, new["event_type"]),
                rows.event_times(new["timestamp"]),
            ],
        )
        entries = Entries(keys, first + places)
        probes = Probes(entries.keys)
        with self._guard:
            # Should this transaction fail, all that is known of the segment is forgotten; until then, entries without
            # a row find nothing.
            self._open[segment.number].add(probes)
            self._tails.setdefault(segment.number, Tail()).add(entries)
            grown = _Segment(segment.number, first + count - 1, segment.stored_upto, segment.rows + count)
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
        if grown.rows >= FULL or grown.last_number - grown.stored_upto >= _TAIL:
            self._store_filter(connection, grown)

    def _store_filter(self, connection: sa.Connection, segment: _Segment) -> None:
        # The tail stays: readers whose transaction began before this one do not see what is stored here.
        keyindex.store(connection, segment.number, self._tails[segment.number].after(segment.stored_upto))
        upto = segment.stored_upto = segment.last_number
        update = sent_segments.update().where(sent_segments.c.segment == segment.number)
        blob = self._open[segment.number].to_bytes()
        connection.execute(update.values(bloom=blob, stored_upto=upto))

    def finish(self, connection: sa.Connection) -> None:
        """At a run's end: store the filter if many rows are in none, for those who read the log next."""
        with self._guard:
            segment = self._segments.get(self._own) if self._own else None
            if segment and segment.last_number - segment.stored_upto >= _TAIL_AT_END:
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
                self._tails.pop(self._own, None)
            self._own = self._pending = None

    def _writable(self, connection: sa.Connection, next_number: int, now: datetime) -> _Segment:
        """The run's own segment; when it is full, the newest one that nobody appends to, or a new one."""
        own = self._segments.get(self._own) if self._own else None
        if own and own.rows < FULL:
            return own
        if own:
            self._sealed.add(own.number, self._open.pop(own.number))
            self._tails.pop(own.number, None)
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
        self._tails.pop(number, None)
        bloom, upto = _stored(connection, row, FULL)
        self._read_after(connection, row, upto, bloom)
        self._open[number] = bloom
        self._segments[number] = _Segment(number, row.last_number, row.stored_upto, row.rows)
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
                stored_upto=before,
            )
        )
        self._open[number] = Bloom.sized(FULL, _BITS_PER_KEY)
        self._segments[number] = _Segment(number, before, before, 0)
        return number


_SEGMENT_COLUMNS = (
    *(sent_segments.c.segment, sent_segments.c.rows, sent_segments.c.first_number),
    *(sent_segments.c.last_number, sent_segments.c.stored_upto),
)


def _stored(connection: sa.Connection, row: Any, capacity: int = 0) -> tuple[Bloom, int]:
    """The stored filter and the number up to which rows are known; where there is none, an empty one of the size needed."""
    if row.stored_upto < row.first_number:
        return Bloom.sized(max(row.rows, capacity), _BITS_PER_KEY), row.first_number - 1
    query = sa.select(sent_segments.c.bloom).where(sent_segments.c.segment == row.segment)
    blob = connection.execute(query, execution_options=IN_BINARY).scalar_one()
    return Bloom.from_bytes(blob), row.stored_upto


def index_anew(connection: sa.Connection, segment: int, first: int, last: int) -> None:
    """Store the filter and the index of a segment, as its rows, numbered ``first`` to ``last``, have it."""
    entries = keyindex.of_rows(connection, segment, first, last)
    bloom = Bloom.sized(FULL, _BITS_PER_KEY)
    bloom.add(Probes(entries.keys))
    keyindex.store(connection, segment, [entries])
    update = sent_segments.update().where(sent_segments.c.segment == segment)
    connection.execute(update.values(bloom=bloom.to_bytes(), stored_upto=last))


def numbers_of(connection: sa.Connection, keys: np.ndarray) -> np.ndarray:
    """The numbers (int64) of the rows, of any account, that have one of ``keys`` (uint64)."""
    numbers = [np.empty(0, np.int64)]
    there = connection.execute(sa.select(*_SEGMENT_COLUMNS)).all()
    numbers += [_entries_after(connection, row, row.stored_upto).find(keys).numbers for row in there]
    numbers += [found.numbers for _, found in keyindex.find(connection, {row.segment: keys for row in there})]
    return np.unique(np.concatenate(numbers))


def _entries_after(connection: sa.Connection, row: Any, number: int) -> Entries:
    """The entries of the segment's rows after ``number``: those between belong to runs at the same time, and are few."""
    if number >= row.last_number:
        return keyindex.together([])
    return keyindex.of_rows(connection, row.segment, number + 1, row.last_number)


def _exactly(connection: sa.Connection, matches: list[Matches], ids: pd.Series) -> dict[int, Content]:
    """Position → row, for those whose id is that of a row, letter for letter."""
    positions = np.concatenate([found.positions for found in matches] or [np.empty(0, np.int64)])
    numbers = np.concatenate([found.numbers for found in matches] or [np.empty(0, np.int64)])
    if not len(numbers):
        return {}
    columns = sent_log.c
    query = sa.select(columns.number, columns.transaction_id, columns.digest, columns.event_time).where(
        dialect_of(connection).among(columns.number, np.unique(numbers).tolist())
    )
    there = {row[0]: row for row in connection.execute(query)}
    texts = rows.texts(ids.iloc[positions])
    return {
        position: Content(bytes(row[2]), row[3])
        for position, number, text in zip(positions.tolist(), numbers.tolist(), texts, strict=True)
        if (row := there.get(number)) is not None and row[1] == text
    }
