"""Segment's data lake: its folders and columns, on disk and behind the APIs of S3 and Google Cloud Storage."""

from __future__ import annotations

import gzip
import io
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from etl.core.errors import SourceError
from etl.core.layouts import flat_column, properties_columns
from etl.core.windows import Window
from etl.sources.files import File, list_files
from etl.sources.logs import LogsSource
from etl.sources.parquet import ENDINGS, ParquetSource
from tests.sources.conftest import Folder
from tests.sources.support import DAY, START, at, ids

ROOT = "segment-data/data/src1"


@pytest.fixture(params=["disk", "bucket", "gcs"])
def store(request, tmp_path):
    return Folder(tmp_path) if request.param == "disk" else request.getfixturevalue(request.param)


def rows(names, hour, **columns):
    """Rows of a lake as Parquet: no ``event_text``, and the envelope as columns of its own."""
    table = {
        "message_id": names,
        "event": ["Job Done"] * len(names),
        "type": ["track"] * len(names),
        "channel": ["server"] * len(names),
        "received_at": pa.array([at(hour)] * len(names), pa.timestamp("ms", "UTC")),
        "context_group_id": ["g"] * len(names),
        **columns,
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(table), sink)
    return sink.getvalue()


def key(hour, name="part-0.snappy.parquet", event="job_done"):
    moment = START + timedelta(hours=hour)
    return f"{ROOT}/segment_type={event}/day={moment:%Y-%m-%d}/hr={moment:%H}/{name}"


def read(location, window=DAY, paths=None, done=frozenset()):
    return list(ParquetSource(location).batches(window, paths, done))


def test_a_lake_is_read_by_the_hour_and_late_files_are_found(store):
    """Only new files are opened by the next run; staging, logs and reports are no events."""
    for hour in (-40, 3, 4, 60):
        store.put(key(hour), rows([f"h{hour}"], hour))
    for noise in ("_SUCCESS", "_temporary/0/part-1.parquet", "part-9.parquet.tmp"):
        store.put(f"{ROOT}/segment_type=job_done/{noise}", b"no Parquet")
    store.put("segment-data/data/segment-stage/x.parquet", b"no Parquet")
    store.put("segment-data/data/logs/x.parquet", b"no Parquet")
    location = f"{store.location}/segment-data/data/"
    first = read(location)
    assert ids(first, "message_id") == ["h3", "h4"]
    marks = {batch.mark for batch in first}
    store.put(key(3, "part-late.parquet"), rows(["late"], 3))
    assert ids(read(location, done=marks), "message_id") == ["late"]
    store.put(key(4), rows(["h4", "more"], 4))
    assert ids(read(location, done=marks), "message_id") == ["late", "h4", "more"]


def test_globs_pick_events_and_days(store):
    for hour, event in ((1, "job_done"), (1, "page"), (30, "job_done")):
        store.put(key(hour, event=event), rows([f"{event}{hour}"], hour))
    two_days = Window(START, at(48))
    pick = f"{store.location}/{ROOT}/segment_type=job_*"
    assert ids(read(pick, two_days), "message_id") == ["job_done1", "job_done30"]
    pick = f"{store.location}/segment-data/**/day=2026-11-02/*/*.parquet"
    assert ids(read(pick, two_days), "message_id") == ["job_done30"]


def test_files_of_a_lake_differ_in_names_and_types(store):
    """Prefixed or plain properties, ``id`` or ``message_id``, decimals, and an int here that is text there."""
    price = pa.array([Decimal("0.100000"), None], pa.decimal128(38, 6))
    store.put(
        key(1),
        rows(["a", "b"], 1, properties_job_id=["j", None], properties_price=price, properties_n=[1, None]),
    )
    store.put(key(2), rows(["c"], 2, job_id=["j"], n=["1"], metadata_x=["m"], integrations_all=[False]))
    plain = pq.read_table(io.BytesIO(rows(["d"], 3))).rename_columns(
        ["id", "event", "type", "channel", "received_at", "context_group_id"]
    )
    sink = io.BytesIO()
    pq.write_table(plain, sink)
    store.put(key(3), sink.getvalue())
    prefixed, unprefixed, bare = read(f"{store.location}/{ROOT}")
    assert properties_columns(prefixed.table.column_names) == {
        "job_id": "properties_job_id",
        "price": "properties_price",
        "n": "properties_n",
    }
    assert properties_columns(unprefixed.table.column_names) == {"job_id": "job_id", "n": "n"}
    assert properties_columns(bare.table.column_names) == {}
    assert prefixed.table.column("properties_price").to_pylist() == [Decimal("0.100000"), None]
    assert [prefixed.table.schema.field("properties_n").type, unprefixed.table.schema.field("n").type] == [
        pa.int64(),
        pa.string(),
    ]
    assert flat_column(("integrations", "All"), unprefixed.table.column_names) == "integrations_all"
    assert flat_column(("messageId",), bare.table.column_names) == "id"


