"""The warehouse source, on a real PostgreSQL, on DuckDB and on SQLite."""

from __future__ import annotations

import itertools
import logging
import threading
from datetime import date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
import sqlalchemy as sa

from etl.core.errors import ConfigError, SourceError
from etl.core.windows import Window
from etl.sources.warehouse import WarehouseSource
from tests.sources.support import DAY, START, at, ids
from tests.sources.warehouses import insert, run, segment_schema

WAYS = pytest.mark.parametrize("fast", [True, False], ids=["adbc", "sqlalchemy"])


def source(url, tables=("job_done",), schemas=("segment",), **options):
    return WarehouseSource(url, schemas=schemas, tables=tables, **options)


def job(name, hours=1.0, **more):
    return {"id": name, "event": "job_done", "event_text": "Job Done", "received_at": at(hours), **more}


@pytest.fixture
def segment(postgres):
    segment_schema(postgres)
    return postgres


@pytest.fixture(params=["postgres", "duckdb", "sqlite"])
def anywhere(request, tmp_path):
    """A warehouse of each kind that runs here: its URL, and the schema of Segment's tables."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres")
        return url, segment_schema(url)
    url = f"{request.param}:///{tmp_path}/warehouse.db"
    instant = "timestamptz" if request.param == "duckdb" else "timestamp"
    return url, segment_schema(url, "main", instant=instant, json="json")


def put(anywhere, table, rows):
    """Insert rows; SQLite keeps times as text, and here with T and Z, as Segment's API writes them."""
    url, schema = anywhere
    if url.startswith("sqlite"):
        rows = [
            {k: f"{v:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(v, datetime) else v for k, v in r.items()}
            for r in rows
        ]
    insert(url, f"{schema}.{table}", rows)


# ------------------------------------------------------------------------------------------ what is read


def test_rows_of_the_window_are_read_everywhere(anywhere):
    url, schema = anywhere
    put(anywhere, "job_done", [job(str(hours), hours) for hours in (-1, 0, 5, 23.5, 24, 30)])
    batches = list(source(url, schemas=(schema,)).batches(DAY))
    assert sorted(ids(batches)) == ["0", "23.5", "5"]
    assert {batch.origin for batch in batches} == {f"{schema}.job_done"}
    assert {batch.layout for batch in batches} == {"warehouse"}
    assert sorted(moment for batch in batches for moment in batch.cursor.to_pylist()) == [
        at(0),
        at(5),
        at(23.5),
    ]
    positions = [row for batch in batches for row in batch.rows.to_pylist()]
    assert len(set(positions)) == 3


@WAYS
def test_values_arrive_exactly(segment, fast):
    """Integers with nulls, numerics of 38 digits, undeclared numerics, JSON and instants keep every digit."""
    huge = "12345678901234567890123456789012.123456"
    insert(
        segment,
        "segment.job_done",
        [
            job(
                "a", tokens=2**53 + 1, price=huge, exact="1.50", share=0.1, ok=True, flag="true", timestamp=at(1),
                detail='{"n": 12345678901234567890.10, "z": null}', job_id='q"\\\n😀\x01',
            ),
            job("b"),
        ],
    )  # fmt: skip
    (batch, *_) = source(segment, fast=fast).batches(DAY)
    a, b = sorted(batch.table.to_pylist(), key=lambda row: row["id"])
    assert a == {
        "id": "a",
        "event": "job_done",
        "event_text": "Job Done",
        "user_id": None,
        "context_group_id": None,
        "received_at": at(1),
        "timestamp": at(1),
        "job_id": 'q"\\\n😀\x01',
        "tokens": 2**53 + 1,
        "price": Decimal(huge),
        "exact": "1.50",
        "share": 0.1,
        "ok": True,
        "flag": "true",
        "detail": '{"n": 12345678901234567890.10, "z": null}',
        "anonymous_id": None,
        "sent_at": None,
        "uuid_ts": None,
    }
    assert {b[name] for name in ("tokens", "price", "exact", "share", "ok", "flag", "detail")} == {None}
    held = batch.table.schema
    assert held.field("tokens").type == pa.int64()
    assert held.field("price").type == pa.decimal128(38, 6)
    assert held.field("exact").type == held.field("detail").type == pa.json_()


def test_both_ways_to_fetch_give_identical_tables(segment):
    """Every type PostgreSQL has a name for, fetched by ADBC and by SQLAlchemy."""
    run(
        segment,
        """CREATE TABLE segment.types AS SELECT md5(n::text) AS id, n AS b, n::int AS i, n::smallint AS s,
        (n / 7.0)::numeric(20, 4) AS fixed, n / 7.0 AS free, (n / 7.0)::float8 AS f8, (n / 7.0)::float4 AS f4,
        mod(n, 2) = 0 AS flag, 'text ' || n AS t, ('v' || n)::varchar(9) AS v, 'c'::char(3) AS c, DATE '2026-11-01' AS d,
        TIMESTAMP '2026-11-01' + n * interval '1 second' AS received_at, TIMESTAMPTZ '2026-11-01 00:00:00.123456Z' AS tz,
        json_build_object('n', n / 3.0) AS j, jsonb_build_array(n, 'x') AS jb, ARRAY[n, n + 1] AS arr,
        gen_random_uuid() AS u, interval '1 day' AS iv, '10.0.0.1'::inet AS ip, '\\x00ff'::bytea AS by,
        CASE WHEN mod(n, 3) = 0 THEN n END AS sparse FROM generate_series(1, 1000) AS n""",
    )
    run(
        segment,
        "UPDATE segment.types SET tz = NULL, t = NULL, f4 = NULL, j = NULL, free = NULL WHERE mod(b, 5) = 0",
    )
    tables = [
        pa.concat_tables(
            batch.table for batch in source(segment, ("types",), fast=fast, batch_rows=300).batches(DAY)
        ).sort_by("b")
        for fast in (True, False)
    ]
    assert tables[0].num_rows == 1000
    assert tables[0].schema == tables[1].schema
    assert tables[0].equals(tables[1])
    assert tables[0].schema.field("arr").type == pa.json_()
    assert tables[0].schema.field("received_at").type == pa.timestamp("us", "UTC")


@WAYS
def test_batches_are_bounded_and_positions_run_on(segment, fast):
    run(
        segment,
        "INSERT INTO segment.job_done (id, received_at, flag) SELECT n, '2026-11-01 01:00Z', repeat('x', 100) "
        "FROM generate_series(1, 25000) AS n",
    )
    batches = [b for b in source(segment, fast=fast, batch_rows=4000).batches(DAY) if len(b.table)]
    assert max(len(batch.table) for batch in batches) == 4000
    assert list(itertools.chain(*(b.rows.to_pylist() for b in batches))) == list(range(25_000))
    assert len(set(ids(batches))) == 25_000


@pytest.mark.parametrize(
    ("declared", "cells"),
    [
        ("timestamp", ("2026-11-01 23:30:00", "2026-11-02 00:30:00")),
        ("timestamptz", ("2026-11-02 05:00:00+05:30", "2026-11-02 06:00:00+05:30")),
        ("date", ("2026-11-01", "2026-11-02")),
        ("text", ("2026-11-01T23:30:00.000Z", "2026-11-02T06:00:00+05:30")),
    ],
)
@WAYS
def test_windows_are_cut_in_utc_whatever_the_type_of_the_cursor(segment, declared, cells, fast):
    """The server's own zone does not matter: sessions are in UTC."""
    name = segment.rsplit("/", 1)[1]
    run(segment, f"ALTER DATABASE {name} SET timezone TO 'Asia/Tokyo'")
    run(segment, f"CREATE TABLE segment.t (id text, received_at {declared})")
    run(segment, f"INSERT INTO segment.t VALUES ('in', '{cells[0]}'), ('out', '{cells[1]}'), ('never', NULL)")
    assert ids(source(segment, ("t",), fast=fast).batches(DAY)) == ["in"]


def test_only_the_asked_columns_are_fetched(segment):
    insert(segment, "segment.job_done", [job("a", job_id="j")])
    (batch, *_) = source(segment).batches(DAY, {("properties", "jobId"), ("context", "groupId")})
    assert batch.table.column_names == ["id", "event_text", "context_group_id", "received_at", "job_id"]


def test_columns_that_only_tracks_has_are_joined_by_id(segment):
    insert(segment, "segment.job_done", [job("a"), job("b")])
    insert(segment, "segment.tracks", [{"id": "a", "received_at": at(1), "anonymous_id": "x"}])
    (batch, *_) = source(segment).batches(DAY, {("anonymousId",)})
    assert {row["id"]: row["anonymous_id"] for row in batch.table.to_pylist()} == {"a": "x", "b": None}


def test_a_path_without_a_column_is_warned_about_once(segment, caplog):
    insert(segment, "segment.job_done", [job("a"), job("b", 30)])
    with caplog.at_level(logging.WARNING):
        list(source(segment).batches(DAY, {("properties", "jobIdd"), ("type",), ("properties",), ("event",)}))
    assert caplog.messages == ["no table has a column for $.properties.jobIdd: it is absent from every event"]


# ------------------------------------------------------------------------------------------ which tables


def test_all_tables_that_tracks_names_are_read(anywhere):
    url, schema = anywhere
    run(url, f"CREATE TABLE {schema}.quiet (id text, received_at timestamp)")
    put(anywhere, "job_done", [job("a")])
    put(anywhere, "tracks", [job("a")])
    assert ids(source(url, "*", (schema,)).batches(DAY)) == ["a"]
    assert list(source(url, "*", (schema,)).batches(Window(at(48), at(72)))) == []


def test_an_event_without_a_table_stops_the_run_because_its_properties_cannot_be_read(segment):
    insert(segment, "segment.tracks", [{"id": "a", "event": "vanished", "received_at": at(1)}])
    with pytest.raises(
        SourceError, match=r"schema segment has no table for vanished, which segment.tracks names"
    ):
        list(source(segment, "*").batches(DAY))


def test_several_schemas_feed_one_pipeline(segment):
    segment_schema(segment, "other")
    insert(segment, "segment.job_done", [job("a")])
    insert(segment, "other.job_done", [job("b")])
    batches = list(source(segment, schemas=("segment", "OTHER")).batches(DAY))
    assert [(b.origin, ids([b])) for b in batches if len(b.table)] == [
        ("segment.job_done", ["a"]),
        ("other.job_done", ["b"]),
    ]


@pytest.mark.parametrize("asked", ["job_done", "JOB_DONE", "Job Done", "jobDone"])
def test_a_table_is_found_by_its_name_in_any_case_or_by_the_event(segment, asked):
    insert(segment, "segment.job_done", [job("a")])
    assert ids(source(segment, (asked,), ("SeGmEnT",)).batches(DAY)) == ["a"]


def test_upper_case_names_are_found_and_quoted(postgres):
    """As Snowflake shows them."""
    run(
        postgres,
        'CREATE SCHEMA "SEG"',
        'CREATE TABLE "SEG"."JOB" ("ID" text, "RECEIVED_AT" timestamp, "JOB_ID" text)',
    )
    insert(postgres, '"SEG"."JOB"', [{"ID": "a", "RECEIVED_AT": datetime(2026, 11, 1, 1), "JOB_ID": "j"}])  # noqa: DTZ001
    (batch, mark) = source(postgres, ("job",), ("seg",)).batches(DAY, {("properties", "jobId")})
    assert batch.table.to_pylist() == [{"ID": "a", "RECEIVED_AT": at(1), "JOB_ID": "j"}]
    assert mark.mark.startswith("SEG.JOB|2026-11-01T01|1h|1|")


HOSTILE = (
    '"; DROP TABLE victim; --',
    "a:since b",
    "per%cent %s %(x)s",
    "{columns}",
    "it's",
    "\\:x",
    "ünï cödé",
    "select",
)


@pytest.fixture(scope="module")
def shared(postgres_cluster):
    """A Segment schema in a database of these tests together, and a table that nobody may drop."""
    url = postgres_cluster.create_database()
    segment_schema(url)
    run(url, "CREATE TABLE victim (x int)")
    yield url
    run(url, "SELECT x FROM victim")
    postgres_cluster.drop_database(url)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_names_and_nothing_else(shared, name):
    """Also in the statement that joins ``tracks``, and both ways to fetch."""
    quoted = '"' + name.replace('"', '""').replace("%", "%%") + '"'
    run(shared, f"CREATE SCHEMA {quoted}")
    for table in (quoted, f"{quoted}.tracks"):
        schema = "" if "." in table else f"{quoted}."
        run(
            shared,
            f"CREATE TABLE {schema}{table} (id text, event text, received_at timestamptz, {quoted} numeric, only_{len(schema)} int)",
        )
    run(shared, f"INSERT INTO {quoted}.{quoted} VALUES ('a', 'e', '2026-11-01 01:00Z', 1.5)")
    for fast in (True, False):
        reader = WarehouseSource(shared, schemas=[name], tables=[name], fast=fast)
        reader.check()
        (batch, *_) = reader.batches(DAY)
        assert batch.table.column(name).to_pylist() == ["1.5"]
        assert reader.newest() is None
    renamed = WarehouseSource(shared, schemas=[name], tables=[name], cursor=name)
    with pytest.raises(ConfigError, match="has the type"):
        list(renamed.batches(DAY))
    run(shared, "SELECT x FROM victim")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_that_are_not_there_are_refused(shared, name):
    with pytest.raises(ConfigError, match="no table"):
        list(source(shared, (name,)).batches(DAY))
    with pytest.raises(ConfigError, match="no schema"):
        list(source(shared, schemas=(f"{name} ",)).batches(DAY))


# ----------------------------------------------------------------------------------- an unchanged overlap


def test_unchanged_hours_are_not_read_again(anywhere):
    """A late row makes its hour be read again, and no other."""
    url, schema = anywhere
    reader = source(url, schemas=(schema,))
    put(anywhere, "job_done", [job(f"{n}", n / 4) for n in range(60)])
    marks = {batch.mark for batch in reader.batches(DAY)} - {None}
    assert len(marks) == 15
    assert list(reader.batches(DAY, done=marks)) == []
    put(anywhere, "job_done", [job("late", 3.9)])
    again = list(reader.batches(DAY, done=marks))
    assert sorted(ids(again)) == ["12", "13", "14", "15", "late"]
    assert [batch.mark.split("|")[1] for batch in again if batch.mark] == ["2026-11-01T03"]


def test_old_days_have_one_mark(segment):
    insert(segment, "segment.job_done", [job(str(n), 24 * n) for n in range(10)])
    batches = list(source(segment).batches(Window(START, at(240))))
    marks = [batch.mark.split("|")[1:3] for batch in batches if batch.mark]
    assert marks == [[f"2026-11-0{day}T00", "24h"] for day in range(1, 7)] + [
        [f"2026-11-{day:02}T00", "1h"] for day in range(7, 11)
    ]


def test_an_hour_that_is_only_partly_in_the_window_is_never_marked(segment):
    insert(segment, "segment.job_done", [job("a", 1.2), job("b", 1.7)])
    (batch,) = source(segment).batches(Window(at(1.5), at(1.9)))
    assert ids([batch]) == ["b"]
    assert batch.mark is None


def test_the_newest_row_is_told(anywhere):
    url, schema = anywhere
    reader = source(url, schemas=(schema,))
    assert reader.newest() is None
    put(anywhere, "tracks", [job("a", 5), job("b", 7)])
    assert reader.newest() == at(7)


# ----------------------------------------------------------------------------------------- own queries


def query_file(tmp_path, text):
    path = tmp_path / "mine.sql"
    path.write_text(text)
    return str(path)


@WAYS
def test_a_query_of_ones_own_is_read(segment, tmp_path, fast):
    insert(
        segment,
        "segment.job_done",
        [job(str(n), n, price="1.5", detail='{"a": 1.10}') for n in (-1, 0, 23, 24)],
    )
    path = query_file(
        tmp_path,
        """-- ours: 100 % of it
        WITH mine AS (SELECT id, received_at, price, detail, 'a:b' AS x, 7::bigint AS n FROM segment.job_done)
        SELECT * FROM mine WHERE received_at >= :since AND received_at < :until ORDER BY received_at;
        """,
    )
    reader = WarehouseSource(segment, query=path, fast=fast)
    reader.check()
    assert reader.newest() is None
    (batch,) = reader.batches(DAY)
    assert batch.table.to_pylist() == [
        {
            "id": i,
            "received_at": at(int(i)),
            "price": Decimal("1.500000"),
            "detail": '{"a": 1.10}',
            "x": "a:b",
            "n": 7,
        }
        for i in ("0", "23")
    ]
    assert (batch.origin, batch.layout, batch.mark) == ("source.query mine.sql", "warehouse", None)


def test_a_query_may_give_events_as_segments_api_has_them(segment, tmp_path):
    insert(segment, "segment.job_done", [job("a", detail='{"a": 1.10}')])
    path = query_file(
        tmp_path,
        'SELECT id AS "messageId", received_at AS "receivedAt", CAST(detail AS text) AS properties '
        "FROM segment.job_done WHERE received_at >= :since AND received_at < :until",
    )
    (batch,) = WarehouseSource(segment, query=path).batches(DAY)
    assert batch.layout == "segment"
    assert batch.table.schema.field("properties").type == pa.json_()


def test_a_query_on_sqlite_is_given_whole_days_and_cut_exactly(tmp_path):
    url = f"sqlite:///{tmp_path}/warehouse.db"
    run(url, "CREATE TABLE t (id, received_at, n)")
    cells = [
        ("a", "2026-11-01T05:30:00Z", 1),
        ("b", "2026-11-01 06:30:00", 2.5),
        ("c", "2026-11-01T07:30:00Z", "x"),
    ]
    insert(url, "t", [dict(zip(("id", "received_at", "n"), row, strict=True)) for row in cells])
    path = query_file(tmp_path, "SELECT * FROM t WHERE received_at >= :since AND received_at < :until")
    (batch,) = WarehouseSource(url, query=path).batches(Window(at(5), at(7)))
    assert ids([batch]) == ["a", "b"]
    assert batch.table.column("n").to_pylist() == ["1", "2.5"]
    assert batch.table.schema.field("n").type == pa.json_()


def test_a_query_without_the_cursor_is_a_mistake_in_the_config(segment, tmp_path):
    insert(segment, "segment.job_done", [job("a")])
    path = query_file(
        tmp_path, "SELECT id FROM segment.job_done WHERE received_at >= :since AND received_at < :until"
    )
    for use in (WarehouseSource.check, lambda reader: list(reader.batches(DAY))):
        with pytest.raises(ConfigError, match=r"source.query mine.sql has no column 'received_at'"):
            use(WarehouseSource(segment, query=path))


def test_a_query_cannot_write(segment, tmp_path):
    path = query_file(
        tmp_path,
        "WITH gone AS (DELETE FROM segment.tracks WHERE received_at BETWEEN :since AND :until RETURNING *) SELECT * FROM gone",
    )
    with pytest.raises(SourceError, match=r"cannot read source.query mine.sql"):
        list(WarehouseSource(segment, query=path).batches(DAY))


# ---------------------------------------------------------------------------------------------- errors


def test_a_missing_table_schema_or_cursor_is_a_mistake_in_the_config(segment):
    with pytest.raises(ConfigError) as error:
        list(source(segment, ("jobs_done",)).batches(DAY))
    assert str(error.value) == (
        "source.tables: schema segment has no table 'jobs_done'; did you mean job_done?"
    )
    with pytest.raises(
        ConfigError, match="the warehouse has no schema 'nowhere', or none of its tables may be seen"
    ):
        source(segment, schemas=("nowhere",)).check()
    with pytest.raises(ConfigError, match=r"table segment.job_done has no column 'loaded_at' .* it has "):
        source(segment, cursor="loaded_at").check()
    with pytest.raises(ConfigError, match=r"'price' of table segment.job_done has the type "):
        source(segment, cursor="price").check()
    run(segment, "DROP TABLE segment.tracks")
    with pytest.raises(ConfigError, match=r'source.tables is "\*", but schema segment has no table tracks'):
        source(segment, "*").check()


def test_a_table_dropped_between_runs_is_said(segment):
    reader = source(segment)
    insert(segment, "segment.job_done", [job("a")])
    assert ids(reader.batches(DAY)) == ["a"]
    run(segment, "DROP TABLE segment.job_done")
    with pytest.raises(ConfigError, match="schema segment has no table 'job_done'"):
        list(reader.batches(DAY))


def test_a_type_changed_between_runs_is_followed_and_a_cursor_of_no_instant_refused(segment):
    reader = source(segment)
    insert(segment, "segment.job_done", [job("a", tokens=5)])
    list(reader.batches(DAY))
    run(segment, "ALTER TABLE segment.job_done ALTER tokens TYPE text")
    (batch, *_) = reader.batches(DAY)
    assert batch.table.column("tokens").to_pylist() == ["5"]
    run(segment, "ALTER TABLE segment.job_done ALTER received_at TYPE bool USING true")
    with pytest.raises(ConfigError, match=r"has the type bool; source.cursor has to name a timestamp column"):
        list(reader.batches(DAY))


@WAYS
def test_a_cursor_of_numbers_is_epoch_milliseconds_or_stops_the_run(segment, fast):
    insert(segment, "segment.job_done", [job("a"), job("b", received_at=at(30))])
    to = "ALTER TABLE segment.job_done ALTER received_at TYPE bigint USING {}"
    run(segment, to.format("1000 * extract(epoch FROM received_at)"))
    reader = source(segment, fast=fast)
    assert ids(reader.batches(DAY)) == ["a"]
    run(segment, to.format("received_at / 1000"))
    with pytest.raises(SourceError, match="holds numbers that are no epoch milliseconds, such as 179"):
        list(reader.batches(DAY))


def test_no_permission_is_said_with_what_to_grant(segment):
    run(segment, "CREATE ROLE reader LOGIN", "GRANT SELECT ON segment.job_done TO reader")
    try:
        for fast in (True, False):
            with pytest.raises(SourceError) as error:
                list(source(segment.replace("postgres@", "reader:s3cret@"), fast=fast).batches(DAY))
            assert str(error.value) == (
                "cannot read table segment.job_done: permission denied for schema segment. Grant the user of "
                "source.url USAGE on the schema and SELECT on its tables. Run again once that is mended; nothing "
                "of the window is marked complete."
            )
    finally:
        run(segment, "DROP OWNED BY reader", "DROP ROLE reader")


@WAYS
def test_a_lost_connection_stops_the_run_and_the_next_run_carries_on(segment, fast):
    run(
        segment,
        "INSERT INTO segment.job_done (id, received_at, flag) SELECT n, '2026-11-01 01:00Z', repeat(md5(n::text), 30) "
        "FROM generate_series(1, 60000) AS n",
    )
    reader = source(segment, fast=fast, batch_rows=2000)
    batches = reader.batches(DAY)
    next(batches)
    run(
        segment,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    with pytest.raises(
        SourceError, match=r"cannot read table segment.job_done: .* Run again once that is mended"
    ):
        list(batches)
    assert len(ids(reader.batches(DAY))) == 60_000


@WAYS
def test_a_cancelled_query_is_said(segment, fast):
    run(
        segment,
        "CREATE FUNCTION slow() RETURNS text AS 'SELECT pg_sleep(20)::text' LANGUAGE sql VOLATILE",
        "CREATE VIEW segment.slow AS SELECT slow() AS id, TIMESTAMP '2026-11-01 01:00' AS received_at, 1 AS x "
        "FROM generate_series(1, 5)",
    )
    stop = threading.Event()
    canceller = threading.Thread(target=_cancel_until, args=(segment, stop))
    canceller.start()
    try:
        with pytest.raises(SourceError, match=r"cannot read table segment.slow: .*cancel.* Run again"):
            list(source(segment, ("slow",), fast=fast).batches(DAY))
    finally:
        stop.set()
        canceller.join()


def _cancel_until(url, stop):
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%%slow%%' AND pid <> pg_backend_pid()"
    with engine.connect() as connection:
        for _ in range(400):
            if stop.wait(0.05):
                break
            connection.exec_driver_sql(cancel)
    engine.dispose()


def test_an_unreachable_warehouse_is_said_without_the_password():
    reader = source("postgresql+psycopg://me:s3cret@127.0.0.1:1/x")
    with pytest.raises(SourceError, match=r"cannot read the catalog of schema segment: connection") as error:
        reader.check()
    assert "s3cret" not in str(error.value)
    assert error.value.__cause__ is None
    with pytest.raises(ConfigError, match=r"source.url is no SQLAlchemy URL") as error:
        source("no url: s3cret")
    assert "s3cret" not in str(error.value)


def test_what_a_client_lacks_is_said_and_is_no_bug(monkeypatch, tmp_path):
    """Google's client raises an error of its own where it finds no credentials, before anything is connected."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(ConfigError, match=r"source.url cannot be used: .*none\.json was not found"):
        WarehouseSource("bigquery://project", schemas=["s"], tables=["t"])


def test_a_warehouse_without_its_driver_says_what_to_install():
    with pytest.raises(
        ConfigError, match=r"source.url needs a driver for oracledb: install its SQLAlchemy dialect"
    ):
        source("oracledb://x")
    with pytest.raises(ConfigError, match=r"pip install 'segment-metronome-etl\[postgres\]'"):
        source("postgresql+pygresql://x")


def test_an_empty_window_asks_for_nothing(segment):
    assert list(source(segment).batches(Window(START, START))) == []
    assert date(2026, 11, 1) + timedelta(0) == START.date()
