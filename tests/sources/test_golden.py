"""One data set in every storage gives the same usage events, but for what a storage lost."""

from __future__ import annotations

import gzip
import json
import random
from decimal import Decimal

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.core.subscription import DEFAULT_MAPPING, DEFAULT_TRIGGER, Subscription
from etl.pipeline.pairs import opted_out
from etl.sources.logs import LogsSource
from etl.sources.parquet import ParquetSource
from etl.sources.warehouse import WarehouseSource
from etl.transform import Events, compile_subscription
from tests.sources.conftest import Folder
from tests.sources.support import DAY, START, at
from tests.sources.warehouses import run

COUNT = 5_000
TYPES = {
    "job_id": pa.string(),
    "tokens": pa.int64(),
    "price": pa.decimal128(38, 6),
    "ok": pa.bool_(),
    "note": pa.string(),
    "share": pa.float64(),
}
NESTED = {
    **DEFAULT_MAPPING,
    "properties": {"job": {"@path": "$.properties.job_id"}, "sum": {"@path": "$.properties.tokens"}},
}
SUBSCRIPTIONS = [
    Subscription("all", DEFAULT_TRIGGER, DEFAULT_MAPPING),
    Subscription("ok", 'type = "track" and properties.ok = true and event = "Job Done"', NESTED),
]


def events(count=COUNT):
    """Track events with properties that every storage can hold; any of them may be absent."""
    chance = random.Random(4)
    made = []
    for number in range(count):
        properties = {
            "job_id": f"job-{number}",
            "tokens": chance.choice([number, -number, 2**53 + number]),
            "price": Decimal(
                chance.choice(["1.5", "0.000001", "12345678901234567890.123456", "-2", "1000000"])
            ),
            "ok": number % 3 == 0,
            "note": chance.choice(["", "plain", 'q"\\', "😀 ünï\n\t\x01", "null", "1"]),
            "share": chance.choice([0.1, 1e21, 1e-7, 1 / 3, -0.0]),
        }
        made.append(
            {
                "id": f"m{number}",
                "event_text": chance.choice(["Job Done", "API Request"]),
                "user_id": chance.choice(["u1", None]),
                "context_group_id": f"g{number % 7}",
                "received_at": at(number * 23 / count),
                "timestamp": at(number * 23 / count - 1, milliseconds=number),
                **{key: value for key, value in properties.items() if chance.random() > 0.2},
            }
        )
    return made


EVENTS = events()
ENVELOPE = {
    "id": pa.string(),
    "event_text": pa.string(),
    "user_id": pa.string(),
    "context_group_id": pa.string(),
    "received_at": pa.timestamp("us", "UTC"),
    "timestamp": pa.timestamp("us", "UTC"),
}
FLAT = pa.Table.from_pylist(EVENTS, pa.schema({**ENVELOPE, **TYPES}))


def usage_events(source):
    """Every (subscription, body) that the events of a source give."""
    compiled = {s.name: compile_subscription(s) for s in SUBSCRIPTIONS}
    paths = frozenset().union(*(c.paths for c in compiled.values()))
    found = []
    for batch in source.batches(DAY, paths):
        read = Events(batch.table, batch.layout)
        for name, one in compiled.items():
            matched = one.match(read)[0]
            mapped = one.map(read.take(matched.nonzero()[0]))
            assert not len(mapped.rejected)
            found += [(name, body) for body in mapped.accepted["body"]]
    return sorted(found)


# ------------------------------------------------------------------------------------------- storages


def number(value):
    """A decimal as JSON: a marker that ``line`` takes the quotes off."""
    return f"<<{value}>>" if isinstance(value, Decimal) else value


def line(event):
    call = {
        "messageId": event["id"],
        "type": "track",
        "event": event["event_text"],
        "userId": event["user_id"],
        "context": {"groupId": event["context_group_id"]},
        "properties": {key: number(event[key]) for key in TYPES if key in event},
        "receivedAt": event["received_at"].isoformat(),
        "timestamp": event["timestamp"].isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "integrations": {},
    }
    return json.dumps(call).replace('"<<', "").replace('>>"', "")


def as_logs(tmp_path):
    for part in range(3):
        text = "\n".join(line(event) for event in EVENTS[part::3])
        (tmp_path / f"{part}.gz").write_bytes(gzip.compress(text.encode()))
    return LogsSource(str(tmp_path))


def as_segment_parquet(tmp_path, *, text):
    """Calls as Segment's API has them, ``properties`` a struct or JSON text."""
    calls = [json.loads(line(event)) for event in EVENTS]
    held = pa.array(
        [{key: event.get(key) for key in TYPES} for event in EVENTS], pa.struct(list(TYPES.items()))
    )
    if text:
        held = pa.array(
            [line(e).partition('"properties": ')[2].partition(', "receivedAt"')[0] for e in EVENTS]
        )
    for call in calls:
        del call["properties"], call["integrations"]
    pq.write_table(pa.Table.from_pylist(calls).append_column("properties", held), tmp_path / "a.parquet")
    return ParquetSource(str(tmp_path))


