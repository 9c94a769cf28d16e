"""The Parquet source, on real files."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.core.errors import ConfigError, SourceError
from etl.core.windows import Window
from etl.sources.parquet import ParquetSource
from tests.sources.support import ALWAYS, DAY, START, at, flat, ids, write


def read(path, window=ALWAYS, paths=None, done=frozenset(), **options):
    return list(ParquetSource(str(path), **options).batches(window, paths, done))


# ------------------------------------------------------------------------------------- which files


@pytest.fixture
def tree(tmp_path):
    for name in (
        "a.parquet",
        "b.pq",
        "part-00000",
        "day=2026-11-01/hr=00/c.snappy.parquet",
        "day=2026-11-01/hr=01/d.parquet",
        "_temporary/x.parquet",
        ".hidden/x.parquet",
        "_x.parquet",
        ".x.parquet",
        "x.parquet.tmp",
        "segment-stage/x.parquet",
        "logs/x.parquet",
    ):
        write(tmp_path / name, flat([name.rsplit("/", 1)[-1][0]], [0]))
    (tmp_path / "readme.txt").write_text("no events")
    (tmp_path / "_SUCCESS").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("", "abcdp"),
        ("a.parquet", "a"),
        ("*.parquet", "a"),
        ("[ab].p*", "ab"),
        ("[!b].p*", "a"),
        ("?.pq", "b"),
        ("**/*.parquet", "acd"),
        ("**", "abcdp"),
        ("day=*", "cd"),
        ("day=2026-11-01/hr=0[1-9]/", "d"),
        ("day=*/*/*.parquet", "cd"),
        ("_x.parquet", "_"),
        ("_temporary", "x"),
    ],
)
def test_a_path_is_a_file_a_folder_or_a_glob(tree, location, found):
    """Folders and globs leave out hidden, temporary and staging files; a file named outright is always read."""
    assert "".join(sorted(ids(read(f"{tree}/{location}")))) == found


def test_a_file_whose_name_looks_like_a_glob_is_taken_literally(tmp_path):
    write(tmp_path / "a[1].parquet", flat(["a"], [0]))
    assert ids(read(tmp_path / "a[1].parquet")) == ["a"]


def test_a_relative_path_starts_at_the_base(tmp_path):
    write(tmp_path / "exports" / "a.parquet", flat(["a"], [0]))
    assert ids(read("exports", base=tmp_path)) == ["a"]
    assert ids(read(f"file://{tmp_path}/exports")) == ["a"]


@pytest.mark.parametrize("location", ["nothing", "nothing/*.parquet", "*.nothing", "empty"])
def test_a_path_that_matches_nothing_stops_the_run(tmp_path, location):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"matches no file") as error:
        read(location, base=tmp_path)
    assert location in str(error.value)
    assert error.value.exit_code == 3


def test_an_unknown_scheme_is_a_mistake_in_the_config():
    with pytest.raises(ConfigError, match=r"unknown scheme ftp://; known are s3://"):
        read("ftp://host/x")


# -------------------------------------------------------------------------------------- the window


def test_the_window_is_half_open(tmp_path):
    write(tmp_path / "a.parquet", flat(list("abcd"), [-0.5, 0, 23.5, 24]))
    (batch,) = read(tmp_path, DAY)
    assert ids([batch]) == ["b", "c"]
    assert batch.rows.to_pylist() == [1, 2]
    assert batch.cursor.type == pa.timestamp("us", "UTC")
    assert batch.cursor.to_pylist() == [at(0), at(23.5)]


@pytest.mark.parametrize(
    "cursor",
    [
        pa.array([at(1), at(30)], pa.timestamp("s", "UTC")),
        pa.array([at(1), at(30)], pa.timestamp("ms", "Asia/Tokyo")),
        pa.array([at(1), at(30)], pa.timestamp("ns", "UTC")),
        pa.array([datetime(2026, 11, 1, 1), datetime(2026, 11, 2, 6)], pa.timestamp("us")),  # noqa: DTZ001 - naive
        pa.array(["2026-11-01T01:00:00.000Z", "2026-11-02T06:00:00.000Z"]),
        pa.array(["2026-11-01 01:00:00", "2026-11-02 06:00:00"]),
        pa.array(["2026-11-01T01:00:00", "2026-11-02T06:00:00Z"]),
        pa.array(["2026-11-01T06:30:00+05:30", "2026-11-02T06:00:00.123456789Z"]),
        pa.array(["2026-11-01 01:00:00 UTC", "2026-11-02 06:00:00 UTC"]),
        pa.array(["2026-11-01T01:00:00Z", "2026-11-02T06:00:00Z"], pa.large_string()),
        pa.array(["2026-11-01T01:00:00Z", "2026-11-02T06:00:00Z"]).dictionary_encode(),
    ],
    ids=lambda cursor: f"{cursor.type}-{cursor[0]}",
)
def test_cursors_are_read_whatever_their_type_and_zone(tmp_path, cursor):
    """A cursor without a zone is UTC."""
    write(tmp_path / "a.parquet", {"id": ["a", "b"], "received_at": cursor})
    (batch,) = read(tmp_path, DAY)
    assert ids([batch]) == ["a"]
    assert batch.cursor.to_pylist() == [at(1)]


def test_rows_without_a_readable_cursor_are_reported(tmp_path):
    texts = ["2026-11-01T00:00:00Z", None, "soon", "2026-13-01T00:00:00Z", "", "2026-11-01T00:00:01Z"]
    write(tmp_path / "a.parquet", {"id": list("abcdef"), "received_at": texts})
    (batch,) = read(tmp_path, DAY)
    assert ids([batch]) == ["a", "f"]
    assert [(bad.row, bad.reason) for bad in batch.unreadable] == [
        (2, "the cursor received_at is null"),
        (3, "the cursor received_at tells no instant"),
        (4, "the cursor received_at tells no instant"),
        (5, "the cursor received_at tells no instant"),
    ]
    assert {bad.origin for bad in batch.unreadable} == {batch.origin} == {str(tmp_path / "a.parquet")}
    assert batch.mark is not None


def test_a_file_of_nothing_but_null_cursors_is_reported(tmp_path):
    write(tmp_path / "a.parquet", {"id": ["a"], "received_at": pa.nulls(1)})
    (batch,) = read(tmp_path, DAY)
    assert (len(batch.table), len(batch.unreadable)) == (0, 1)


def test_instants_beyond_the_calendar_are_unreadable_not_wrapped(tmp_path):
    write(tmp_path / "a.parquet", {"id": ["a"], "received_at": pa.array([2**62], pa.timestamp("ms", "UTC"))})
    (batch,) = read(tmp_path, DAY)
    assert len(batch.unreadable) == 1


@pytest.mark.parametrize("as_text", [False, True])
def test_row_groups_outside_the_window_are_not_read(tmp_path, as_text):
    """Pages outside are overwritten with rubbish: reading them would fail."""
    received = [at(hour) for hour in range(0, 240, 12)]
    column = pa.array([f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in received]) if as_text else received
    payload = [f"payload {number}" * 50 for number in range(20)]
    path = write(
        tmp_path / "a.parquet",
        {"id": [str(n) for n in range(20)], "received_at": column, "payload": payload},
        row_group_size=2,
        compression="none",
        use_dictionary=False,
    )
    group = pq.ParquetFile(path).metadata.row_group(9).column(2)
    with path.open("r+b") as file:
        file.seek(group.data_page_offset)
        file.write(b"\xff" * group.total_compressed_size)
    window = Window(at(48), at(72))
    (batch,) = read(path, window)
    assert ids([batch]) == ["4", "5"]
    assert batch.rows.to_pylist() == [4, 5]
    assert batch.mark is None
    with pytest.raises(SourceError, match=r"a\.parquet cannot be read as Parquet"):
        read(path)


def test_small_row_groups_are_read_together(tmp_path):
    write(tmp_path / "a.parquet", flat([str(n) for n in range(100)], [0] * 100), row_group_size=5)
    batches = read(tmp_path, batch_rows=30)
    assert max(len(batch.table) for batch in batches) > 20
    assert [row for batch in batches for row in batch.rows.to_pylist()] == list(range(100))


def test_partitions_far_outside_the_window_are_not_opened(tmp_path):
    """In Segment's lakes a folder's day is when it received the rows; in which zone is not known: a day's grace."""
    lake = tmp_path / "segment_type=api_request"
    for name in ("day=2026-10-30/hr=00", "day=2026-11-03/hr=01"):
        (lake / name).mkdir(parents=True)
        (lake / name / "corrupt.parquet").write_bytes(b"PAR1 rubbish PAR1")
    for name in ("day=2026-10-31/hr=23", "day=2026-11-01/hr=05", "day=2026-11-02/hr=00", "day=late/hr=x"):
        write(lake / name / "a.parquet", flat([name[4:14]], [5]))
    assert len(ids(read(tmp_path, DAY))) == 4


