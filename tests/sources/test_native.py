"""Rows as Arrow from the clients of warehouses that do not run here.

Snowflake's connector is taken the place of where it opens a connection; BigQuery's own client talks to a local server
that answers as the REST API does. Neither was run against a live warehouse.
"""

from __future__ import annotations

import json
import logging
import re
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pyarrow as pa
import pytest

from etl.core.errors import SourceError
from etl.sources import native
from etl.sources.warehouse import WarehouseSource
from tests.sources.support import DAY, at, ids
from tests.sources.warehouses import insert, segment_schema

ARROW = pytest.mark.parametrize("fast", [True, False], ids=["arrow", "rows"])

# ---------------------------------------------------------------------------------------------- Snowflake

SNOWFLAKE_COLUMNS = (
    ("ID", "TEXT"), ("EVENT_TEXT", "TEXT"), ("RECEIVED_AT", "TIMESTAMP_NTZ"), ("TIMESTAMP", "TIMESTAMP_TZ"),
    ("TOKENS", "NUMBER"), ("SHARE", "FLOAT"), ("OK", "BOOLEAN"), ("DETAIL", "VARIANT"),
)  # fmt: skip
NAIVE = datetime(2026, 11, 1, 1)  # noqa: DTZ001 - as Snowflake has it
ROWS = [
    ("a", "Job", NAIVE, at(1), str(2**53 + 1), 0.1, True, '{"n":12345678901234567890.10}'),
    ("b", "Job", NAIVE, None, None, None, None, None),
]
#: As the connector types what it was asked for.
ARROW_TYPES = (
    pa.string(), pa.string(), pa.timestamp("us"), pa.timestamp("us", "Asia/Tokyo"),
    pa.string(), pa.float64(), pa.bool_(), pa.string(),
)  # fmt: skip


class SnowflakeCursor:
    """What the connector's cursor answers, by what it is asked."""

    arraysize, rowcount, sfqid = 1, -1, "query"

    def __init__(self, connection):
        self.connection, self.description, self._rows, self._held = connection, None, [], False

    def execute(self, sql, params=None, **_):
        self.connection.asked.append((sql, params))
        self._held = 'FROM "PROD"."JOB"' in sql and "COUNT(*)" not in sql
        if "information_schema" in sql:
            self._answer(
                [
                    ("PROD", "JOB", name, held, 38 if held == "NUMBER" else None, 0)
                    for name, held in SNOWFLAKE_COLUMNS
                ]
            )
        elif "COUNT(*)" in sql:
            self._answer([(NAIVE, 2, "77")])
        elif self._held:
            self._answer(ROWS, [name for name, _ in SNOWFLAKE_COLUMNS])
        else:
            self._answer([("8.0", "8.0", "8.0")])
        return self

    def _answer(self, rows, names=None):
        names = names or [f"c{number}" for number in range(len(rows[0]))]
        self.description = [(name, 2, None, None, None, None, True) for name in names]
        self._rows = list(rows)

    def fetchone(self):
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size=None):
        self.connection.fetched += self._held
        taken, self._rows = self._rows[:size], self._rows[size:]
        return taken

    def fetchall(self):
        return self.fetchmany(len(self._rows))

    def fetch_arrow_batches(self, *, force_microsecond_precision):
        assert force_microsecond_precision
        for row in self._rows:
            yield pa.table(
                [pa.array([cell], held) for cell, held in zip(row, ARROW_TYPES, strict=True)],
                names=[name for name, _ in SNOWFLAKE_COLUMNS],
            )
        if self.connection.broken:
            raise self.connection.broken

    def close(self):
        pass


class SnowflakeConnection:
    def __init__(self):
        self.asked, self.fetched, self.broken = [], 0, None

    def cursor(self, *_):
        return SnowflakeCursor(self)

    def __getattr__(self, name):
        return lambda *_, **__: None