def lake_files():
    """Hour partitions of a lake; every second file prefixes its properties, and no file has a column it lacks."""
    hours = FLAT.column("received_at").to_pylist()
    for hour in range(24):
        rows = FLAT.filter(pa.array([moment.hour == hour for moment in hours]))
        rows = rows.drop_columns([name for name in TYPES if rows.column(name).null_count == len(rows)])
        names = {"id": "message_id", "event_text": "event"}
        if hour % 2:
            names |= {name: f"properties_{name}" for name in TYPES}
        rows = rows.rename_columns([names.get(name, name) for name in rows.column_names])
        rows = rows.append_column("type", pa.array(["track"] * len(rows), pa.string()))
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink)
        yield f"segment_type=x/day=2026-11-01/hr={hour:02}/part-0.parquet", sink.getvalue().to_pybytes()


def as_lake(store):
    for key, data in lake_files():
        store.put(key, data)
    return ParquetSource(store.location)


@pytest.fixture(scope="module")
def warehouse(postgres_cluster):
    """The URL of a database with a table for each event, filled once for all ways to read it."""
    url = postgres_cluster.create_database()
    with psycopg.connect(url.replace("+psycopg", ""), options="-c timezone=UTC") as connection:
        connection.execute("CREATE SCHEMA segment")
        connection.execute("CREATE TABLE segment.tracks (id text, event text, received_at timestamp)")
        for table, text in (("job_done", "Job Done"), ("api_request", "API Request")):
            connection.execute(
                f"CREATE TABLE segment.{table} (id text, event_text text, user_id text, context_group_id text, "
                "received_at timestamp, timestamp timestamptz, job_id text, tokens bigint, price numeric(38,6), "
                "ok boolean, note text, share float8)"
            )
            rows = [event for event in EVENTS if event["event_text"] == text]
            fill(connection, table, [[row.get(name) for name in (*ENVELOPE, *TYPES)] for row in rows])
            fill(connection, "tracks", [[row["id"], table, row["received_at"]] for row in rows])
    yield url
    postgres_cluster.drop_database(url)


def fill(connection, table, rows):
    with connection.cursor().copy(f"COPY segment.{table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


# ---------------------------------------------------------------------------------------------- tests


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What the raw logs give: they are the most faithful storage."""
    found = usage_events(as_logs(tmp_path_factory.mktemp("logs")))
    assert len([name for name, _ in found if name == "all"]) == COUNT
    assert 500 < len([name for name, _ in found if name == "ok"]) < COUNT
    assert '"price":12345678901234567890.123456' in "".join(body for _, body in found)
    return found


@pytest.mark.parametrize("text", [False, True], ids=["struct", "json text"])
def test_parquet_of_segments_own_shape(tmp_path, expected, text):
    assert usage_events(as_segment_parquet(tmp_path, text=text)) == expected


def test_a_lake_on_disk(tmp_path, expected):
    assert usage_events(as_lake(Folder(tmp_path))) == expected


@pytest.mark.parametrize("kind", ["bucket", "gcs"])
def test_a_lake_in_an_object_store(kind, expected, request):
    assert usage_events(as_lake(request.getfixturevalue(kind))) == expected


@pytest.mark.parametrize("fast", [True, False], ids=["adbc", "sqlalchemy"])
def test_a_warehouse(warehouse, expected, fast):
    source = WarehouseSource(warehouse, schemas=["segment"], tables="*", fast=fast)
    assert usage_events(source) == expected


# --------------------------------------------------------------------------------------------- losses

RICH = (
    '{"messageId":"m","type":"track","event":"Job Done","context":{"groupId":"g"},"receivedAt":"2026-11-01T01:00:00Z",'
    '"timestamp":"2026-11-01T01:00:00.000Z","integrations":{"All":false},'
    '"properties":{"jobId":"j","none":null,"data":{"n":1},"list":[1,{"a":2}],"deep":0.12345678}}'
)


def bodies_and_opt_outs(source):
    one = compile_subscription(SUBSCRIPTIONS[0])
    (batch,) = [b for b in source.batches(DAY, {*one.paths, ("integrations",)}) if len(b.table)]
    read = Events(batch.table, batch.layout)
    return json.loads(one.map(read).accepted["body"][0])["properties"], bool(opted_out(read)[0])


def test_raw_logs_lose_nothing(tmp_path):
    (tmp_path / "a.jsonl").write_text(RICH)
    properties, opted = bodies_and_opt_outs(LogsSource(str(tmp_path)))
    assert properties == json.loads(RICH)["properties"]
    assert opted


def test_flat_storage_loses_names_nesting_nulls_arrays_and_the_opt_out(postgres):
    """The losses that docs/sources/README.md lists: they happen before this job and cannot be undone."""
    run(
        postgres,
        "CREATE SCHEMA s",
        "CREATE TABLE s.job_done (id text, event_text text, context_group_id text, received_at timestamp, "
        "timestamp timestamp, job_id text, none text, data_n bigint, list text, deep numeric(38,6))",
        "INSERT INTO s.job_done VALUES ('m', 'Job Done', 'g', '2026-11-01 01:00', '2026-11-01 01:00', 'j', NULL, 1, "
        "'[1,{{\"a\":2}}]', 0.12345678)".replace("{{", "{").replace("}}", "}"),
    )
    properties, opted = bodies_and_opt_outs(WarehouseSource(postgres, schemas=["s"], tables=["job_done"]))
    assert properties == {"job_id": "j", "data_n": 1, "list": '[1,{"a":2}]', "deep": 0.123457}
    assert not opted


def test_the_data_set_is_inside_the_window():
    assert all(START <= event["received_at"] < DAY.until for event in EVENTS)