def test_other_folders_named_for_a_time_leave_files_out_only_where_the_config_says_so(tmp_path):
    """They may be named for anything, such as the day of the event: Spark's ``partitionBy("date")``."""
    far = ("date=2026-10-01", "year=2026/month=9/day=1/hr=5", "day=2026-12-24", "dt=2026-10-30")
    for name in far:
        write(tmp_path / name / "a.parquet", flat([name], [5]))
    assert len(ids(read(tmp_path, DAY))) == len(far)
    assert ids(read(tmp_path, DAY, partitions="received")) == []
    assert ids(read(f"{tmp_path}/*", DAY, partitions="received")) == []


def test_folders_above_the_configured_path_say_nothing(tmp_path):
    for root in ("segment_type=api/day=2026-01-01/hr=00", "date=2026-01-01/exports"):
        path = write(tmp_path / root / "a.parquet", flat(["a"], [5]))
        for location in (path, path.parent, f"{path.parent}/*.parquet"):
            assert ids(read(location, DAY)) == ["a"]
            assert ids(read(location, DAY, partitions="received")) == ["a"]


def test_partitions_tell_nothing_of_another_cursor(tmp_path):
    table = pa.table({"id": ["a"], "received_at": [at(-900)], "timestamp": [at(5)]})
    write(tmp_path / "segment_type=api/day=2026-01-01/hr=00/a.parquet", table)
    assert ids(read(tmp_path, DAY, cursor="timestamp")) == ["a"]