@pytest.fixture
def snowflake(monkeypatch):
    connection = SnowflakeConnection()
    monkeypatch.setattr("snowflake.connector.connect", lambda **_: connection)
    return connection


def snowflake_source(**options):
    return WarehouseSource("snowflake://me:s3cret@account/db", schemas=["prod"], tables=["job"], **options)


@ARROW
def test_snowflakes_connector_gives_the_same_table_as_arrow_and_row_by_row(snowflake, fast):
    """Statement, binds and session are those of SQLAlchemy; only the fetching differs."""
    (batch, mark) = snowflake_source(fast=fast).batches(DAY)
    a, b = batch.table.to_pylist()
    assert a == {
        "ID": "a", "EVENT_TEXT": "Job", "RECEIVED_AT": at(1), "TIMESTAMP": at(1), "TOKENS": Decimal(2**53 + 1),
        "SHARE": 0.1, "OK": True, "DETAIL": '{"n":12345678901234567890.10}',
    }  # fmt: skip
    assert {cell for name, cell in b.items() if name not in ("ID", "EVENT_TEXT", "RECEIVED_AT")} == {None}
    assert batch.table.schema.field("TOKENS").type == pa.decimal128(38, 0)
    assert mark.mark.startswith("PROD.JOB|2026-11-01T01|1h|2|")
    assert snowflake.fetched == (0 if fast else 2)
    sql, params = next(asked for asked in snowflake.asked if '"TOKENS"' in asked[0])
    assert 'CAST("TOKENS" AS VARCHAR) AS "TOKENS", "SHARE"' in sql
    assert params == {"since": NAIVE, "until": NAIVE + timedelta(hours=1)}


def test_an_error_of_snowflakes_connector_amid_the_rows_stops_the_run(snowflake):
    from snowflake.connector.errors import OperationalError

    snowflake.broken = OperationalError("the download of a part failed for s3cret")
    with pytest.raises(SourceError, match=r"cannot read table PROD.JOB: .*\*\*\*.* Run again once"):
        list(snowflake_source().batches(DAY))


# ----------------------------------------------------------------------------------------------- BigQuery

BIGQUERY_COLUMNS = {
    "id": "STRING", "event_text": "STRING", "received_at": "TIMESTAMP", "tokens": "INT64", "price": "NUMERIC",
    "share": "FLOAT64", "ok": "BOOL", "detail": "JSON",
}  # fmt: skip
#: Legacy names, as the REST API spells types.
REST = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "NUMERIC": "STRING", "JSON": "STRING"}
MICROS = str(int(at(1).timestamp() * 10**6))
BIGQUERY_ROWS = [
    ["a", "Job", MICROS, str(2**53 + 1), "0.10", "0.1", "true", '{"n":1.10}'],
    ["b", "Job", MICROS, None, None, None, None, None],
]


def bigquery_answer(query):
    """Names, types and rows for a statement."""
    if "INFORMATION_SCHEMA" in query:
        names = (
            "table_schema",
            "table_name",
            "column_name",
            "data_type",
            "numeric_precision",
            "numeric_scale",
        )
        rows = [["prod", "job", name, held, None, None] for name, held in BIGQUERY_COLUMNS.items()]
        return dict.fromkeys(names, "STRING"), rows
    if "COUNT(*)" in query:
        return {"hour": "TIMESTAMP", "row_count": "INTEGER", "checksum": "STRING"}, [[MICROS, "2", "77"]]
    if "`job`" in query:
        return {name: REST.get(held, held) for name, held in BIGQUERY_COLUMNS.items()}, BIGQUERY_ROWS
    return {"one": "INTEGER"}, [["1"]]


