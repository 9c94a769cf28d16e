"""What tables a warehouse has, spelt as its catalog spells them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlalchemy as sa

from etl import sqlfiles
from etl.errors import ConfigError
from etl.events import find_column, flat_column, snake_case
from etl.sources.cursors import check_cursor_type, find_cursor
from etl.sources.dialects import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return ConfigError(f"source.tables: schema {schema} has no table {asked!r}{hint}")
