"""Rows straight from a driver as Arrow, without a Python object for each cell: PostgreSQL, DuckDB, Snowflake, BigQuery.

PostgreSQL by ADBC and DuckDB have a way of their own to be asked; Snowflake's and BigQuery's clients hand out as
Arrow what SQLAlchemy asked them for. All give the same tables as the plain way does (``etl.sources.fetching``).
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy.dialects import postgresql

from etl.sources.cursors import INSTANT, instants, rescaled
from etl.sources.rows import JSON, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import sqlalchemy as sa

    from etl.sources.database import Database
    from etl.sources.dialects import Column

    Way = Callable[[Database, sa.TextClause, Sequence[Column], int, str], Iterator[pa.Table]]

log = logging.getLogger(__name__)

#: What each warehouse needs installed to hand out Arrow, and the extra that brings it.
_NEEDS = {
    "postgresql": ("adbc_driver_postgresql", "postgres"),
    "snowflake": ("snowflake.connector", "snowflake"),
    "bigquery": ("google.cloud.bigquery_storage", "bigquery"),
}

#: Rows that are asked for at once; ADBC's own default of 16 MiB takes more memory and is no faster.
_ADBC_BATCH, _ADBC_BATCH_BYTES = "adbc.postgresql.batch_size_hint_bytes", 4 * 2**20


def way_of(database: Database) -> Way | None:
    """The driver's own way to be asked for rows; None where rows are asked for through SQLAlchemy."""
    ways = {"postgresql": _through_adbc, "duckdb": _through_duckdb}
    return ways.get(database.warehouse.name) if _installed(database) else None


def result_of(database: Database, cursor: Any) -> Iterator[Sequence[pa.Array]] | None:
    """The result of a DB-API ``cursor`` that ran a statement, as record batches; None where there is no such way."""
    results = {"snowflake": _snowflake_result, "bigquery": _bigquery_result}
    found = results.get(database.warehouse.name)
    tables = found(cursor) if found and _installed(database) else None
    return None if tables is None else (batch.columns for table in tables for batch in table.to_batches())


def _installed(database: Database) -> bool:
    needed, extra = _NEEDS.get(database.warehouse.name, ("", ""))
    if not needed or _found(needed):
        return True
    database.note_once(
        f"reading the warehouse row by row, because {needed} is not installed: "
        f"pip install 'segment-metronome-etl[{extra}]' makes it several times as fast"
    )
    return False


def _found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package it would be in
        return False


# ------------------------------------------------------------------------------------- drivers asked directly


def _through_adbc(
    database: Database, statement: sa.TextClause, columns: Sequence[Column], _rows: int, where: str
) -> Iterator[pa.Table]:
    dbapi: Any = import_module("adbc_driver_postgresql.dbapi")
    with database.errors(where, dbapi.Error):
        connection = database.own_connection(lambda: _adbc(database, dbapi))
        with connection.cursor(adbc_stmt_kwargs={_ADBC_BATCH: str(_ADBC_BATCH_BYTES)}) as cursor:
            cursor.execute(_literal(statement))
            for batch in cursor.fetch_record_batch():
                yield as_kinds(batch.columns, columns)


def _adbc(database: Database, dbapi: Any) -> Any:
    uri = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = dbapi.connect(uri, autocommit=True)  # so that the session's settings outlast an error
    with connection.cursor() as cursor:
        cursor.execute(database.warehouse.file("session"))
    return connection


def _through_duckdb(
    database: Database, statement: sa.TextClause, columns: Sequence[Column], rows: int, where: str
) -> Iterator[pa.Table]:
    duckdb: Any = import_module("duckdb")
    with (
        database.errors(where, duckdb.Error),
        database.connect(where) as connection,
        ExitStack() as stack,
    ):
        driver: Any = connection.connection.driver_connection
        own = driver.cursor()  # a connection does one thing at a time
        stack.callback(own.close)
        own.execute(database.warehouse.file("session"))
        result = own.sql(_literal(statement))
        reader = getattr(result, "to_arrow_reader", None) or result.fetch_arrow_reader  # its name before 2.0
        for batch in reader(rows):
            yield as_kinds(batch.columns, columns)


def _literal(statement: sa.TextClause) -> str:
    """The statement with its times written out, as PostgreSQL and DuckDB read them: ways that take no parameters."""
    dialect: Any = postgresql.dialect
    return str(statement.compile(dialect=dialect(paramstyle="named"), compile_kwargs={"literal_binds": True}))


# --------------------------------------------------------------------------------- what SQLAlchemy asked for


def _snowflake_result(cursor: Any) -> Iterable[pa.Table]:
    tables: Iterable[pa.Table] = cursor.fetch_arrow_batches(force_microsecond_precision=True)
    return tables


def _bigquery_result(cursor: Any) -> Iterable[pa.Table] | None:
    """Through the Storage API, but for small results that came with the answer."""
    job = cursor.query_job
    if job is None:  # BigQuery answered without making a job
        return None
    storage = getattr(cursor.connection, "_bqstorage_client", None)
    return (pa.table(batch) for batch in job.result().to_arrow_iterable(bqstorage_client=storage))


# ------------------------------------------------------------------------------------------- typed columns


def as_kinds(arrays: Sequence[pa.Array], columns: Sequence[Column]) -> pa.Table:
    """Arrays as fetched, each made the type its column is handed on with."""
    made = [_as_kind(array, column.kind.arrow) for array, column in zip(arrays, columns, strict=True)]
    return pa.table(made, names=[column.name for column in columns])


def _as_kind(array: pa.Array, held: pa.DataType) -> pa.Array:
    if held == JSON:
        return as_json(pa.chunked_array([array])).combine_chunks()
    if held == INSTANT:
        return rescaled(array) if pa.types.is_timestamp(array.type) else instants(array)
    return pc.cast(array, held)