def test_a_row_without_a_cursor_is_reported_though_its_neighbours_lie_outside(tmp_path):
    """Statistics of smallest and largest say nothing of nulls: where a group has some, it is read."""
    write(tmp_path / "a.parquet", flat(["early", "null"], [-900, None]))
    write(tmp_path / "b.parquet", flat(["early"], [-900]))
    (batch,) = read(tmp_path, DAY)
    assert (ids([batch]), len(batch.unreadable)) == ([], 1)
    assert batch.unreadable[0].reason == "the cursor received_at is null"


@pytest.mark.parametrize("held", [pa.int64(), pa.uint64(), pa.string()])
def test_a_cursor_may_be_epoch_milliseconds(tmp_path, held):
    """Numbers that would be another century's are in another unit: reported, never guessed at."""
    milliseconds = [int(at(hour).timestamp()) * 1000 for hour in (-40, 5, 7, 300)]
    others = [number // 1000 for number in milliseconds] + [number * 1000 for number in milliseconds]
    cells = pa.array([*milliseconds, *others]).cast(held)
    table = pa.table({"id": list(map(str, range(len(cells)))), "received_at": cells})
    write(tmp_path / "a.parquet", table, row_group_size=2)
    batches = read(tmp_path, DAY)
    assert ids(batches) == ["1", "2"]
    assert [moment for batch in batches for moment in batch.cursor.to_pylist()] == [at(5), at(7)]
    assert sum(len(batch.unreadable) for batch in batches) == len(others)


def test_late_files_in_older_hours_are_found(tmp_path):
    write(tmp_path / "day=2026-11-01/hr=05/a.parquet", flat(["a"], [5]))
    (first,) = read(tmp_path, DAY)
    write(tmp_path / "day=2026-11-01/hr=02/late.parquet", flat(["late"], [2]))
    assert ids(read(tmp_path, DAY, done={first.mark})) == ["late"]


# ------------------------------------------------------------------------------------------- marks


def test_only_a_file_read_whole_is_marked_on_its_last_batch(tmp_path):
    write(tmp_path / "inside.parquet", flat([str(n) for n in range(10)], [1] * 10))
    write(tmp_path / "partly.parquet", flat([str(n) for n in range(10)], [*[1] * 9, 30]))
    marks = {}
    for batch in read(tmp_path, DAY, batch_rows=4):
        marks.setdefault(Path(batch.origin).name, []).append(batch.mark)
    assert marks["partly.parquet"] == [None, None, None]
    assert marks["inside.parquet"][:-1] == [None, None]
    info = (tmp_path / "inside.parquet").stat()
    told = f"{info.st_size}|{info.st_mtime_ns}|{info.st_ino}-{info.st_ctime_ns}"
    assert marks["inside.parquet"][-1] == f"{tmp_path}/inside.parquet|{told}"


@pytest.mark.parametrize("in_place", [True, False], ids=["cp -p", "rsync -t"])
def test_a_marked_file_is_skipped_until_it_is_written_again_also_with_its_size_and_time(tmp_path, in_place):
    path = write(tmp_path / "a.parquet", flat(["a"], [1]))
    (batch,) = read(tmp_path, DAY)
    assert read(tmp_path, DAY, done={batch.mark}) == []
    info = path.stat()
    new = path if in_place else tmp_path / ".a.parquet.part"
    write(new, flat(["b"], [1]))
    os.utime(new, ns=(info.st_atime_ns, info.st_mtime_ns))
    new.rename(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (info.st_size, info.st_mtime_ns)
    assert ids(read(tmp_path, DAY, done={batch.mark})) == ["b"]


# ------------------------------------------------------------------------------- columns and types


def test_every_file_keeps_its_own_columns_and_types(tmp_path):
    """A property that is int in one file, text in another and a decimal in a third is cast in none."""
    write(tmp_path / "a.parquet", flat(["a"], [0], n=pa.array([1], pa.int64())))
    write(tmp_path / "b.parquet", flat(["b"], [0], n=pa.array(["1"])))
    decimal = pa.array([Decimal("12345678901234567890.123456")], pa.decimal128(38, 6))
    write(tmp_path / "c.parquet", flat(["c"], [0], n=decimal, other=[True]))
    write(tmp_path / "d.parquet", flat(["d"], [0]))
    a, b, c, d = read(tmp_path)
    assert [batch.table.schema.field("n").type for batch in (a, b, c)] == [
        pa.int64(),
        pa.string(),
        pa.decimal128(38, 6),
    ]
    assert c.table.column("n").to_pylist() == [Decimal("12345678901234567890.123456")]
    assert d.table.schema.names == ["id", "received_at"]


def test_integers_with_nulls_stay_integers(tmp_path):
    write(tmp_path / "a.parquet", flat(["a", "b"], [0, 0], n=pa.array([2**53 + 1, None], pa.int64())))
    (batch,) = read(tmp_path)
    assert batch.table.column("n").to_pylist() == [2**53 + 1, None]
    assert batch.table.schema.field("n").type == pa.int64()


@pytest.mark.parametrize("held", [pa.string(), pa.large_string(), pa.binary(), pa.json_()])
def test_objects_kept_as_text_are_typed_as_json(tmp_path, held):
    text = '{"a": 1.10, "😀": "\\u0000"}'
    storage = pa.array([text, None], pa.string())
    column = pa.ExtensionArray.from_storage(held, storage) if held == pa.json_() else storage.cast(held)
    write(
        tmp_path / "a.parquet",
        {"messageId": ["1", "2"], "receivedAt": [START, START], "properties": column, "event": ["x", "y"]},
    )
    (batch,) = read(tmp_path)
    assert batch.layout == "segment"
    assert batch.table.schema.field("properties").type == pa.json_()
    assert batch.table.column("properties").to_pylist() == [text, None]
    assert batch.table.schema.field("event").type == pa.string()


def test_text_columns_of_a_flat_file_stay_text(tmp_path):
    write(tmp_path / "a.parquet", flat(["a"], [0], integrations=['{"All": false}'], name=['{"a": 1}']))
    (batch,) = read(tmp_path)
    assert batch.table.schema.field("integrations").type == pa.string()


def test_dictionaries_are_decoded(tmp_path):
    write(tmp_path / "a.parquet", flat(["a", "b"], [0, 0], plan=pa.array(["x", None]).dictionary_encode()))
    (batch,) = read(tmp_path)
    assert batch.table.column("plan").to_pylist() == ["x", None]
    assert batch.table.schema.field("plan").type == pa.string()


def test_only_the_asked_columns_are_read(tmp_path):
    """Of a struct, only the asked fields; the message id, the opt-out and the cursor always."""
    event = {
        "messageId": "1",
        "event": "x",
        "userId": "u",
        "context": {"groupId": "g", "ip": "1.2.3.4"},
        "properties": {"a": {"b": 1, "c": 2}, "d": 3},
        "integrations": {"All": True},
        "receivedAt": START,
    }
    write(tmp_path / "a.parquet", pa.Table.from_pylist([event]))
    (batch,) = read(tmp_path, paths={("context", "groupId"), ("properties", "a", "b"), ("missing", "x")})
    assert batch.table.to_pylist() == [
        {
            "messageId": "1",
            "event": "x",
            "context": {"groupId": "g"},
            "properties": {"a": {"b": 1}},
            "integrations": {"All": True},
            "receivedAt": START,
        }
    ]
    (everything,) = read(tmp_path)
    assert everything.table.to_pylist() == [event]


def test_a_folder_gives_the_column_that_an_unload_took_out_of_the_file(tmp_path):
    """Only where a path names it or every event has it: a folder is no property by itself."""
    write(tmp_path / "event_text=Job%20Done/plan=pro/region=eu/a.parquet", flat(["a"], [0]))
    write(tmp_path / "event_text=__HIVE_DEFAULT_PARTITION__/plan=free/b.parquet", flat(["b"], [0]))
    done, nameless = read(tmp_path, paths={("properties", "plan"), ("properties",)})
    assert done.table.to_pylist()[0] == {
        "id": "a",
        "received_at": START,
        "event_text": "Job Done",
        "plan": "pro",
    }
    assert nameless.table.column("event_text").to_pylist() == [None]


def test_huge_rows_are_read_a_few_at_a_time(tmp_path):
    payload = ["x" * 2**20] * 80
    write(
        tmp_path / "a.parquet",
        flat([str(n) for n in range(80)], [0] * 80, payload=payload),
        use_dictionary=False,
    )
    sizes = [len(batch.table) for batch in read(tmp_path)]
    assert sum(sizes) == 80
    assert max(sizes) <= 64


# ------------------------------------------------------------------------------------------ errors


def test_a_corrupt_file_among_good_ones_stops_the_run_and_is_named(tmp_path):
    write(tmp_path / "a.parquet", flat(["a"], [0]))
    (tmp_path / "b.parquet").write_bytes(b"this is no Parquet")
    batches = ParquetSource(str(tmp_path)).batches(DAY)
    assert ids([next(batches)]) == ["a"]
    with pytest.raises(SourceError) as error:
        next(batches)
    assert str(error.value) == (
        f"{tmp_path}/b.parquet cannot be read as Parquet: Parquet magic bytes not found in footer. Either the "
        "file is corrupted or this is not a parquet file. Replace the file or take it out of source.path, then "
        "run again; nothing of the window is marked complete."
    )


def test_a_truncated_file_is_named(tmp_path):
    path = write(tmp_path / "a.parquet", flat(["a"] * 1000, [0] * 1000))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match=r"a\.parquet cannot be read as Parquet"):
        read(tmp_path)


def test_a_missing_cursor_is_a_mistake_in_the_config_and_the_nearest_columns_come_first(tmp_path):
    write(tmp_path / "a.parquet", {"id": ["a"], "zone": ["x"], "received": [START]})
    with pytest.raises(ConfigError) as error:
        read(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}/a.parquet has no column 'received_at' to cut windows on; it has received, id, zone. "
        "Set source.cursor to the column that says when Segment received the event."
    )
    with pytest.raises(ConfigError, match="'loaded_at'"):
        ParquetSource(str(tmp_path), cursor="loaded_at").check()


