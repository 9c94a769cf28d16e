"""Track events in a Segment warehouse: the table of each event, or the rows of a query of the user's own.

An event's own table has its properties as columns; ``tracks`` has only what all events share (Segment's documentation, "Warehouse Schemas"). Nothing
but ``SELECT`` is ever sent, every statement is a file of ``sql/extract``, and names reach it quoted as the catalog
spells them.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from etl.core.errors import ConfigError, SourceError
from etl.core.layouts import RESERVED, find_column, flat_holder, needed_columns, object_columns
from etl.core.ports import EventBatch
from etl.core.windows import Window
from etl.sources import statements
from etl.sources.cursors import INSTANT, from_milliseconds, instant
from etl.sources.database import Database
from etl.sources.fetching import fetch
from etl.sources.hours import Hour, Stretch, stretches
from etl.sources.query import Query
from etl.sources.rows import Part, batches_of, positions
from etl.sources.statements import TRACKS, Table, find_table, no_table, tables_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import sqlalchemy as sa

    from etl.core import layouts as events
    from etl.sources.dialects import Column

log = logging.getLogger(__name__)

_DAY = timedelta(days=1)

#: Paths that are looked at for every event, whatever the mapping: nobody misses them.
_UNASKED: set[events.Path] = {(), ("type",), ("context", "personas"), ("messageId",)}


class WarehouseSource:
    """A Segment warehouse behind a SQLAlchemy ``url`` (``Source``).

    ``schemas`` and ``tables``: the tables of these events in each of the schemas, ``"*"`` = all that ``tracks``
    names; or ``query``: the path of a SQL file that binds ``:since`` and ``:until``. ``cursor``: the column
    windows are cut on, by default ``received_at``. ``fast``: whether to let a driver fetch Arrow where it can.
    """

    def __init__(
        self,
        url: str,
        *,
        schemas: Sequence[str] | None = None,
        tables: Sequence[str] | Literal["*"] | None = None,
        query: str | None = None,
        cursor: str | None = None,
        batch_rows: int = 50_000,
        fast: bool = True,
    ) -> None:
        self._database = Database(url)
        self._schemas, self._tables = tuple(schemas or ()), tables or ()
        self._query = None if query is None else Query(self._database, query, cursor)
        self._cursor = cursor
        self._batch_rows = batch_rows
        self._fast = fast

    def batches(
        self,
        window: Window,
        paths: Collection[events.Path] | None = None,
        done: Collection[str] = frozenset(),
    ) -> Iterator[EventBatch]:
        """See ``Source.batches``: table by table; a mark tells how many rows an hour or day has, and which.

        Rows whose cursor is null lie in no window and are not read. A path that no table has a column for is
        warned about once. Raises ``ConfigError`` for a schema, table or cursor that is not there, ``SourceError``
        for whatever stops the reading.
        """
        if window.empty:
            return
        with self._database.in_use():
            if self._query is not None:
                yield from self._query.batches(window, self._batch_rows, fast=self._fast)
                return
            chosen = self._chosen(window)
            _warn_of_missing(paths or (), chosen)
            for table, tracks in chosen:
                borrowed = _borrowed(table, tracks, table.cursor(self._cursor), paths)
                yield from self._table_batches(table, borrowed, window, paths, done)

    def check(self) -> None:
        """Looks at the catalog, or at the query's columns, and has each table asked for no rows."""
        now = datetime.now(UTC)
        nothing = Window(now, now)
        with self._database.in_use():
            if self._query is not None:
                self._query.check(nothing)
                return
            for table, _ in self._chosen(Window(now - _DAY, now)):
                cursor = table.cursor(self._cursor)
                self._rows(statements.events(self._database, table, [cursor], cursor, nothing), table)

    def seen(self) -> Sequence[str]:
        """Nothing: whatever the catalog has is read, or refused."""
        return ()

    def newest(self) -> datetime | None:
        """The newest cursor in ``tracks``, or in the tables read where there is no ``tracks``; None for a query."""
        with self._database.in_use():
            found = [moment for schema in self._schemas for moment in self._newest_of(schema)]
        return max((moment for moment in found if moment is not None), default=None)

    def _newest_of(self, schema: str) -> Iterator[datetime | None]:
        held = tables_of(self._database, schema)
        tracks = find_table(held, TRACKS)
        for table in [held[tracks]] if tracks else self._listed(schema, held):
            statement = statements.newest(self._database, table, table.cursor(self._cursor))
            yield from (_moment(row[0]) for row in self._rows(statement, table))

    # -------------------------------------------------------------------------------------- which tables

    def _chosen(self, window: Window) -> list[tuple[Table, Table | None]]:
        """The tables to read, each with a cursor, and the ``tracks`` of their schema."""
        chosen: list[tuple[Table, Table | None]] = []
        for schema in self._schemas:
            held = tables_of(self._database, schema)
            tracks = held.get(find_table(held, TRACKS) or "")
            listed = self._tables != "*"
            tables = self._listed(schema, held) if listed else self._named_by(tracks, schema, held, window)
            chosen += [(table, tracks) for table in tables]
        for table, _ in chosen:
            table.cursor(self._cursor)
        return chosen

    def _listed(self, schema: str, held: Mapping[str, Table]) -> list[Table]:
        found = {asked: find_table(held, asked) for asked in self._tables}
        for asked, name in found.items():
            if name is None:
                raise no_table(schema, asked, list(held))
        return [held[name] for name in dict.fromkeys(found.values()) if name is not None]

    def _named_by(
        self, tracks: Table | None, schema: str, held: Mapping[str, Table], window: Window
    ) -> list[Table]:
        if tracks is None:
            raise ConfigError(
                f'source.tables is "*", but schema {schema} has no table {TRACKS}: list the tables to read'
            )
        event = find_column("event", tracks.names)
        if event is None:
            raise ConfigError(f'source.tables is "*", but table {tracks.origin} has no column event')
        cursor = tracks.cursor(self._cursor)
        rows = self._rows(statements.event_names(self._database, tracks, event, cursor, window), tracks)
        named = {str(row[0]): find_table(held, str(row[0])) for row in rows if row[0] is not None}
        if missing := sorted(event for event, name in named.items() if name is None):
            raise SourceError(
                f"schema {schema} has no table for {', '.join(missing)}, which {tracks.origin} names: the "
                f"properties of these events cannot be read. Run again once the tables are there, or list in "
                f"source.tables which to read."
            )
        return [held[name] for name in sorted({name for name in named.values() if name})]

    # ---------------------------------------------------------------------------------------- their rows

    def _table_batches(
        self,
        table: Table,
        borrowed: _Borrowed | None,
        window: Window,
        paths: Collection[events.Path] | None,
        done: Collection[str],
    ) -> Iterator[EventBatch]:
        cursor = table.cursor(self._cursor)
        self._refuse_other_units(table, cursor)
        names = set(needed_columns(table.shape, "warehouse", paths, cursor.name)) - {statements.PARTITION}
        columns = [column for column in table.columns if column.name in names]
        first = 0
        for stretch in self._stretches(table, cursor, window, done):
            parts = self._parts(table, columns, borrowed, cursor, stretch.window, first)
            last: EventBatch | None = None
            for last in batches_of(
                parts, "warehouse", cursor.name, stretch.window, origin=table.origin, mark=None
            ):
                first += len(last.table)
                yield last
            if last is not None:
                yield from (_marked(last, mark) for mark in stretch.marks)

    def _refuse_other_units(self, table: Table, cursor: Column) -> None:
        """Raises ``SourceError`` for a cursor of numbers that are no epoch milliseconds: no window would hold them."""
        if not pa.types.is_integer(cursor.kind.arrow):
            return
        for (newest,) in self._rows(statements.newest(self._database, table, cursor), table):
            if newest is not None and _moment(newest) is None:
                raise SourceError(
                    f"the cursor column {cursor.name!r} of {table.where} holds numbers that are no epoch milliseconds, "
                    f"such as {newest}: use source.query, and make timestamps of them there"
                )

    def _parts(
        self,
        table: Table,
        columns: list[Column],
        borrowed: _Borrowed | None,
        cursor: Column,
        window: Window,
        first: int,
    ) -> Iterator[Part]:
        if borrowed is None:
            statement = statements.events(self._database, table, columns, cursor, window)
        else:
            tracks, more = borrowed
            statement = statements.events_with_tracks(
                self._database, table, columns, cursor, window, tracks=tracks, borrowed=more
            )
            columns = [*columns, *more]
        for rows in fetch(
            self._database, statement, columns, rows=self._batch_rows, where=table.where, fast=self._fast
        ):
            yield Part(rows, positions(first, len(rows)))
            first += len(rows)

    def _stretches(
        self, table: Table, cursor: Column, window: Window, done: Collection[str]
    ) -> list[Stretch]:
        """What is to be read of ``table``: all of ``window`` where its hours cannot be told apart."""
        everything = [Stretch(window, ())]
        statement = statements.hours(self._database, table, cursor, window) if table.has_message_id else None
        if statement is None:
            return everything
        rows = [(_moment(start), int(count), str(ids)) for start, count, ids in self._rows(statement, table)]
        hours = [Hour(start, count, ids) for start, count, ids in rows if start is not None]
        if len(hours) < len(
            rows
        ):  # SQLite has texts that tell no instant: they are reported once they are read
            return everything
        return stretches(table.origin, hours, window, done)

    def _rows(self, statement: sa.TextClause, table: Table) -> list[tuple[Any, ...]]:
        return self._database.rows(statement, table.where)


