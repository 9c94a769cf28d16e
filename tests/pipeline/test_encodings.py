"""The same events, however an export encodes them, arrive as the same usage events (bodies as the stand-in got them)."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.standin.samples import SampleEvents, encoded, flattened
from tests.support.workspace import Workspace, ago

EVENTS = 2_500
ODD = [
    'say "hi"',
    "back\\slash",
    "tab\tnew\nline\r\x00\x1f\x7f",
    "naïve 🚀 日本 \u2028",
    "",
    " ",
    "{{x}}",
    "</script>",
]


@pytest.fixture(scope="module")
def sample() -> pa.Table:
    """Track events of yesterday with integers that have nulls, decimals, doubles and awkward strings."""
    from datetime import UTC, datetime, timedelta

    start = datetime.now(UTC) - timedelta(days=1, hours=3)
    return SampleEvents(EVENTS, seed=7, start=start, awkward=True).table()


def received(workspace: Workspace, table: pa.Table) -> dict[str, str]:
    workspace.standin.reset()
    for old in workspace.path.glob("state.db*"):
        old.unlink()
    pq.write_table(table, workspace.path / "tracks" / "a.parquet")
    report = workspace.run(since=ago(days=2))
    bodies = workspace.standin.bodies()
    assert report.complete
    assert report.sent == len(bodies) > 2_000
    return bodies


def test_struct_and_json_text_give_the_same_bodies(workspace: Workspace, sample: pa.Table) -> None:
    """To the byte: digests do not depend on the storage."""
    workspace.config()
    assert received(workspace, encoded(sample, "struct")) == received(workspace, encoded(sample, "json"))


def test_a_map_gives_the_same_bodies_where_its_types_allow(workspace: Workspace, sample: pa.Table) -> None:
    """A map holds text only: compared with the text of the other encodings."""
    workspace.config()
    struct = received(workspace, encoded(sample, "struct", strings=True))
    assert struct == received(workspace, encoded(sample, "map", strings=True))
    assert struct == received(workspace, encoded(sample, "json", strings=True))


def test_flat_warehouse_columns_give_the_same_properties_where_the_path_exists(
    workspace: Workspace, sample: pa.Table
) -> None:
    """Mapped one by one: what a flat table cannot say is how its columns were nested."""
    names = ("action", "bytes", "cached", "duration_ms", "region")
    mapping = {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": {"@path": "$.context.groupId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {name: {"@path": f"$.properties.{name}"} for name in names}
        | {"zone": {"@path": "$.properties.meta.zone"}, "job": {"@path": "$.properties.jobId"}},
    }
    workspace.config([{"name": "Usage", "mapping": mapping}], source={"layout": "auto"})
    nested = received(workspace, encoded(sample, "json"))
    workspace.config(
        [{"name": "Usage", "mapping": mapping, "trigger": 'event != "zzz"'}],
        source={"layout": "warehouse", "cursor": "received_at"},
    )
    assert received(workspace, flattened(sample)) == nested


@pytest.mark.parametrize("encoding", ["struct", "json"])
def test_numbers_keep_every_digit(workspace: Workspace, encoding: str) -> None:
    """Integers with nulls stay integers, decimals keep their digits, 64-bit integers stay exact."""
    properties: list[dict[str, Any]] = [
        {"i": 9_007_199_254_740_993, "d": Decimal("12345678901234567890.123456"), "f": 0.1},
        {"i": None, "d": Decimal("0.000001"), "f": 1e21},
        {"i": -(2**63), "d": None, "f": 1.0},
    ]
    kind = pa.struct([("i", pa.int64()), ("d", pa.decimal128(38, 6)), ("f", pa.float64())])
    if encoding == "struct":
        column: pa.Array = pa.array(properties, kind)
    else:
        texts = [
            "{" + ",".join(f'"{k}":{v}' for k, v in p.items() if v is not None) + "}" for p in properties
        ]
        column = pa.array(texts)
    table = pa.table(
        {
            "messageId": [f"m{i}" for i in range(3)],
            "type": ["track"] * 3,
            "event": ["e"] * 3,
            "timestamp": [ago(hours=1)] * 3,
            "receivedAt": [ago(hours=1)] * 3,
            "context": ['{"groupId":"acme"}'] * 3,
            "properties": column,
        }
    )
    workspace.config()
    pq.write_table(table, workspace.path / "tracks" / "a.parquet")
    assert workspace.run(since=ago(days=1)).sent == 3
    texts = [body.partition('"properties":')[2][:-1] for body in workspace.standin.bodies().values()]
    assert texts == [
        '{"d":12345678901234567890.123456,"f":0.1,"i":9007199254740993}',
        '{"d":0.000001,"f":1e+21}',
        '{"f":1,"i":-9223372036854775808}',
    ]


@pytest.mark.parametrize("encoding", ["struct", "map", "json"])
def test_strings_arrive_intact(workspace: Workspace, encoding: Any) -> None:
    """Quotes, backslashes, control characters, emoji, line separators, and what looks like a template."""
    count = len(ODD)
    events = {
        "messageId": pa.array([f"m{i}" for i in range(count)]),
        "type": pa.array(["track"] * count),
        "event": pa.array(ODD[:4] + ["e"] * (count - 4)),
        "timestamp": pa.array([ago(hours=1)] * count),
        "receivedAt": pa.array([ago(hours=1)] * count),
        "context": pa.array([{"groupId": "acme"}] * count),
        "properties": pa.array([{"s": text} for text in ODD]),
    }
    if encoding == "json":
        events["properties"] = pa.array([json.dumps({"s": text}) for text in ODD])
        events["context"] = pa.array(['{"groupId":"acme"}'] * count)
        table = pa.table(events)
    else:
        table = encoded(pa.table(events), encoding)
    workspace.config()
    pq.write_table(table, workspace.path / "tracks" / "a.parquet")
    assert workspace.run(since=ago(days=1)).sent == count
    accepted = workspace.standin.accepted()
    assert [accepted[f"m{i}"]["properties"]["s"] for i in range(count)] == ODD
    assert [accepted[f"m{i}"]["event_type"] for i in range(4)] == ODD[:4]


MIXED = [
    ("null", None),
    ("absent", ...),
    ("empty", ""),
    ("text", "7"),
    ("integer", 7),
    ("fraction", 7.5),
    ("true", True),
    ("list", [1, None, "x"]),
    ("object", {"k": None}),
]


def test_null_absent_empty_and_mixed_values_in_json_text(workspace: Workspace) -> None:
    """JSON text keeps its nulls; a missing key stays missing; every type stays what it is."""
    events = [{} if value is ... else {"v": value} for _, value in MIXED]
    write(workspace.path, pa.array([json.dumps(e) for e in events]))
    workspace.config()
    workspace.run(since=ago(days=1))
    assert [e["properties"] for e in workspace.standin.accepted().values()] == events


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.string(), [None, "", "x"], [{}, {"v": ""}, {"v": "x"}]),
        (pa.int64(), [None, 0, 2**60], [{}, {"v": 0}, {"v": 2**60}]),
        (pa.bool_(), [None, False, True], [{}, {"v": False}, {"v": True}]),
        (pa.list_(pa.int64()), [None, [], [1, None]], [{}, {"v": []}, {"v": [1, None]}]),
        (pa.struct([("k", pa.string())]), [None, {"k": None}, {"k": ""}], [{}, {"v": {}}, {"v": {"k": ""}}]),
    ],
)
def test_null_and_empty_values_in_structs(
    workspace: Workspace, kind: pa.DataType, values: list[Any], expected: list[Any]
) -> None:
    """A typed column cannot tell null from absent: it is absent. Empty is not absent."""
    write(workspace.path, pa.array([{"v": value} for value in values], pa.struct([("v", kind)])))
    workspace.config()
    workspace.run(since=ago(days=1))
    assert [e["properties"] for e in workspace.standin.accepted().values()] == expected


def test_null_and_empty_values_in_maps(workspace: Workspace) -> None:
    """A null in a map is absent, too."""
    values = [[("v", None)], [("v", "")], [], [("v", "x"), ("w", "y")]]
    write(workspace.path, pa.array(values, pa.map_(pa.string(), pa.string())))
    workspace.config()
    workspace.run(since=ago(days=1))
    found = [e["properties"] for e in workspace.standin.accepted().values()]
    assert found == [{}, {"v": ""}, {}, {"v": "x", "w": "y"}]


def test_the_same_column_with_other_types_in_the_next_file(workspace: Workspace) -> None:
    """An int here, a string there: every file keeps its own types."""
    for name, kind, value in (("a", pa.int64(), 7), ("b", pa.string(), "7"), ("c", pa.float64(), 7.5)):
        write(workspace.path, pa.array([{"v": value}], pa.struct([("v", kind)])), name)
    workspace.config()
    workspace.run(since=ago(days=1))
    found = {e["transaction_id"]: e["properties"]["v"] for e in workspace.standin.accepted().values()}
    assert found == {"a0": 7, "b0": "7", "c0": 7.5}


def write(folder: Path, properties: pa.Array, name: str = "m") -> None:
    count = len(properties)
    table = pa.table(
        {
            "messageId": [f"{name}{i}" for i in range(count)],
            "type": ["track"] * count,
            "event": ["e"] * count,
            "timestamp": [ago(hours=1)] * count,
            "receivedAt": [ago(hours=1)] * count,
            "context": ['{"groupId":"acme"}'] * count,
            "properties": properties,
        }
    )
    pq.write_table(table, folder / "tracks" / f"{name}.parquet")