def test_a_missing_cursor_after_events_were_handed_on_stops_the_run(tmp_path):
    write(tmp_path / "a.parquet", flat(["a"], [0]))
    write(tmp_path / "b.parquet", {"id": ["b"]})
    batches = ParquetSource(str(tmp_path)).batches(DAY)
    next(batches)
    with pytest.raises(SourceError, match=r"b\.parquet has no column 'received_at'"):
        next(batches)


def test_a_cursor_that_tells_no_instant_is_a_mistake_in_the_config(tmp_path):
    write(tmp_path / "a.parquet", {"id": ["a"], "received_at": [1.5]})
    with pytest.raises(ConfigError, match=r"'received_at' of .*a\.parquet has the type double"):
        read(tmp_path)


def test_check_passes_where_reading_would(tmp_path):
    write(tmp_path / "a.parquet", flat(["a"], [0]))
    ParquetSource(str(tmp_path)).check()


def test_an_empty_window_and_an_empty_file_give_no_batch(tmp_path):
    write(tmp_path / "a.parquet", flat(["a"], [0]))
    write(tmp_path / "b.parquet", flat([], []))
    assert len(read(tmp_path)) == 1
    assert read(tmp_path, Window(START, START - timedelta(days=1))) == []
    assert read(tmp_path, Window(START, datetime(2026, 11, 1, tzinfo=UTC))) == []


