"""The statements sent to a warehouse: files of ``sql/extract``, names quoted into them, times bound.

What tables a warehouse has, spelt as its catalog spells them.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from etl.core import sql as sqlfiles
from etl.core.errors import ConfigError
from etl.core.layouts import find_column, flat_column, snake_case
from etl.sources.cursors import INSTANT, check_cursor_type, find_cursor
from etl.sources.dialects import Column, selected

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from etl.core.windows import Window
    from etl.sources.database import Database


#: Segment's table of all track events: what they have in common, without properties.
TRACKS = "tracks"


@dataclass(frozen=True)
class Table:
    """A table and its columns, as the catalog spells them."""

    schema: str
    name: str
    columns: tuple[Column, ...]

    @property
    def origin(self) -> str:
        """How batches of it are called."""
        return f"{self.schema}.{self.name}"

    @property
    def where(self) -> str:
        """How errors name it."""
        return f"table {self.origin}"

    @property
    def names(self) -> list[str]:
        """The names of its columns, in order."""
        return [column.name for column in self.columns]

    @property
    def shape(self) -> pa.Schema:
        """Its columns as they are handed on."""
        return pa.schema([(column.name, column.kind.arrow) for column in self.columns])

    def column(self, name: str) -> Column:
        """The column spelt exactly so."""
        return next(column for column in self.columns if column.name == name)

    def cursor(self, asked: str | None) -> Column:
        """The cursor column. Raises ``ConfigError`` if there is none, or it tells no instant."""
        column = self.column(find_cursor(asked, self.names, "warehouse", self.where))
        check_cursor_type(column.kind.arrow, column.name, self.where)
        return column

    @property
    def has_message_id(self) -> bool:
        """Whether it has a column for the message id."""
        return flat_column(("messageId",), self.names) is not None

    @property
    def message_id(self) -> Column:
        """The column of the message id, of a table that has one."""
        return self.column(flat_column(("messageId",), self.names) or "")


def tables_of(database: Database, schema: str) -> dict[str, Table]:
    """Name → table, of a schema found in whatever case; an exact name is preferred to one in another case.

    Raises ``ConfigError`` if there is no such schema, or nothing in it may be seen.
    """
    parts = schema.split(".") if database.warehouse.name == "bigquery" else [schema]
    sql = sqlfiles.statement(f"extract/columns/{database.warehouse.catalog}.sql")
    statement = sa.text(sql.format(schema=database.quoted(*parts))).bindparams(schema=schema)
    rows = database.rows(statement, f"the catalog of schema {schema}")
    found = find_column(schema, dict.fromkeys(str(row[0]) for row in rows))
    columns: dict[str, list[Column]] = {}
    for owner, table, name, declared, precision, scale in rows:
        if owner == found:
            columns.setdefault(table, []).append(Column(name, str(declared), precision, scale))
    if not columns:
        raise ConfigError(
            f"source.schema: the warehouse has no schema {schema!r}, or none of its tables may be seen by the user of "
            f"source.url"
        )
    return {
        name: Table(schema if found is None else found, name, tuple(held)) for name, held in columns.items()
    }


def find_table(tables: Iterable[str], asked: str) -> str | None:
    """The table of an event: by its name in any case, else by the name Segment's connectors give it."""
    names = list(tables)
    return find_column(asked, names) or find_column(snake_case(asked), names)


def no_table(schema: str, asked: str, tables: Sequence[str]) -> ConfigError:
    """What to raise for a table that is not there."""
    near = difflib.get_close_matches(asked.lower(), [name.lower() for name in tables], n=3)
    hint = f"; did you mean {', '.join(near)}?" if near else " that the user of source.url may see"
    return ConfigError(f"source.tables: schema {schema} has no table {asked!r}{hint}")


_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Types of columns whose times have no zone, by a part of their name; they are compared with times in UTC.
_ZONELESS = ("without time zone", "ntz", "datetime")

#: What BigQuery calls the day a row was loaded on; it can be compared but is no column of the rows.
PARTITION = "_PARTITIONTIME"


def events(
    database: Database, table: Table, columns: Sequence[Column], cursor: Column, window: Window
) -> sa.TextClause:
    """Fetches ``columns`` of an event's table."""
    sql = _statement(database, table, "events", cursor).format(
        columns=", ".join(selected(database.dialect, column) for column in columns),
        table=_named(database, table),
        cursor=database.quoted(cursor.name),
    )
    return bound(database, sql, cursor, window)


