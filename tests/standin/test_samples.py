"""Sample events: the same each time, the same in every encoding, and as Segment's exports are laid out."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from etl.standin.samples import SampleEvents, write_flat_parquet, write_logs, write_parquet

EVENTS = SampleEvents(3000, awkward=True, days=3)


@pytest.fixture(scope="module")
def table():
    return EVENTS.table()


def _parsed(rows: list[str | None]) -> list[dict | None]:
    return [row and json.loads(row) for row in rows]


def test_the_same_seed_gives_the_same_events(table):
    assert table.equals(EVENTS.table())
    assert not table.equals(SampleEvents(3000, seed=2, awkward=True, days=3).table())


def test_pieces_join_into_one_stretch_of_time():
    """More than one piece: ids stay unique, receivedAt stays in order and inside the days."""
    events = SampleEvents(120_000, days=2)
    table = events.table()
    assert pc.count_distinct(table["messageId"]).as_py() == 120_000
    received = table["receivedAt"].cast("int64").to_numpy()
    assert (received[1:] >= received[:-1]).all()
    assert table["receivedAt"][0].as_py() >= events.start
    assert table["receivedAt"][-1].as_py() < events.start + timedelta(days=2)


def test_timestamps_are_corrected_as_segment_does(table):
    row = table.slice(0, 1).to_pylist()[0]
    assert row["timestamp"] == row["receivedAt"] - (row["sentAt"] - row["originalTimestamp"])


def test_awkward_ones_are_there_when_asked_for(table):
    ids = Counter(table["messageId"].to_pylist())
    assert max(ids.values()) > 1
    assert pc.struct_field(table["context"], "groupId").null_count > 0
    assert set(table["type"].to_pylist()) == {"track", "identify", "page"}
    plain = SampleEvents(3000).table()
    assert pc.count_distinct(plain["messageId"]).as_py() == 3000
    assert pc.struct_field(plain["context"], "groupId").null_count == 0


def test_an_event_delivered_again_differs_in_receipt_only(table):
    twice = next(i for i, n in Counter(table["messageId"].to_pylist()).items() if n == 2)
    first, second = table.filter(pc.equal(table["messageId"], twice)).drop_columns("receivedAt").to_pylist()
    assert first == second


def test_json_text_holds_what_the_structs_hold(tmp_path, table):
    (file,) = write_parquet(tmp_path / "e.parquet", EVENTS, encoding="json")
    written = pq.read_table(file)
    assert pa.types.is_string(written.schema.field("properties").type)
    for text, struct in zip(written["properties"].to_pylist(), table["properties"].to_pylist(), strict=True):
        if struct is None:
            assert text is None
            continue
        present = {name: value for name, value in struct.items() if value is not None}
        assert f'"cost":{present.pop("cost")}' in text
        assert {k: v for k, v in json.loads(text).items() if k != "cost"} == present


def test_strings_are_the_same_in_all_three_encodings(tmp_path):
    read = {
        encoding: pq.read_table(
            write_parquet(tmp_path / f"{encoding}.parquet", EVENTS, encoding=encoding, strings=True)[0]
        )
        for encoding in ("struct", "map", "json")
    }
    for column in ("properties", "context"):
        structs = [
            row and {k: v for k, v in row.items() if v is not None}
            for row in read["struct"][column].to_pylist()
        ]
        assert pa.types.is_map(read["map"].schema.field(column).type)
        assert [None if row is None else dict(row) for row in read["map"][column].to_pylist()] == structs
        assert _parsed(read["json"][column].to_pylist()) == structs


def test_hive_partitions_by_day(tmp_path, table):
    files = write_parquet(tmp_path, EVENTS, by_day=True)
    assert [file.parent.name for file in files] == ["day=2026-11-01", "day=2026-11-02", "day=2026-11-03"]
    read = ds.dataset(tmp_path, partitioning="hive").to_table()
    assert read.drop_columns("day").num_rows == table.num_rows


def test_a_count_or_a_table_will_do(tmp_path, table):
    assert pq.read_table(write_parquet(tmp_path / "count.parquet", 10)[0]).num_rows == 10
    assert pq.read_table(write_parquet(tmp_path / "table.parquet", table)[0]).equals(table)


def test_warehouse_columns(tmp_path, table):
    (file,) = write_flat_parquet(tmp_path / "flat.parquet", EVENTS)
    flat = pq.read_table(file)
    assert flat.num_rows == table["type"].to_pylist().count("track")
    assert {"id", "event_text", "context_group_id", "job_id", "meta_zone", "received_at"} <= set(
        flat.column_names
    )
    assert "type" not in flat.column_names


def test_logs_are_the_raw_calls(tmp_path, table):
    files = write_logs(tmp_path, EVENTS, source="abc", lines=700)
    start = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
    days = sorted({file.parent.name for file in files})
    assert days == [str(start + day * 86_400_000) for day in range(3)]
    assert Path(tmp_path, "segment-logs", "abc").is_dir()
    calls = [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert [call["messageId"] for call in calls] == table["messageId"].to_pylist()
    first = table.slice(0, 1).to_pylist()[0]
    assert datetime.fromisoformat(calls[0]["receivedAt"]) == first["receivedAt"]
    assert calls[0]["context"]["groupId"] == first["context"]["groupId"]
    assert "event" not in next(call for call in calls if call["type"] == "identify")