# ---------------------------------------------------------------------------------- how much is read


def test_how_much_is_read_goes_by_rows_within_a_file_and_by_size_among_files(tmp_path):
    """Not by cursors, which lie anywhere in a file."""
    first = write(
        tmp_path / "a.parquet", flat([str(n) for n in range(100)], [23 - n % 24 for n in range(100)])
    )
    second = write(tmp_path / "b.parquet", flat([str(n) for n in range(10)], [0] * 10))
    done = [batch.done for batch in read(tmp_path, DAY, batch_rows=25)]
    share = first.stat().st_size / (first.stat().st_size + second.stat().st_size)
    assert len(done) == 5
    assert done == sorted(done)
    assert 0 < done[0] <= share / 2
    assert done[-2] == pytest.approx(share)
    assert done[-1] == pytest.approx(1.0)


def test_files_and_row_groups_that_need_no_reading_do_not_count_as_read(tmp_path):
    write(tmp_path / "a.parquet", flat(["a"], [1]))
    hours = [h for h in range(100) for _ in range(2)]
    write(tmp_path / "b.parquet", flat([str(h) for h in hours], hours), row_group_size=2)
    (marked,) = [batch for batch in read(tmp_path, DAY) if batch.mark]
    done = [batch.done for batch in read(tmp_path, DAY, batch_rows=12, done={marked.mark})]
    assert done[-1] == pytest.approx(1.0)
    assert done[0] <= 0.5