#: ``tracks`` and the columns of it that an event's table lacks.
_Borrowed = tuple[Table, list["Column"]]


def _borrowed(
    table: Table, tracks: Table | None, cursor: Column, paths: Collection[events.Path] | None
) -> _Borrowed | None:
    """What is asked of an event that only ``tracks`` knows; never a property.

    Nothing unless both tables have the message id and the same cursor, because they are joined by these.
    """
    if tracks is None or tracks == table or not (table.has_message_id and tracks.has_message_id):
        return None
    same = find_column(cursor.name, tracks.names)
    if same is None or tracks.column(same).type != cursor.type:
        return None
    own = {name.lower() for name in table.names}
    asked = needed_columns(tracks.shape, "warehouse", paths, None)
    missing = [name for name in asked if name.lower() not in own and _shared(name.lower())]
    return (tracks, [tracks.column(name) for name in missing]) if missing else None


def _shared(name: str) -> bool:
    return (name in RESERVED and not name.startswith("_")) or name.startswith("context_")


def _warn_of_missing(paths: Collection[events.Path], chosen: Sequence[tuple[Table, Table | None]]) -> None:
    shapes = [table.shape for table, _ in chosen] + [tracks.shape for _, tracks in chosen if tracks]
    for path in sorted(set(paths) - _UNASKED):
        if path[0] == "integrations" or not shapes:
            continue
        if not any(
            flat_holder(path, s) or (object_columns(path[0], s.names) and len(path) == 1) for s in shapes
        ):
            log.warning("no table has a column for $.%s: it is absent from every event", ".".join(path))


def _marked(batch: EventBatch, mark: str) -> EventBatch:
    """A batch of no rows that carries a mark: one stretch of rows may make up many hours."""
    table = batch.table.slice(0, 0)
    return EventBatch(table, batch.layout, pa.array([], INSTANT), positions(0, 0), batch.origin, mark=mark)


def _moment(value: Any) -> datetime | None:
    """What a driver gives for a time, in UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, int):
        return from_milliseconds(value)
    return instant(value.isoformat() if hasattr(value, "isoformat") else value)
