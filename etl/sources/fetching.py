"""Rows of a statement as Arrow tables, in bounded batches, by the fastest way the driver has.

Where a driver hands out Arrow (``etl.sources.native``) that is taken; everything else is read row by row.
All ways fetch what Arrow has no exact type for as text (``Column.kind``) and so give identical tables.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

from etl.sources.cursors import INSTANT, instants, is_text
from etl.sources.native import as_kinds, result_of, way_of
from etl.sources.rows import JSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import sqlalchemy as sa

    from etl.sources.database import Database
    from etl.sources.dialects import Column

#: How many bytes of Arrow a batch may hold, about, and how many rows are asked of a driver at once.
_BATCH_BYTES = 64 * 2**20
_FETCH_ROWS = 5_000


def fetch(
    database: Database,
    statement: sa.TextClause,
    columns: Sequence[Column] | None,
    *,
    rows: int,
    where: str,
    fast: bool = True,
) -> Iterator[pa.Table]:
    """The rows of ``statement``, ``rows`` at a time or fewer where they are huge.

    ``columns``: its columns in order; None if only the rows can tell. ``fast``: whether to use the driver's Arrow.
    Raises ``SourceError`` telling of ``where``.
    """
    way = way_of(database) if fast and columns is not None else None
    if way is not None and columns is not None:
        return _regrouped(way(database, statement, columns, rows, where), rows)
    return _regrouped(_through_sqlalchemy(database, statement, columns, rows, where, fast=fast), rows)


def _regrouped(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of ``rows``, or fewer: of ``_BATCH_BYTES``, or where the types told by rows change."""
    held: list[pa.Table] = []
    for table in tables:
        if held and table.schema != held[0].schema:
            yield _joined(held)
            held = []
        while table.num_rows:
            room = rows - sum(part.num_rows for part in held)
            held.append(table.slice(0, room))
            table = table.slice(room)  # noqa: PLW2901 - what is left of it
            if held[-1].num_rows == room or sum(part.nbytes for part in held) >= _BATCH_BYTES:
                yield _joined(held)
                held = []
    if held:
        yield _joined(held)


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).combine_chunks()


# ----------------------------------------------------------------------------------------- the plain way


def _through_sqlalchemy(
    database: Database,
    statement: sa.TextClause,
    columns: Sequence[Column] | None,
    rows: int,
    where: str,
    *,
    fast: bool,
) -> Iterator[pa.Table]:
    size = min(rows, _FETCH_ROWS)
    with database.connect(where) as connection, ExitStack() as stack:
        streaming = connection.execution_options(stream_results=True, max_row_buffer=size)
        result = streaming.execute(statement)
        names = list(result.keys())
        cursor: Any = result.cursor  # SQLAlchemy lets go of it, open, when the connection is lost
        stack.callback(_close, cursor)
        if fast and columns is not None and (batches := result_of(database, cursor)) is not None:
            yield from (as_kinds(arrays, columns) for arrays in batches)
            return
        for part in result.partitions(size):
            cells = list(zip(*part, strict=True))
            if columns is None or not database.warehouse.typed:
                declared = [None] * len(names) if columns is None else [c.kind.arrow for c in columns]
                arrays = [_told_by_cells(*pair) for pair in zip(cells, declared, strict=True)]
                yield pa.table(arrays, names=names)
            else:
                yield as_kinds([_array(c, held) for c, held in zip(cells, columns, strict=True)], columns)


def _close(cursor: Any) -> None:
    with suppress(Exception):  # SQLAlchemy may have closed it, and BigQuery's will not be closed twice
        cursor.close()


# ------------------------------------------------------------------------------ columns of declared types


def _array(cells: Sequence[Any], column: Column) -> pa.Array:
    """Cells as a driver gave them, as the Arrow type in which they are fetched."""
    held = column.kind.arrow
    if column.kind.fetched != "as it is" or is_text(held):
        return pa.array([None if cell is None else _written(cell) for cell in cells], pa.string())
    if pa.types.is_boolean(held):
        return pa.array([None if cell is None else bool(cell) for cell in cells], held)
    return pa.array(cells, held)


def _written(cell: Any) -> str:
    """A cell that is to be text: digit for digit if it is a number, JSON if it is an object."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Decimal):
        return format(cell, "f")
    return orjson.dumps(cell).decode() if isinstance(cell, dict | list | bool) else str(cell)


# -------------------------------------------------------------------------- columns told by their cells


def _told_by_cells(cells: Sequence[Any], declared: pa.DataType | None) -> pa.Array:
    """The type all cells have; JSON text if they differ, or are objects, or numbers that need all their digits.

    ``declared`` makes booleans of SQLite's 0 and 1, instants of its texts and JSON of its JSON.
    """
    if declared == JSON and all(cell is None or isinstance(cell, str) for cell in cells):
        return _json_array(cells)
    if declared == pa.bool_() and all(cell in {None, 0, 1} for cell in cells):
        return pa.array([None if cell is None else bool(cell) for cell in cells], pa.bool_())
    array = _plain_array(cells)
    if declared == INSTANT and is_text(array.type):
        moments = instants(array)
        return moments if moments.null_count == array.null_count else array
    return array


def _plain_array(cells: Sequence[Any]) -> pa.Array:
    types = {type(cell) for cell in cells if cell is not None}
    if not types:
        return pa.nulls(len(cells), pa.string())
    if len(types) == 1:
        with suppress(pa.ArrowInvalid, OverflowError):  # an integer beyond 64 bits
            return _of_one_type(cells, *types)
    return _json_array([None if cell is None else _as_json_text(cell) for cell in cells])


def _of_one_type(cells: Sequence[Any], held: type) -> pa.Array:
    if issubclass(held, datetime):
        return pa.array(cells, INSTANT)
    for python, arrow in _ARROW.items():
        if issubclass(held, python):
            return pa.array(cells, arrow)
    if issubclass(held, int | Decimal | dict | list | tuple):
        return _json_array([None if cell is None else _as_json_text(cell) for cell in cells])
    return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())


_ARROW = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    date: pa.date32(),
    timedelta: pa.duration("us"),
}


def _as_json_text(cell: Any) -> str:
    if isinstance(cell, Decimal):
        return format(cell, "f") if cell.is_finite() else f'"{cell}"'
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, datetime):
        return orjson.dumps(cell, option=orjson.OPT_NAIVE_UTC).decode()
    return orjson.dumps(cell, default=str).decode()


def _json_array(cells: Sequence[str | None]) -> pa.Array:
    return pa.ExtensionArray.from_storage(JSON, pa.array(cells, pa.string()))