class BigQueryApi(BaseHTTPRequestHandler):
    """Jobs that are done at once: ``queries`` and ``jobs`` of the REST API."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked["query"])
        self._answer(self._results(len(self.server.asked) - 1))

    def do_GET(self):
        number = int(re.search(r"/(?:jobs|queries)/job(\d+)", self.path)[1])
        done = {"status": {"state": "DONE"}, "configuration": {"query": {"query": self.server.asked[number]}},
                "statistics": {"query": {"statementType": "SELECT"}}, "jobReference": self._job(number)}  # fmt: skip
        self._answer(done if "/jobs/" in self.path else self._results(number))

    def _job(self, number):
        return {"projectId": "project", "jobId": f"job{number}", "location": "EU"}

    def _results(self, number):
        if (
            self.server.broken
            and "`job`" in self.server.asked[number]
            and "COUNT" not in self.server.asked[number]
        ):
            return None
        schema, rows = bigquery_answer(self.server.asked[number])
        fields = [{"name": name, "type": held, "mode": "NULLABLE"} for name, held in schema.items()]
        return {
            "jobComplete": True, "jobReference": self._job(number), "totalRows": str(len(rows)),
            "schema": {"fields": fields}, "rows": [{"f": [{"v": cell} for cell in row]} for row in rows],
        }  # fmt: skip

    def _answer(self, content):
        told = content or {"error": {"code": 403, "message": "Access Denied: Table project:prod.job"}}
        body = json.dumps(told).encode()
        self.send_response(200 if content else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def bigquery_api():
    server = ThreadingHTTPServer(("127.0.0.1", 0), BigQueryApi)
    server.asked, server.broken = [], False
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def bigquery(monkeypatch):
    """BigQuery's own client, sent to a local server without credentials."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.bigquery import Client

    with bigquery_api() as server:
        address = f"http://127.0.0.1:{server.server_port}"
        client = Client("project", AnonymousCredentials(), client_options={"api_endpoint": address})
        monkeypatch.setattr("sqlalchemy_bigquery._helpers.create_bigquery_client", lambda **_: client)
        yield server
        client.close()


def bigquery_source(**options):
    return WarehouseSource("bigquery://project", schemas=["prod"], tables=["job"], **options)


@ARROW
def test_bigquerys_client_gives_the_same_table_as_arrow_and_row_by_row(bigquery, fast):
    (batch, mark) = bigquery_source(fast=fast).batches(DAY)
    a, b = batch.table.to_pylist()
    assert a == {
        "id": "a", "event_text": "Job", "received_at": at(1), "tokens": 2**53 + 1, "price": "0.10", "share": 0.1,
        "ok": True, "detail": '{"n":1.10}',
    }  # fmt: skip
    assert {cell for name, cell in b.items() if name not in ("id", "event_text", "received_at")} == {None}
    assert batch.table.schema.field("price").type == pa.json_()
    assert mark.mark.startswith("prod.job|2026-11-01T01|1h|2|")
    assert any("CAST(`price` AS STRING) AS `price`" in query for query in bigquery.asked)


def test_what_bigquery_refuses_is_said(bigquery):
    bigquery.broken = True
    with pytest.raises(SourceError, match=r"cannot read table prod.job: .*Access Denied"):
        list(bigquery_source().batches(DAY))


# ---------------------------------------------------------------------------------------- a missing driver


def test_without_the_fast_driver_rows_are_read_one_by_one_and_that_is_noted_once(
    postgres, monkeypatch, caplog
):
    segment_schema(postgres)
    insert(postgres, "segment.job_done", [{"id": str(n), "received_at": at(2 * n)} for n in range(3)])
    monkeypatch.setattr(native, "_found", lambda _: False)
    with caplog.at_level(logging.WARNING):
        reader = WarehouseSource(postgres, schemas=["segment"], tables=["job_done"])
        assert sorted(ids(reader.batches(DAY))) == ["0", "1", "2"]
        assert sorted(ids(reader.batches(DAY))) == ["0", "1", "2"]
    (note,) = caplog.messages
    assert note == (
        "reading the warehouse row by row, because adbc_driver_postgresql is not installed: "
        "pip install 'segment-metronome-etl[postgres]' makes it several times as fast"
    )
