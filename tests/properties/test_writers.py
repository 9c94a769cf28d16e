"""One set of events through every writer, type and encoding at hand: the same usage events, whoever wrote the file."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import fastparquet
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import Subscription, map_events
from etl.core.windows import ALL_TIME
from etl.sources.parquet import ParquetSource

RECEIVED = datetime(2026, 11, 5, 10, tzinfo=UTC)
MAPPING = {
    "transaction_id": {"@path": "$.messageId"},
    "customer_id": {"@path": "$.userId"},
    "timestamp": {"@path": "$.receivedAt"},
    "event_type": {"@path": "$.event"},
    "properties": {"@path": "$.properties"},
}

#: Times that every unit holds, nanoseconds of 64 bits included, and as far as years have four digits.
_NEAR = st.datetimes(datetime(1700, 1, 1), datetime(2260, 1, 1))  # noqa: DTZ001 - they become UTC below
_FAR = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001


def _moments(of):
    return of.map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC))


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)

ROW = st.fixed_dictionaries(
    {
        "units": st.none() | st.integers(-(2**63), 2**63 - 1),
        "small": st.none() | st.integers(0, 2**31 - 1),
        "price": st.none() | st.decimals(-(10**6), 10**6, places=2),
        "share": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "ok": st.none() | st.booleans(),
        "near": st.none() | _moments(_NEAR),
        "day": st.none() | st.dates(date(1700, 1, 1), date(2260, 1, 1)),
        "note": st.none() | _TEXT,
        "plan": st.sampled_from([None, "free", "pro"]),
        "u": st.none() | st.uuids(),
        "far": st.none() | _moments(_FAR),
        "detail": st.none()
        | st.fixed_dictionaries(
            {"n": st.integers(-(2**53), 2**53), "tags": st.lists(_TEXT, max_size=3), "at": _moments(_NEAR)}
        ),
    }
)

TYPES = {
    "units": pa.int64(),
    "small": pa.int32(),
    "price": pa.decimal128(18, 2),
    "share": pa.float64(),
    "ok": pa.bool_(),
    "near": pa.timestamp("us", "UTC"),
    "day": pa.date32(),
    "note": pa.string(),
    "plan": pa.string(),
    "u": pa.uuid(),
    "far": pa.timestamp("us", "UTC"),
    "detail": pa.struct(
        [("n", pa.int64()), ("tags", pa.list_(pa.string())), ("at", pa.timestamp("us", "UTC"))]
    ),
}


def table_of(rows, names=tuple(TYPES)):
    count = len(rows)
    columns = {
        "id": pa.array([f"m{n}" for n in range(count)]),
        "event_text": pa.array(["API"] * count),
        "user_id": pa.array(["u"] * count),
        "received_at": pa.array([RECEIVED] * count, pa.timestamp("us", "UTC")),
    }
    for name in names:
        cells = [row[name].bytes if name == "u" and row[name] else row[name] for row in rows]
        columns[name] = pa.array(cells, TYPES[name])
    return pa.table(columns)


def expected(rows, names=tuple(TYPES)):
    """What is billed for each row, by what Segment's events would hold: no column knows of Parquet here."""
    return [{name: _json(row[name]) for name in names if row[name] is not None} for row in rows]


def _json(value):
    if isinstance(value, dict):
        return {key: _json(cell) for key, cell in value.items()}
    if isinstance(value, list):
        return list(map(_json, value))
    if isinstance(value, datetime):
        return f"{value:%Y}".zfill(4) + f"-{value:%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"
    if isinstance(value, bool | int | float | str | Decimal):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)


def billed(path):
    """The properties of all usage events a file makes, numbers digit for digit."""
    found = []
    for batch in ParquetSource(str(path)).batches(ALL_TIME):
        assert batch.unreadable == ()
        outcomes = map_events(batch.table, Subscription("s", 'type = "track"', MAPPING))
        assert set(outcomes["outcome"]) == {"mapped"}
        found += [json.loads(body, parse_float=Decimal) for body in outcomes["body"]]
    assert [body["transaction_id"] for body in found] == [f"m{n}" for n in range(len(found))]
    assert {body["timestamp"] for body in found} == {"2026-11-05T10:00:00.000Z"}
    return [body["properties"] for body in found]


def same(path, rows, names=tuple(TYPES)):
    found, wanted = billed(path), expected(rows, names)
    for one, two in zip(found, wanted, strict=True):
        if "share" in one:  # the same double, however many of its digits are written
            one["share"] = float(one["share"])
        assert one == two


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


ROWS = st.lists(ROW, min_size=1, max_size=12)


@st.composite
def arrow_tables(draw):
    """The same rows in any of the types that hold them, and how they are written."""
    rows = draw(ROWS)
    table = table_of(rows)
    unit = draw(st.sampled_from(["ms", "us", "ns"]))
    zone = draw(st.sampled_from([None, "UTC", "utc", "Z", "GMT+2", "+02:00", "America/New_York"]))
    text = draw(
        st.sampled_from(
            [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
        )
    )
    choices = {
        "near": pa.timestamp(unit, zone),
        "far": pa.timestamp(draw(st.sampled_from(["ms", "us"])), zone),
        "note": text,
        "plan": text,
        "price": draw(
            st.sampled_from(
                [pa.decimal32(9, 2), pa.decimal64(18, 2), pa.decimal128(38, 2), pa.decimal256(60, 2)]
            )
        ),
        "small": draw(st.sampled_from([pa.int32(), pa.uint32(), pa.int64(), pa.uint64()])),
        "u": draw(st.sampled_from([pa.uuid(), pa.string()])),
    }
    for name, held in choices.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, _as(table.column(name).combine_chunks(), held))
    options = draw(
        st.fixed_dictionaries(
            {
                "version": st.sampled_from(["1.0", "2.4", "2.6"]),
                "data_page_version": st.sampled_from(["1.0", "2.0"]),
                "compression": st.sampled_from(["none", "snappy", "gzip", "zstd", "lz4", "brotli"]),
                "use_dictionary": st.booleans(),
                "store_schema": st.booleans(),
                "row_group_size": st.sampled_from([1, 5, 1000]),
                "write_page_index": st.booleans(),
            }
        )
    )
    return rows, table, options