# ------------------------------------------------------------------------------------- the newest row


def test_the_newest_row_is_told_by_the_footers(tmp_path):
    """Of all files where they are few; empty ones tell nothing."""
    write(tmp_path / "a.parquet", flat(["a", "b", "c"], [3, 7, 5]), row_group_size=1)
    write(tmp_path / "b.parquet", flat(["d"], [6]))
    assert ParquetSource(str(tmp_path)).newest() == at(7)
    write(tmp_path / "c.parquet", flat([], []))
    assert ParquetSource(str(tmp_path)).newest() == at(7)


def test_of_a_partitioned_lake_only_the_last_hour_is_opened_for_it(tmp_path):
    for hour in range(30):
        path = write(
            tmp_path / f"segment_type=api/day=2026-11-{1 + hour // 24:02}/hr={hour % 24:02}/a.parquet",
            flat(["a"], [hour]),
        )
        if hour < 29:
            path.write_bytes(b"PAR1 rubbish PAR1")
    assert ParquetSource(str(tmp_path)).newest() == at(29)


def test_folders_do_not_tell_the_newest_row_on_another_cursor(tmp_path):
    """A row received last may have been made long before."""
    table = pa.table({"id": ["a"], "received_at": [at(1)], "timestamp": [at(9)]})
    write(tmp_path / "day=2026-11-01/a.parquet", table)
    write(tmp_path / "day=2026-11-02/a.parquet", table.set_column(2, "timestamp", pa.array([at(2)])))
    assert ParquetSource(str(tmp_path), cursor="timestamp").newest() == at(9)


