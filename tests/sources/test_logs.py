"""The raw logs source, on real files."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta

import pyarrow as pa
import pytest

from etl.core.errors import ConfigError, SourceError
from etl.core.windows import Window
from etl.sources.lines import MAX_LINE
from etl.sources.logs import LogsSource
from tests.sources.support import ALWAYS, DAY, START, at, ids

EVENT = (
    '{"messageId":"m1","type":"track","event":"Job Done","userId":"u","anonymousId":null,'
    '"integrations":{"All":false,"Metronome (Actions)":{}},"context":{"groupId":"g"},'
    '"properties":{"n":12345678901234567890.10,"i":9007199254740993,"e":1e400,"s":"\\ud800 \\" 😀","z":null,'
    '"a":[1, {"b":2}]},"receivedAt":"2026-11-01T00:00:00.000Z"}'
)


def line(number, hours=0.0, **more):
    return json.dumps(
        {
            "messageId": str(number),
            "type": "track",
            "event": "x",
            "receivedAt": f"{at(hours):%Y-%m-%dT%H:%M:%S.000Z}",
            **more,
        }
    )


def put(path, *texts):
    """Write lines, gzipped if the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = b"\n".join(text if isinstance(text, bytes) else text.encode() for text in texts) + b"\n"
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(path, window=ALWAYS, paths=None, done=frozenset(), **options):
    return list(LogsSource(str(path), **options).batches(window, paths, done))


PATHS = {("properties", "n"), ("userId",), ("context", "groupId"), ("anonymousId",), ("nothing",)}


@pytest.mark.parametrize("name", ["a.gz", "a.jsonl", "a", "day/b.json.gz"])
def test_a_line_keeps_everything_digit_for_digit(tmp_path, name):
    """Objects stay the text they were; strings are typed; a null is told from what is absent."""
    put(tmp_path / name, EVENT)
    (batch,) = read(tmp_path, paths=PATHS)
    assert batch.layout == "segment"
    assert {field.name: field.type for field in batch.table.schema} == {
        "messageId": pa.string(),
        "event": pa.string(),
        "integrations": pa.json_(),
        "anonymousId": pa.json_(),
        "context": pa.json_(),
        "properties": pa.json_(),
        "userId": pa.string(),
    }
    (row,) = batch.table.to_pylist()
    assert row["properties"] in EVENT
    assert row["properties"].startswith('{"n":12345678901234567890.10,')
    assert row["properties"].endswith('{"b":2}]}')
    assert row["integrations"] == '{"All":false,"Metronome (Actions)":{}}'
    assert (row["messageId"], row["anonymousId"]) == ("m1", "null")
    assert batch.cursor.to_pylist() == [START]


@pytest.mark.parametrize("paths", [None, {()}])
def test_the_whole_event_is_one_column_of_the_lines_themselves(tmp_path, paths):
    put(tmp_path / "a.gz", EVENT)
    (batch,) = read(tmp_path, paths=paths)
    assert batch.table.schema == pa.schema({"$": pa.json_()})
    assert batch.table.to_pylist() == [{"$": EVENT}]


def test_a_key_with_a_number_in_one_line_is_json_for_all_lines_read_with_it(tmp_path):
    put(tmp_path / "a.gz", line(1, userId="u"), line(2, userId=12), line(3), line(4, userId='"\\'))
    text = '{"messageId":"5","userId":"\\ud800","receivedAt":"2026-11-01T00:00:00Z"}'
    put(tmp_path / "b.gz", text)
    first, second = read(tmp_path, paths={("userId",)})
    assert first.table.column("userId").to_pylist() == ['"u"', "12", None, '"\\"\\\\"']
    assert second.table.column("userId").to_pylist() == ['"\\ud800"']
    assert second.cursor.to_pylist() == [START]


def test_how_much_is_read_goes_by_the_sizes_of_files(tmp_path):
    """Of a file that is being unpacked nothing tells how long it is."""
    for name in ("a.json", "b.json", "c.json"):
        (tmp_path / name).write_bytes(b'{"messageId": "1", "receivedAt": "2026-11-01T05:00:00Z"}\n' * 10)
    assert [batch.done for batch in read(tmp_path)] == [0, pytest.approx(1 / 3), pytest.approx(2 / 3)]