def events_with_tracks(
    database: Database,
    table: Table,
    columns: Sequence[Column],
    cursor: Column,
    window: Window,
    *,
    tracks: Table,
    borrowed: Sequence[Column],
) -> sa.TextClause:
    """Fetches ``columns`` of an event's table, and the ``borrowed`` ones of ``tracks``; both need a message id."""
    chosen = [selected(database.dialect, column, "e.") for column in columns]
    chosen += [selected(database.dialect, column, "t.") for column in borrowed]
    sql = sqlfiles.statement("extract/events_with_tracks.sql").format(
        columns=", ".join(chosen),
        table=_named(database, table),
        tracks=_named(database, tracks),
        cursor=database.quoted(cursor.name),
        tracks_cursor=database.quoted(tracks.cursor(cursor.name).name),
        id=database.quoted(table.message_id.name),
        tracks_id=database.quoted(tracks.message_id.name),
    )
    return bound(database, sql, cursor, window)


def event_names(
    database: Database, tracks: Table, event: str, cursor: Column, window: Window
) -> sa.TextClause:
    """Tells which events ``tracks`` names in a window; ``event`` is the column."""
    sql = _statement(database, tracks, "event_names", cursor).format(
        event=database.quoted(event), tracks=_named(database, tracks), cursor=database.quoted(cursor.name)
    )
    return bound(database, sql, cursor, window)


def hours(database: Database, table: Table, cursor: Column, window: Window) -> sa.TextClause | None:
    """Counts the rows of each hour of a table with a message id; None where hours cannot be told apart."""
    kind = database.warehouse
    if kind.file("hours") is None or (kind.typed and cursor.kind.arrow != INSTANT):
        return None
    sql = _statement(database, table, f"hours/{kind.name}", cursor).format(
        table=_named(database, table),
        cursor=database.quoted(cursor.name),
        id=database.quoted(table.message_id.name),
    )
    return bound(database, sql, cursor, window)


def newest(database: Database, table: Table, cursor: Column) -> sa.TextClause:
    """Tells the newest cursor of a table."""
    sql = _statement(database, table, "newest", cursor)
    return sa.text(sql.format(cursor=database.quoted(cursor.name), table=_named(database, table)))


def _statement(database: Database, table: Table, name: str, cursor: Column) -> str:
    """Of ``sql/extract``; the one that asks only for recent partitions, where those are by load time."""
    comparable = cursor.type.lower() == "timestamp"  # as partitions are
    partitioned = comparable and database.warehouse.name == "bigquery" and PARTITION in table.names
    return sqlfiles.statement(f"extract/{name}{'_partitioned' if partitioned else ''}.sql")


def bound(database: Database, sql: str, cursor: Column | None, window: Window) -> sa.TextClause:
    """``sql`` with ``:since`` and ``:until`` bound in the type of the cursor (None: it is not known).

    Where that is no instant, the window is widened to what is in order by day; rows outside of it are left out
    once they are read.
    """
    since, until, held = _edges(database, cursor, window)
    binds = (sa.bindparam("since", since, held), sa.bindparam("until", until, held))
    return sa.text(sql).bindparams(*binds)


def _named(database: Database, table: Table) -> str:
    parts = table.schema.split(".") if database.warehouse.name == "bigquery" else [table.schema]
    return database.quoted(*parts, table.name)


def _edges(database: Database, cursor: Column | None, window: Window) -> tuple[Any, Any, Any]:
    if cursor is not None and pa.types.is_integer(cursor.kind.arrow):
        return _milliseconds(window.since), _milliseconds(window.until), sa.BigInteger()
    if not database.warehouse.typed or (cursor is not None and cursor.kind.arrow == pa.string()):
        first, last = _days_around(window)
        return first.date().isoformat(), last.date().isoformat(), sa.String()
    if cursor is not None and pa.types.is_date(cursor.kind.arrow):
        return window.since.date(), _days_around(window)[1].date(), sa.Date()
    since, until = window.since.astimezone(UTC), window.until.astimezone(UTC)
    if cursor is not None and any(part in cursor.type.lower() for part in _ZONELESS):
        return since.replace(tzinfo=None), until.replace(tzinfo=None), sa.DateTime()
    return since, until, sa.TIMESTAMP(timezone=True)


def _milliseconds(moment: datetime) -> int:
    """Of the epoch, rounded up: a whole number lies before a moment if it lies before that."""
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def _days_around(window: Window) -> tuple[datetime, datetime]:
    """A day before and two after: texts of any zone, to the second or to the day, lie between."""
    earliest, latest = (moment.replace(tzinfo=UTC) for moment in (datetime.min, datetime.max))  # noqa: DTZ901
    since, until = max(window.since, earliest + _DAY), min(window.until, latest - 2 * _DAY)
    return since - _DAY, until + 2 * _DAY