def _as(array, held):
    if isinstance(array.type, pa.UuidType) and pa.types.is_string(held):
        return pa.array([None if cell is None else str(cell) for cell in array.to_pylist()], held)
    if pa.types.is_timestamp(held):  # the instant stays; a zone that Arrow does not know is but a label
        return (
            array.cast(pa.int64())
            .cast(pa.timestamp("us"))
            .cast(pa.timestamp(held.unit))
            .cast(pa.int64())
            .view(held)
        )
    return array.cast(held)


@given(arrow_tables())
@settings(max_examples=25)
def test_pyarrow_in_every_type_and_encoding(folder, given_table):
    rows, table, options = given_table
    pq.write_table(table, folder / "a.parquet", **options)
    same(folder / "a.parquet", rows)


@given(ROWS)
@settings(max_examples=6)
def test_pyarrow_with_int96(folder, rows):
    """As Spark, Hive and Impala write times. pyarrow writes those that nanoseconds hold, Spark all."""
    names = tuple(name for name in TYPES if name != "far")
    pq.write_table(table_of(rows, names), folder / "i.parquet", use_deprecated_int96_timestamps=True)
    same(folder / "i.parquet", rows, names)


@given(ROWS, st.sampled_from(["V1", "V2"]), st.sampled_from(["uncompressed", "snappy", "zstd", "gzip"]))
@settings(max_examples=8)
def test_duckdb(folder, rows, version, codec):
    events = table_of(rows)
    with duckdb.connect() as database:
        database.register("events", events)
        database.execute(
            f"COPY events TO '{folder}/d.parquet' (FORMAT parquet, PARQUET_VERSION {version}, COMPRESSION {codec})"
        )
    same(folder / "d.parquet", rows)


@given(ROWS, st.sampled_from(["uncompressed", "snappy", "zstd", "lz4"]), st.booleans())
@settings(max_examples=8)
def test_polars(folder, rows, codec, statistics):
    """It knows no UUID: users keep them as text."""
    names = tuple(name for name in TYPES if name != "u")
    pl.from_arrow(table_of(rows, names)).write_parquet(
        folder / "p.parquet", compression=codec, statistics=statistics
    )
    same(folder / "p.parquet", rows, names)


@pytest.mark.filterwarnings("ignore:Series.values")  # its own use of pandas
@given(ROWS, st.sampled_from(["int64", "int96"]))
@settings(max_examples=8)
def test_fastparquet(folder, rows, times):
    """From a frame of pandas: no decimals, no structs. Its INT96 takes nanoseconds alone for what they are."""
    names = ("share", "ok", "near", "note", "plan")
    frame = table_of(rows, names).to_pandas()
    if times == "int96":
        frame = frame.astype(dict.fromkeys(["near", "received_at"], "datetime64[ns, UTC]"))
    fastparquet.write(str(folder / "f.parquet"), frame, times=times)
    same(folder / "f.parquet", rows, names)


def test_a_length_of_time_is_refused_by_its_name(folder):
    """A unit is nowhere to be seen: ticks would be billed as a number of something."""
    table = table_of([]).select(["id", "received_at"])
    pq.write_table(table.append_column("took", pa.array([], pa.duration("us"))), folder / "r.parquet")
    with pytest.raises(
        Exception, match=r"r\.parquet has the column 'took' of type duration\[us\]: write it as"
    ):
        billed(folder / "r.parquet")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("INTERVAL '1 month'", "'x' of type INTERVAL"),
        ("{'a': 1}::VARIANT", "'x' of type VARIANT"),
        ("{'a': [INTERVAL '1 day']}", "'x.a.list.element' of type INTERVAL"),
    ],
)
def test_what_duckdb_writes_and_json_has_no_form_for_is_refused(folder, sql, said):
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT 'm' AS id, TIMESTAMPTZ '2026-11-05 10:00Z' AS received_at, {sql} AS x) TO '{folder}/x.parquet'"
        )
    with pytest.raises(Exception, match="has the column ") as error:
        billed(folder / "x.parquet")
    assert said in str(error.value)


def test_rows_that_cannot_be_read_exactly_are_reported_and_the_others_read(folder):
    received = pa.array([RECEIVED] * 4, pa.timestamp("us", "UTC"))
    table = pa.table(
        {
            "id": ["infinity", "bytes", "inside", "fine"],
            "received_at": received,
            "at": pa.array([2**63 - 1, 0, 0, 0], pa.timestamp("us", "UTC")),
            "raw": pa.array([b"a", b"\xff", b"a", b"a"]),
            "deep": pa.array(
                [[{"b": b"a"}], [], [{"b": b"\xfe"}], None], pa.list_(pa.struct([("b", pa.binary())]))
            ),
        }
    )
    pq.write_table(table, folder / "u.parquet")
    (batch,) = ParquetSource(str(folder / "u.parquet")).batches(ALL_TIME)
    assert batch.table.column("id").to_pylist() == ["fine"]
    assert [(bad.row, bad.reason) for bad in batch.unreadable] == [
        (1, "the column at holds a time beyond the years 1 to 9999"),
        (2, "the column raw holds bytes that are no UTF-8 text"),
        (3, "the column deep holds bytes that are no UTF-8 text"),
    ]
