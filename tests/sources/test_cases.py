"""Files and tables as the world writes them, through the command: each was once read wrong (``tests/sources/cases``)."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

CASES = Path(__file__).parent / "cases"

CONFIG = """\
pipeline: t
source: {source}
subscriptions:
  - name: s
    mapping:
      transaction_id: {{"@path": "$.messageId"}}
      customer_id: {{"@path": "$.userId"}}
      timestamp: {{"@path": "$.timestamp"}}
      event_type: {{"@path": "$.event"}}
      properties: {{"@path": "$.properties"}}
destination: {{account: test, base_url: "http://127.0.0.1:9"}}
state: {{url: "sqlite:///state/etl.db"}}
"""


@pytest.fixture
def etl(command, workspace):
    """``etl … -c etl.yml`` for a source, with one subscription that bills all properties."""

    def call(source, *arguments):
        source = {"start": "2026-10-28", **source}
        (workspace.path / "etl.yml").write_text(CONFIG.format(source=json.dumps(source)))
        return command(*arguments)

    return call


@pytest.fixture
def bodies(etl):
    """The usage events ``etl map`` makes of a source; it must exit 0."""

    def call(source):
        said = etl(source, "map")
        assert said.code == 0, said.err
        outcomes = [json.loads(line) for line in said.out.splitlines()]
        assert {outcome["outcome"] for outcome in outcomes} == {"mapped"}
        return [outcome["body"] for outcome in outcomes]

    return call


def case(name, **more):
    return {"type": "parquet", "path": str(CASES / name), **more}


def read(etl, source, since="2026-11-01", until="2026-11-28"):
    """The report of a dry run."""
    said = etl(source, "run", "--dry-run", "--json", "--since", since, "--until", until)
    return json.loads(said.out)


def test_two_columns_of_one_name_are_refused(etl):
    said = etl(case("column_twice"), "map")
    assert said.code == 3
    assert "a.parquet has 2 columns named 'user_id': rename them" in said.err


def test_integers_beyond_64_bits_keep_every_digit_in_an_own_query(bodies, workspace):
    path = workspace.path / "w.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute(
            """CREATE TABLE api AS SELECT id, 'API' AS event_text, 'u' AS user_id, units,
            TIMESTAMPTZ '2026-11-05 10:00Z' AS received_at, TIMESTAMPTZ '2026-11-05 09:00Z' AS "timestamp"
            FROM (VALUES ('m0', 5::HUGEINT), ('m1', 12345678901234567890)) AS v(id, units)"""
        )
    (workspace.path / "q.sql").write_text(
        "SELECT * FROM api WHERE received_at >= :since AND received_at < :until"
    )
    found = bodies({"type": "warehouse", "url": f"duckdb:///{path}", "query": "q.sql"})
    assert [body["properties"]["units"] for body in found] == [5, 12345678901234567890]


def test_int96_times_beyond_those_of_nanoseconds_are_exact(bodies):
    found = [body["properties"]["contract_end"] for body in bodies(case("int96"))]
    assert found == ["9999-12-31T00:00:00.000Z", "1000-01-01T00:00:00.000Z"]


def test_the_hour_that_clocks_show_twice_is_read(bodies):
    found = [body["timestamp"] for body in bodies(case("ambiguous_hour"))]
    assert found == ["2026-11-01T05:30:00.000Z", "2026-11-01T06:30:00.000Z", "2026-11-01T12:00:00.000Z"]


def test_a_folder_named_for_the_day_of_the_event_is_read(etl):
    report = read(etl, case("event_date_folders"), "2026-11-04", "2026-11-06")
    assert (report["read"], report["complete"]) == (1, False)
    said = etl(case("event_date_folders"), "check")
    assert "date= are not taken for when rows were received" in said.err


def test_the_folder_of_a_delta_table_is_refused_with_what_to_use(etl):
    for source in (case("delta_table"), case("delta_table/part-00000-old.parquet"), case(".")):
        for arguments in (("map",), ("check",), ("run", "--dry-run")):
            said = etl(source, *arguments)
            assert said.code == 2
            assert "holds a Delta table" in said.err
            assert "use source.type: delta" in said.err


def test_encrypted_columns_stop_the_run_with_a_message(etl):
    said = etl(case("encrypted_columns"), "map")
    assert said.code == 3
    assert "a.parquet cannot be read as Parquet: columns of it are encrypted" in said.err


def test_the_marker_of_a_folder_is_ignored_and_that_is_said(etl):
    assert read(etl, case("folder_marker"))["read"] == 1
    assert "1 file ignored: a folder's marker (such as " in etl(case("folder_marker"), "check").err


def test_the_index_of_a_frame_is_no_property(bodies):
    assert [list(body["properties"]) for body in bodies(case("pandas_index"))] == [["units"]]


def test_the_first_line_after_a_byte_order_mark_is_read(etl):
    report = read(etl, case("byte_order_mark", type="logs"))
    assert (report["read"], report["unreadable"]) == (3, 0)


def test_an_id_that_is_a_uuid_is_billed_under_its_text(bodies, etl, postgres):
    engine = sa.create_engine(postgres)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            """CREATE TABLE api (id uuid, event text, event_text text, user_id text, received_at timestamptz,
            "timestamp" timestamptz, units int)"""
        )
        connection.exec_driver_sql(
            """INSERT INTO api VALUES ('f47ac10b-58cc-4372-a567-0e02b2c3d479', 'api', 'API', 'u',
            '2026-11-05T10:00:00Z', '2026-11-05T09:00:00Z', 1)"""
        )
    engine.dispose()
    source = {"type": "warehouse", "url": postgres, "schema": "public", "tables": ["api"]}
    (body,) = bodies(source)
    assert body["transaction_id"] == "f47ac10b-58cc-4372-a567-0e02b2c3d479"
    assert read(etl, source)["read"] == 1


def test_names_that_differ_only_in_case_are_both_kept(bodies):
    assert [body["properties"] for body in bodies(case("names_of_other_case"))] == [{"Units": 5, "units": 1}]
