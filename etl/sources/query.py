"""Track events by a query of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from etl.core import sql as sqlfiles
from etl.core.errors import ConfigError
from etl.core.layouts import detect_layout
from etl.core.stored import refusal
from etl.sources import statements
from etl.sources.cursors import check_cursor_type, find_cursor
from etl.sources.dialects import Column, selected
from etl.sources.fetching import fetch
from etl.sources.rows import Part, batches_of, positions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from etl.core.layouts import Layout
    from etl.core.ports import EventBatch
    from etl.core.windows import Window
    from etl.sources.database import Database


class Query:
    """The SQL file at ``path``, which binds ``:since`` and ``:until`` and has the cursor among its columns."""

    def __init__(self, database: Database, path: str, cursor: str | None) -> None:
        self._database = database
        self._path = Path(path)
        self._cursor = cursor
        self._name = f"source.query {self._path.name}"

    def batches(self, window: Window, rows: int, *, fast: bool) -> Iterator[EventBatch]:
        """Its rows that lie in ``window``, whatever it returns."""
        columns = self._columns(window)
        if columns is not None:
            self._shape(_schema(columns))
        first = 0
        for table in fetch(
            self._database, self._rows(columns, window), columns, rows=rows, where=self._name, fast=fast
        ):
            layout, cursor = self._shape(table.schema)
            part = Part(table, positions(first, len(table)))
            yield from batches_of([part], layout, cursor, window, origin=self._name, mark=None)
            first += len(table)

    def check(self, window: Window) -> None:
        """Has the warehouse read the query, and looks for the cursor where it tells the columns."""
        columns = self._columns(window)
        if columns is None:
            with self._database.connect(self._name) as connection:
                connection.execute(self._only_columns(window))
        else:
            self._shape(_schema(columns))

    def _text(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8").strip().rstrip(";")
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self._name} cannot be read: {error}") from error

    def _columns(self, window: Window) -> list[Column] | None:
        """Its columns, where the warehouse or its driver says their types as a catalog would; else None."""
        if (describe := self._database.warehouse.file("describe")) is not None:
            statement = statements.bound(self._database, describe.format(query=self._text()), None, window)
            return [Column(name, declared) for name, declared in self._database.rows(statement, self._name)]
        if self._database.dialect.driver != "psycopg":
            return None
        with self._database.connect(self._name) as connection:
            result = connection.execute(self._only_columns(window))
            described: Any = result.cursor.description or ()
            return [Column(c.name, c.type_display, c.precision, c.scale) for c in described]

    def _only_columns(self, window: Window) -> sa.TextClause:
        sql = sqlfiles.statement("extract/query_columns.sql").format(query=self._text())
        return statements.bound(self._database, sql, None, window)

    def _rows(self, columns: list[Column] | None, window: Window) -> sa.TextClause:
        if columns is None:
            return statements.bound(self._database, self._text(), None, window)
        chosen = ", ".join(selected(self._database.dialect, column) for column in columns)
        sql = sqlfiles.statement("extract/query.sql").format(columns=chosen, query=self._text())
        return statements.bound(self._database, sql, None, window)

    def _shape(self, schema: pa.Schema) -> tuple[Layout, str]:
        if reason := refusal(schema):
            raise ConfigError(f"{self._name} {reason}")
        layout = detect_layout(schema)
        cursor = find_cursor(self._cursor, schema.names, layout, self._name)
        check_cursor_type(schema.field(cursor).type, cursor, self._name)
        return layout, cursor


def _schema(columns: list[Column]) -> pa.Schema:
    return pa.schema([(column.name, column.kind.arrow) for column in columns])