def test_only_asked_columns_are_read_from_a_lake(store):
    store.put(key(1), rows(["a"], 1, job_id=["j"], big=["x" * 10_000]))
    (batch,) = read(f"{store.location}/{ROOT}", paths={("properties", "jobId"), ("type",)})
    assert batch.table.column_names == ["message_id", "event", "type", "received_at", "job_id"]


@pytest.mark.parametrize("kind", ["bucket", "gcs"])
def test_a_corrupt_object_is_named_by_its_address(kind, request):
    store = request.getfixturevalue(kind)
    store.put(key(1), b"PAR1 no Parquet PAR1")
    with pytest.raises(SourceError) as error:
        read(f"{store.location}/{ROOT}")
    assert str(error.value).startswith(f"{store.location}/{key(1)} cannot be read as Parquet: ")


@pytest.mark.parametrize("kind", ["bucket", "gcs"])
def test_an_object_written_again_with_its_size_in_the_same_second_is_read_again(kind, request):
    """Listings of object stores tell times in seconds; the object's version tells the two apart."""
    store = request.getfixturevalue(kind)
    store.put(key(1), rows(["a"], 1))
    (file,) = list_files(f"{store.location}/{ROOT}", Path(), ENDINGS)
    (batch,) = read(f"{store.location}/{ROOT}")
    listed, _, version = batch.mark.rpartition("|")
    assert (listed, bool(version)) == (file.listed, True)
    assert read(f"{store.location}/{ROOT}", done={batch.mark}) == []
    store.put(key(1), rows(["b"], 1))
    (again,) = list_files(f"{store.location}/{ROOT}", Path(), ENDINGS)
    assert again.size == file.size
    done = {f"{again.listed}|{version}"}  # as if both had been written within the second
    assert ids(read(f"{store.location}/{ROOT}", done=done), "message_id") == ["b"]


def test_where_a_storage_tells_no_version_the_end_of_a_file_does(tmp_path):
    """Which holds a Parquet file's statistics, or the checksum of what was gzipped."""
    hashes = []
    for name in ("a", "b", "a"):
        (tmp_path / "x.parquet").write_bytes(rows([name], 1))
        plain = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
        hashes.append(File(plain, "x.parquet", "x.parquet", (tmp_path / "x.parquet").stat().st_size, 1).mark)
    assert hashes[0] == hashes[2] != hashes[1]


@pytest.mark.parametrize("location", ["nothing/", "*.parquet"])
@pytest.mark.parametrize("kind", ["bucket", "gcs"])
def test_a_bucket_without_files_stops_the_run(kind, location, request):
    store = request.getfixturevalue(kind)
    with pytest.raises(SourceError, match="matches no file"):
        read(f"{store.location}/{location}")


@pytest.mark.parametrize("kind", ["bucket", "gcs"])
def test_a_bucket_that_is_not_there_stops_the_run(kind, request):
    place = request.getfixturevalue(kind).location.replace("lake", "nowhere") + "/x"
    with pytest.raises(SourceError, match=rf"source.path {place}"):
        read(place)


def test_a_password_in_an_address_is_not_shown(s3_server):
    where = s3_server.removeprefix("http://").replace(":", "%3A")
    with pytest.raises(SourceError, match=r"source.path s3://me:\*\*\*@nowhere/x") as error:
        read(f"s3://me:s3cret@nowhere/x?region=us-east-1&scheme=http&endpoint_override={where}")
    assert "s3cret" not in str(error.value)


def test_a_google_bucket_that_nobody_answers_for_stops_the_run(gcs, monkeypatch):
    """Google's client would try again for a quarter of an hour; ours does for a minute, or as the address says."""
    monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(SourceError, match=r"source.path gs://lake/x\?retry_limit_seconds=0.1"):
        read("gs://lake/x?retry_limit_seconds=0.1")


def test_an_address_may_name_its_own_endpoint(bucket, s3_server, monkeypatch):
    bucket.put(key(1), rows(["a"], 1))
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    where = s3_server.removeprefix("http://").replace(":", "%3A")
    batches = read(f"s3://lake/{ROOT}/**/*.parquet?region=us-east-1&scheme=http&endpoint_override={where}")
    assert ids(batches, "message_id") == ["a"]
    assert batches[0].origin == f"s3://lake/{key(1)}"


@pytest.mark.parametrize("kind", ["bucket", "gcs"])
def test_raw_logs_are_read_from_object_stores(kind, request):
    store = request.getfixturevalue(kind)
    day = int(START.timestamp() * 1000)
    line = b'{"messageId":"a","receivedAt":"2026-11-01T01:00:00.000Z","properties":{"n":1.10}}\n'
    store.put(f"segment-logs/src1/{day}/1.gz", gzip.compress(line * 3))
    source = LogsSource(f"{store.location}/segment-logs/")
    (batch,) = source.batches(DAY, {("properties",)})
    assert batch.table.column("properties").to_pylist() == ['{"n":1.10}'] * 3
    assert batch.origin == f"{store.location}/segment-logs/src1/{day}/1.gz"
    assert list(source.batches(DAY, {("properties",)}, {batch.mark})) == []
