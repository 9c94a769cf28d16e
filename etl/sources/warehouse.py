"""Track events in a Segment warehouse: the table of each event, or the rows of a query of the user's own.

An event's own table has its properties as columns; ``tracks`` has only what all events share (Segment's documentation, "Warehouse Schemas"). Nothing
but ``SELECT`` is ever sent, every statement is a file of ``sql/extract``, and names reach it quoted as the catalog
spells them.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import sqlalchemy as sa

from etl.core.errors import BrokenPart, ConfigError, EtlError, SourceError
from etl.core.layouts import RESERVED, find_column, flat_holder, needed_columns, object_columns, snake_case
from etl.core.ports import EventBatch
from etl.core.windows import Window
from etl.sources import statements
from etl.sources.cursors import INSTANT, from_milliseconds, instant
from etl.sources.database import Database
from etl.sources.fetching import fetch
from etl.sources.hours import Hour, Stretch, marks_of, stretches
from etl.sources.query import Query
from etl.sources.rows import Part, batches_of, nothing, positions
from etl.sources.statements import TRACKS, Table, find_table, no_table, tables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from etl.core import layouts as events
    from etl.core.ports import Late
    from etl.sources.dialects import Column

log = logging.getLogger(__name__)

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)

#: Paths that are looked at for every event, whatever the mapping: nobody misses them.
_UNASKED: set[events.Path] = {(), ("type",), ("context", "personas"), ("messageId",)}


class WarehouseSource:
    """A Segment warehouse behind a SQLAlchemy ``url`` (``Source``).

    ``schemas`` and ``tables``: the tables of these events in each of the schemas, ``"*"`` = all that ``tracks``
    names; or ``query``: the path of a SQL file that binds ``:since`` and ``:until``. ``cursor``: the column
    windows are cut on, by default ``received_at``. ``fast``: whether to let a driver fetch Arrow where it can.
    ``exclude``: names or globs of tables to leave out.
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
        exclude: Collection[str] = (),
    ) -> None:
        self._exclude = exclude
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
        late: Late | None = None,
    ) -> Iterator[EventBatch]:
        """See ``Source.batches``: table by table; a mark tells how many rows an hour or day has, and which.

        Rows whose cursor is null lie in no window and are not read. A path that no table has a column for is
        warned about once. Raises ``ConfigError`` for a schema, table or cursor that is not there if no table can be
        read; ``SourceError`` for whatever stops the reading, and, after all others were read, for tables that are not
        there or cannot be read.
        """
        if window.empty:
            return
        with self._database.in_use():
            if self._query is not None:
                yield from self._query.batches(window, self._batch_rows, fast=self._fast)
                return
            late = late if late and late.asked else None
            reach = Window(min(late.since, window.since), window.until) if late else window
            chosen, broken = self._chosen(reach)
            _warn_of_missing(paths or (), chosen)
            for table, tracks in chosen:
                try:
                    yield from self._table_batches(table, tracks, window, paths, done, late)
                except SourceError as error:
                    self._refuse_unreachable(error)
                    broken.append(_broken(table.origin, str(error)))
            if broken:
                raise SourceError.of(broken)

    def check(self) -> None:
        """Looks at the catalog, or at the query's columns, and has each table asked for no rows."""
        now = datetime.now(UTC)
        nothing = Window(now, now)
        with self._database.in_use():
            if self._query is not None:
                self._query.check(nothing)
                return
            chosen, broken = self._chosen(Window(now - _DAY, now))
            if broken:
                raise ConfigError([part.message for part in broken])
            for table, _ in chosen:
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
        listed = [find_table(held, asked) for asked in self._tables]
        for table in [held[name] for name in ([tracks] if tracks else listed) if name]:
            statement = statements.newest(self._database, table, table.cursor(self._cursor))
            yield from (_moment(row[0]) for row in self._rows(statement, table))

    # -------------------------------------------------------------------------------------- which tables

    def missing(self, origins: Collection[str]) -> set[str]:
        """See ``Source.missing``."""
        with self._database.in_use():
            read = {name.lower() for schema in self._schemas for name in self._readable(schema)}
        return {origin for origin in origins if origin.lower() not in read or self._excluded(origin)}

    def _readable(self, schema: str) -> Iterator[str]:
        """The tables of ``schema`` that are there and may be asked for."""
        held = tables_of(self._database, schema)
        names = held if self._tables == "*" else {find_table(held, asked) for asked in self._tables}
        yield from (held[name].origin for name in names if name is not None)

    def _chosen(self, window: Window) -> tuple[list[tuple[Table, Table | None]], list[BrokenPart]]:
        """The tables to read, each with a cursor, and the ``tracks`` of their schema; and what cannot be read.

        Raises ``ConfigError`` if nothing can be read for mistakes in the config.
        """
        chosen: list[tuple[Table, Table | None]] = []
        broken: list[BrokenPart] = []
        mistakes: list[ConfigError] = []
        for schema in self._schemas:
            held = tables_of(self._database, schema)
            tracks = held.get(find_table(held, TRACKS) or "")
            found, absent = self._asked(tracks, schema, held, window)
            for asked, error in absent.items():
                mistakes += [error] if isinstance(error, ConfigError) else []
                broken.append(_broken(f"{schema}.{snake_case(asked)}", str(error)))
            for table in found:
                try:
                    table.cursor(self._cursor)
                    chosen.append((table, tracks))
                except ConfigError as error:
                    mistakes.append(error)
                    broken.append(_broken(table.origin, str(error)))
        if mistakes and not chosen:
            raise mistakes[0]
        return chosen, broken

    def _asked(
        self, tracks: Table | None, schema: str, held: Mapping[str, Table], window: Window
    ) -> tuple[list[Table], dict[str, EtlError]]:
        """The tables asked for in ``schema``, and why those that are not there are not."""
        why: Callable[[str], EtlError]
        if self._tables == "*":
            found = self._named_by(tracks, schema, held, window)
            why = partial(_unnamed, schema, tracks)
        else:
            found = {asked: find_table(held, asked) for asked in self._tables}
            why = partial(no_table, schema, tables=list(held))
        kept = {
            asked: name for asked, name in found.items() if not self._excluded(f"{schema}.{name or asked}")
        }
        absent: dict[str, EtlError] = {asked: why(asked) for asked, name in kept.items() if name is None}
        return [held[name] for name in dict.fromkeys(filter(None, kept.values()))], absent

    def _excluded(self, origin: str) -> bool:
        name = origin.rpartition(".")[2].lower()
        globs = [asked.lower() for pattern in self._exclude for asked in (pattern, snake_case(pattern))]
        return any(fnmatchcase(name, glob) or fnmatchcase(origin.lower(), glob) for glob in globs)

    def _refuse_unreachable(self, error: SourceError) -> None:
        """Raise ``error`` if it is the warehouse that does not answer, and not one of its tables."""
        try:
            self._database.rows(sa.text("SELECT 1"), "the warehouse")
        except SourceError:
            raise error from None

    def _named_by(
        self, tracks: Table | None, schema: str, held: Mapping[str, Table], window: Window
    ) -> dict[str, str | None]:
        """Event name → its table, None where there is none; in the order of the tables' names."""
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
        return dict(sorted(named.items(), key=lambda pair: pair[1] or pair[0]))

    # ---------------------------------------------------------------------------------------- their rows

    def _table_batches(
        self,
        table: Table,
        tracks: Table | None,
        window: Window,
        paths: Collection[events.Path] | None,
        done: Collection[str],
        late: Late | None,
    ) -> Iterator[EventBatch]:
        cursor = table.cursor(self._cursor)
        borrowed = _borrowed(table, tracks, cursor, paths)
        self._refuse_other_units(table, cursor)
        names = set(needed_columns(table.shape, "warehouse", paths, cursor.name)) - {statements.PARTITION}
        columns = [column for column in table.columns if column.name in names]
        first = 0
        some, known = self._stretches(table, cursor, window, done, late)
        for stretch in some:
            parts = self._parts(table, columns, borrowed, cursor, stretch.window, first)
            last: EventBatch | None = None
            for last in batches_of(
                parts, "warehouse", cursor.name, stretch.window, origin=table.origin, mark=None
            ):
                first += len(last.table)
                yield last
            if last is not None:
                yield from (_marked(last, mark) for mark in stretch.marks)
        if known:
            yield nothing(table.origin, "warehouse", known=known)

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
        self, table: Table, cursor: Column, window: Window, done: Collection[str], late: Late | None
    ) -> tuple[list[Stretch], list[str]]:
        """What is to be read of ``table``, and marks of what is known from now on without being read.

        All of ``window``, and nothing behind it, where its hours cannot be told apart. Of a table that is new nothing
        behind it either.
        """
        reach = Window(min(late.since, window.since), window.until) if late else window
        hours = self._hours(table, cursor, reach)
        if hours is None:
            return [Stretch(window, ())], []
        if late is None:
            return stretches(table.origin, hours, window, done), []
        prefix = f"{table.origin}|"
        new = not late.listing and f"{prefix}known" not in late.known
        if new:
            inside = [hour for hour in hours if hour.start + _HOUR > window.since]
            known = marks_of(table.origin, hours, Window(reach.since, window.since))
            return stretches(table.origin, inside, window, done), [f"{prefix}known", *known]
        some = stretches(table.origin, hours, reach, done, window.since, late.known)
        return some, [f"{prefix}known"]

    def _hours(self, table: Table, cursor: Column, window: Window) -> list[Hour] | None:
        """What the table holds, by the hour; None where nothing tells."""
        statement = statements.hours(self._database, table, cursor, window) if table.has_message_id else None
        if statement is None:
            return None
        rows = [(_moment(start), int(count), str(ids)) for start, count, ids in self._rows(statement, table)]
        hours = [Hour(start, count, ids) for start, count, ids in rows if start is not None]
        # SQLite has texts that tell no instant: they are reported once they are read.
        return hours if len(hours) == len(rows) else None

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


def _broken(origin: str, message: str) -> BrokenPart:
    """A table that cannot be read, as it is now: a mark of its reason, for it has none of its own."""
    digest = hashlib.blake2b(message.encode(), digest_size=12).hexdigest()
    return BrokenPart(origin, message, message, f"{origin}|broken|{digest}")


def _unnamed(schema: str, tracks: Table | None, event: str) -> SourceError:
    where = f"{schema}.{TRACKS}" if tracks is None else tracks.origin
    return SourceError(
        f"schema {schema} has no table for {event}, which {where} names: the properties of these events cannot be "
        f"read. Run again once the table is there, or list in source.tables which to read."
    )


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