def test_broken_lines_are_reported_with_their_number_and_text_and_do_not_stop_the_run(tmp_path):
    lines = [line(1), "{broken", "[1]", "", line(5), b'{"event":"\xff"}', '{"a":1} x', '{"n":01}', line(9)]
    put(tmp_path / "a.gz", *lines)
    (batch,) = read(tmp_path, paths=set())
    assert ids([batch], "messageId") == ["1", "5", "9"]
    assert batch.rows.to_pylist() == [0, 4, 8]
    assert [(bad.row, bad.reason.partition(":")[0], bad.text) for bad in batch.unreadable] == [
        (2, "the line is no JSON", "{broken"),
        (3, "the line is no JSON object", "[1]"),
        (6, "the line is no UTF-8", '{"event":"\\xff"}'),
        (7, "the line is no JSON", '{"a":1} x'),
        (8, "the line is no JSON", '{"n":01}'),
    ]
    assert {bad.origin for bad in batch.unreadable} == {str(tmp_path / "a.gz")}
    assert batch.mark is not None


def test_lines_without_a_readable_cursor_are_reported(tmp_path):
    put(tmp_path / "a.gz", line(1), line(2, receivedAt=None), line(3, receivedAt=5), '{"messageId":"4"}')
    (batch,) = read(tmp_path, DAY)
    assert [(bad.row, bad.reason) for bad in batch.unreadable] == [
        (2, "the cursor receivedAt is null"),
        (3, "the cursor receivedAt tells no instant"),
        (4, "the cursor receivedAt is null"),
    ]


def test_an_overlong_line_is_not_held_in_memory(tmp_path):
    put(tmp_path / "a.json", line(1), "x" * (MAX_LINE + 2**23), line(3))
    (batch,) = read(tmp_path)
    assert batch.rows.to_pylist() == [0, 2]
    assert [(bad.row, bad.reason, bad.text) for bad in batch.unreadable] == [
        (2, "the line is longer than 16 MiB", None)
    ]


def test_windows_cut_lines_and_only_whole_files_are_marked(tmp_path):
    put(tmp_path / "a.gz", line(1, -1), line(2, 0), line(3, 23), line(4, 24))
    put(tmp_path / "b.gz", *[line(number, 5) for number in range(10)])
    batches = read(tmp_path, DAY, batch_rows=4)
    assert ids(batches[:1], "$") == [line(2, 0), line(3, 23)]
    assert [batch.mark is not None for batch in batches] == [False, False, False, True]
    again = read(tmp_path, DAY, done={batches[-1].mark})
    assert [batch.origin for batch in again] == [str(tmp_path / "a.gz")]


def test_several_gzip_members_in_a_file_are_one_log(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"".join(gzip.compress(line(n).encode() + b"\r\n") for n in (1, 2)))
    (batch,) = read(tmp_path, paths=set())
    assert ids([batch], "messageId") == ["1", "2"]


def test_day_folders_far_outside_the_window_are_not_opened(tmp_path):
    """The folder is the day of receipt in milliseconds since 1970."""
    for days in (-2, -1, 0, 1, 2):
        folder = str(int((START + timedelta(days=days)).timestamp() * 1000))
        name = tmp_path / "segment-logs" / "src" / folder / "a.gz"
        if abs(days) < 2:
            put(name, line(days, 24 * days))
        else:
            put(name).write_bytes(b"\x1f\x8b rubbish")
    assert ids(read(tmp_path, DAY, {("event",)}), "messageId") == ["0"]


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-20], lambda data: data[:50] + b"\x00" * 9 + data[59:]]
)
def test_a_damaged_file_stops_the_run_and_is_named(tmp_path, damage):
    put(tmp_path / "a.gz", line(1))
    path = put(tmp_path / "b.gz", *[line(n, note=str(n * 7919)) for n in range(2000)])
    path.write_bytes(damage(path.read_bytes()))
    batches = LogsSource(str(tmp_path)).batches(DAY)
    next(batches)
    with pytest.raises(SourceError, match=r"b\.gz cannot be read: .* Replace the file"):
        list(batches)


def test_a_missing_cursor_is_a_mistake_in_the_config(tmp_path):
    put(tmp_path / "a.gz", '{"messageId":"1","received_at":"2026-11-01T00:00:00Z"}')
    for use in (LogsSource.check, lambda source: list(source.batches(DAY))):
        with pytest.raises(ConfigError, match=r"no column 'receivedAt' .* it has received_at, messageId\."):
            use(LogsSource(str(tmp_path)))
    (batch,) = read(tmp_path, cursor="received_at")
    assert batch.cursor.to_pylist() == [START]


def test_a_path_that_matches_nothing_stops_the_run(tmp_path):
    with pytest.raises(SourceError, match="matches no file"):
        read("x/*.gz", base=tmp_path)


def test_check_passes_where_reading_would_and_an_empty_window_reads_nothing(tmp_path):
    put(tmp_path / "a.gz", line(1))
    source = LogsSource("a.gz", base=tmp_path)
    source.check()
    assert source.newest() is None
    assert list(source.batches(Window(START, START))) == []
