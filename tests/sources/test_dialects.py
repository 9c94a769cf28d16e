"""Every statement, for every warehouse, by its real SQLAlchemy dialect; and what types become."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from etl.core import sql as sqlfiles
from etl.sources import statements
from etl.sources.cursors import INSTANT
from etl.sources.dialects import Column, kind_of, quoted, warehouse_of
from etl.sources.statements import Table
from tests.sources.support import DAY

HOSTILE = 'x"`y; DROP TABLE t; -- :since %s {columns}'


def _dialect(name):
    match name:
        case "postgresql":
            return postgresql.dialect(paramstyle="named")
        case "sqlite":
            return sqlite.dialect()
        case "snowflake":
            from snowflake.sqlalchemy.snowdialect import SnowflakeDialect

            return SnowflakeDialect()
        case "bigquery":
            from sqlalchemy_bigquery.base import BigQueryDialect

            return BigQueryDialect()
        case "redshift":
            from sqlalchemy_redshift.dialect import RedshiftDialect_psycopg2

            return RedshiftDialect_psycopg2()
        case "databricks":
            from databricks.sqlalchemy import DatabricksDialect

            return DatabricksDialect()
        case _:
            from duckdb_engine import Dialect

            return Dialect()


ALL = ("postgresql", "redshift", "snowflake", "bigquery", "databricks", "duckdb", "sqlite")


class Described:
    """A database as far as statements are concerned: its dialect, and how it quotes."""

    def __init__(self, name):
        self.dialect = _dialect(name)
        self.warehouse = warehouse_of(self.dialect)

    def quoted(self, *names):
        return ".".join(quoted(self.dialect, name) for name in names)

    def compiled(self, statement):
        return str(statement.compile(dialect=self.dialect))


@pytest.fixture(params=ALL)
def database(request):
    return Described(request.param)


NUMERIC = Column("PRICE", "numeric", 38, 6)
CURSOR = Column("RECEIVED_AT", "timestamp")
JSON = Column("DETAIL", "json")
TABLE = Table("seg", "JOB", (Column("ID", "text"), CURSOR, NUMERIC, JSON))

#: What each warehouse is asked for the columns of ``TABLE``.
SELECTED = {
    "postgresql": '"ID", "RECEIVED_AT", CAST("PRICE" AS text) AS "PRICE", CAST(to_json("DETAIL") AS text) AS "DETAIL"',
    "redshift": '"ID", "RECEIVED_AT", CAST("PRICE" AS VARCHAR) AS "PRICE", JSON_SERIALIZE("DETAIL") AS "DETAIL"',
    "snowflake": '"ID", "RECEIVED_AT", CAST("PRICE" AS VARCHAR) AS "PRICE", '
    'TO_JSON(TO_VARIANT("DETAIL")) AS "DETAIL"',
    "bigquery": "`ID`, `RECEIVED_AT`, CAST(`PRICE` AS STRING) AS `PRICE`, TO_JSON_STRING(`DETAIL`) AS `DETAIL`",
    "databricks": "`ID`, `RECEIVED_AT`, CAST(`PRICE` AS STRING) AS `PRICE`, to_json(`DETAIL`) AS `DETAIL`",
    "duckdb": '"ID", "RECEIVED_AT", CAST("PRICE" AS VARCHAR) AS "PRICE", '
    'CAST(to_json("DETAIL") AS VARCHAR) AS "DETAIL"',
    "sqlite": '"ID", "RECEIVED_AT", "PRICE", "DETAIL"',
}


def test_the_rows_of_a_table_are_asked_for_in_the_words_of_each_warehouse(database):
    sql = database.compiled(statements.events(database, TABLE, TABLE.columns, CURSOR, DAY))
    assert sql.startswith(f"SELECT {SELECTED[database.warehouse.name]}\nFROM ")
    name, cursor = database.quoted("seg", "JOB"), database.quoted("RECEIVED_AT")
    assert f"FROM {name}\nWHERE {cursor} >= " in sql


def test_every_statement_compiles_with_its_binds(database):
    tracks = Table(
        "seg", "tracks", (Column("id", "text"), CURSOR, Column("event", "text"), Column("sent_at", "text"))
    )
    made = [
        statements.events(database, TABLE, TABLE.columns, CURSOR, DAY),
        statements.events_with_tracks(
            database, TABLE, TABLE.columns, CURSOR, DAY, tracks=tracks, borrowed=[tracks.columns[3]]
        ),
        statements.event_names(database, tracks, "event", CURSOR, DAY),
        statements.hours(database, TABLE, CURSOR, DAY),
    ]
    for statement in made:
        assert set(statement.compile(dialect=database.dialect).params) == {"since", "until"}
        assert "{" not in database.compiled(statement)
    assert statements.newest(database, TABLE, CURSOR).compile(dialect=database.dialect).params == {}


def test_hostile_names_are_quoted_in_every_dialect(database):
    """Undoing the quotes gives back the name, so nothing in it is SQL; and it brings no bind of its own."""
    column = Column(HOSTILE, "text")
    table = Table(HOSTILE, HOSTILE, (Column("id", "text"), column, CURSOR))
    statement = statements.events(database, table, [column], CURSOR, DAY)
    compiled = statement.compile(dialect=database.dialect)
    assert set(compiled.params) == {"since", "until"}
    sql = str(compiled).replace("%%", "%")
    quote = database.quoted("x")[0]
    escaped = {"bigquery": HOSTILE.replace("`", "\\`")}.get(
        database.warehouse.name, HOSTILE.replace(quote, quote * 2)
    )
    assert sql.startswith(f"SELECT {quote}{escaped}{quote}\nFROM ")


def test_partitions_by_load_time_are_asked_for_from_the_windows_first_day_on():
    """BigQuery charges for every partition that a statement may touch."""
    database = Described("bigquery")
    columns = (*TABLE.columns, Column("_PARTITIONTIME", "TIMESTAMP"))
    table = Table("seg", "JOB", columns)
    for statement in (
        statements.events(database, table, [NUMERIC], CURSOR, DAY),
        statements.event_names(database, table, "event", CURSOR, DAY),
        statements.hours(database, table, CURSOR, DAY),
    ):
        assert "_PARTITIONTIME >= TIMESTAMP_TRUNC(" in database.compiled(statement)
    assert "_PARTITIONTIME >= TIMESTAMP_SUB(" in database.compiled(statements.newest(database, table, CURSOR))
    assert "_PARTITIONTIME" not in database.compiled(statements.hours(database, TABLE, CURSOR, DAY))
    assert "_PARTITIONTIME" not in database.compiled(
        statements.events(database, table, [NUMERIC], Column("RECEIVED_AT", "DATETIME"), DAY)
    )


def test_a_bigquery_schema_may_name_its_project():
    database = Described("bigquery")
    table = Table("my-project.data", "JOB", TABLE.columns)
    assert "FROM `my-project`.`data`.`JOB`" in database.compiled(
        statements.events(database, table, TABLE.columns, CURSOR, DAY)
    )


@pytest.mark.parametrize(
    ("declared", "since", "held"),
    [
        ("timestamp with time zone", "2026-11-01T00:00:00+00:00", sa.TIMESTAMP),
        ("TIMESTAMP_NTZ", "2026-11-01T00:00:00", sa.DateTime),
        ("DATETIME", "2026-11-01T00:00:00", sa.DateTime),
        ("date", "2026-11-01", sa.Date),
        ("varchar", "2026-10-31", sa.String),
    ],
)
def test_the_window_is_bound_in_the_type_of_the_cursor(declared, since, held):
    statement = statements.events(
        Described("snowflake"), TABLE, TABLE.columns, Column("RECEIVED_AT", declared), DAY
    )
    bind = statement._bindparams["since"]
    assert (bind.value if isinstance(bind.value, str) else bind.value.isoformat()) == since
    assert isinstance(bind.type, held)


def test_hours_are_not_counted_where_the_cursor_is_text():
    text = Column("RECEIVED_AT", "varchar")
    assert statements.hours(Described("snowflake"), TABLE, text, DAY) is None


@pytest.mark.parametrize(
    ("declared", "arrow", "fetched"),
    [
        ("bigint", pa.int64(), "as it is"),
        ("INT64", pa.int64(), "as it is"),
        ("NUMBER(38,0)", pa.decimal128(38, 0), "text"),
        ("decimal(38, 6)", pa.decimal128(38, 6), "text"),
        ("numeric", pa.json_(), "text"),
        ("BIGNUMERIC", pa.json_(), "text"),
        ("DECIMAL(76,38)", pa.json_(), "text"),
        ("HUGEINT", pa.json_(), "text"),
        ("double precision", pa.float64(), "as it is"),
        ("float4", pa.float32(), "as it is"),
        ("BOOLEAN", pa.bool_(), "as it is"),
        ("character varying(512)", pa.string(), "as it is"),
        ("timestamp(3) without time zone", INSTANT, "as it is"),
        ("TIMESTAMP_TZ", INSTANT, "as it is"),
        ("date", pa.date32(), "as it is"),
        ("VARIANT", pa.json_(), "json"),
        ("jsonb", pa.json_(), "json"),
        ("STRUCT<a INT64>", pa.json_(), "json"),
        ("ARRAY<STRING>", pa.json_(), "json"),
        ("text[]", pa.json_(), "json"),
        ("super", pa.json_(), "json"),
        ("uuid", pa.string(), "text"),
        ("interval", pa.string(), "text"),
    ],
)
def test_a_type_is_read_without_losing_anything(declared, arrow, fetched):
    kind = kind_of(declared)
    assert (kind.arrow, kind.fetched) == (arrow, fetched)


def test_precision_may_be_told_by_the_catalog():
    assert kind_of("numeric", 20, 4).arrow == pa.decimal128(20, 4)


def test_every_sql_file_says_what_it_is_for_and_is_one_statement():
    root = Path(sqlfiles.__file__).parents[2] / "sql"
    files = sorted((root / "extract").rglob("*.sql"))
    assert len(files) > 15
    for file in files:
        assert file.read_text().startswith("-- "), file
        assert ";" not in sqlfiles.statement(str(file.relative_to(root))), file


def test_a_statement_that_is_not_there_is_our_mistake():
    with pytest.raises(FileNotFoundError, match=r"no SQL file extract/nothing\.sql"):
        sqlfiles.statement("extract/nothing.sql")