@pytest.mark.parametrize(
    ("files", "options"),
    [
        pytest.param(17, {}, id="too many files"),
        pytest.param(1, {"write_statistics": False}, id="no statistics"),
        pytest.param(1, {"as_text": True}, id="text"),
    ],
)
def test_the_newest_row_is_not_told_where_that_is_not_cheap(tmp_path, files, options):
    as_text = options.pop("as_text", False)
    for number in range(files):
        table = flat(["a"], [number])
        if as_text:
            table = table.set_column(1, "received_at", pa.array(["2026-11-01T00:00:00Z"]))
        write(tmp_path / f"{number}.parquet", table, **options)
    assert ParquetSource(str(tmp_path)).newest() is None


# ------------------------------------------------------------------------- beside the data, and broken


def test_what_others_put_beside_the_data_is_ignored_and_said(tmp_path):
    write(tmp_path / "0000_part_00", flat(["a"], [0]))
    for name in (
        "manifest", "tracks_manifest", "README", "SHA256SUMS", "sub_$folder$", "_SUCCESS", "empty.parquet",
        ".a.parquet.crc", "notes.md", "_committed_123",
    ):  # fmt: skip
        (tmp_path / name).write_text("" if name == "empty.parquet" or "$" in name else "{}")
    source = ParquetSource(str(tmp_path))
    assert ids(source.batches(ALWAYS)) == ["a"]
    said = "\n".join(source.seen())
    assert "1 file to read" in said
    for kind, files in {
        "a manifest, README or checksum": 4, "a folder's marker": 1, "empty": 1, "of another ending": 1,
        "hidden, or named with _": 3,
    }.items():  # fmt: skip
        assert f"{files} file{'s' * (files > 1)} ignored: {kind} (such as " in said


def test_a_footer_broken_in_any_bit_never_ends_the_process(tmp_path):
    """In a process of its own: it reads the file, or raises what a run stops with."""
    good = write(tmp_path / "good.parquet", flat(["a"] * 50, [1] * 50), row_group_size=10).read_bytes()
    length = int.from_bytes(good[-8:-4], "little")
    script = """
import sys
from etl.core.errors import EtlError
from etl.core.windows import ALL_TIME
from etl.sources.parquet import ParquetSource
good, path = open(sys.argv[1], "rb").read(), sys.argv[2]
for bit in range(int(sys.argv[3]), len(good) * 8 - 64, 13):
    data = bytearray(good)
    data[bit // 8] ^= 1 << bit % 8
    open(path, "wb").write(data)
    try:
        list(ParquetSource(path).batches(ALL_TIME))
    except EtlError:
        pass
"""
    first = 8 * (len(good) - 8 - length)
    command = [sys.executable, "-c", script, tmp_path / "good.parquet", tmp_path / "bad.parquet", str(first)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-500:]
