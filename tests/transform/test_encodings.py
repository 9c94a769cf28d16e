"""The same events give the same bodies however they are stored."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from etl.core.subscription import DEFAULT_MAPPING, DEFAULT_TRIGGER, Subscription
from etl.transform import Events, compile_subscription, map_events
from etl.transform.json import encode

PROPERTIES = pa.struct(
    [
        ("zone", pa.string()),
        ("amount", pa.float64()),
        ("count", pa.int64()),
        ("price", pa.decimal128(20, 4)),
        ("cached", pa.bool_()),
        ("tags", pa.list_(pa.string())),
        ("usage", pa.struct([("mb", pa.int32()), ("host", pa.string())])),
    ]
)
HARD = ['q"uote', "back\\slash", "tab\tline\nbell\x07", "emoji 😀 é", "", "\u2028", "\x7f", "plain"]
NUMBERS = [0.0, -0.0, 1.0, 1.5, 0.1, 1e21, 1e-7, 123456789012345680.0, -2.25, 1e16]
MAPPINGS: dict[str, Any] = {
    "default": DEFAULT_MAPPING,
    "nested": {
        **DEFAULT_MAPPING,
        "customer_id": {
            "@if": {
                "exists": {"@path": "$.userId"},
                "then": {"@path": "$.userId"},
                "else": {"@path": "$.context.groupId"},
            }
        },
        "event_type": {"@case": {"operator": "upper", "value": {"@path": "$.properties.zone"}}},
        "properties": {
            "n": {"@path": "$.properties.count"},
            "deep": {"usage": {"@path": "$.properties.usage"}, "constant": "x"},
            "text": {
                "@template": "{{properties.zone}}/{{properties.count}}/{{properties.amount}}/{{{properties.cached}}}"
            },
            "one": {
                "@if": {
                    "blank": {"@path": "$.properties.amount"},
                    "then": {"@path": "$.properties.price"},
                    "else": "none",
                }
            },
        },
    },
    "flatten": {
        **DEFAULT_MAPPING,
        "properties": {"@flatten": {"separator": "_", "value": {"@path": "$.properties"}}},
    },
    "flatten, arrays kept": {
        **DEFAULT_MAPPING,
        "properties": {
            "@flatten": {"separator": ".", "value": {"@path": "$.properties"}, "omitArrays": True}
        },
    },
    "merge": {
        **DEFAULT_MAPPING,
        "properties": {
            "@merge": {
                "direction": "right",
                "objects": [{"zone": "first", "who": {"@path": "$.userId"}}, {"@path": "$.properties"}],
            }
        },
    },
    "merge from the left": {
        **DEFAULT_MAPPING,
        "properties": {
            "@merge": {
                "direction": "left",
                "objects": [{"@path": "$.properties"}, {"zone": {"@path": "$.nothing"}, "extra": 1}],
            }
        },
    },
    "replace": {
        **DEFAULT_MAPPING,
        "properties": {
            "a": {"@replace": {"pattern": "e", "replacement": "3", "value": {"@path": "$.properties.zone"}}},
            "b": {
                "@replace": {"pattern": "1", "replacement": "$&!", "value": {"@path": "$.properties.count"}}
            },
            "c": {
                "@replace": {
                    "pattern": "T",
                    "replacement": "",
                    "ignorecase": True,
                    "value": {"@path": "$.properties.cached"},
                }
            },
        },
    },
    "arrays": {
        **DEFAULT_MAPPING,
        "properties": {
            "list": [{"@path": "$.properties.count"}, {"@path": "$.properties.missing"}, "x"],
            "json": {"@json": {"mode": "encode", "value": {"@path": "$.properties.usage"}}},
            "kept": {"@excludeWhenNull": {"@path": "$.properties.usage"}},
            "items": {"@arrayPath": ["$.properties.tags", {"length": {"@path": "$.length"}}]},
        },
    },
}


def properties(row: int) -> dict[str, Any]:
    """Properties of the struct type above; every field is missing from some row."""
    full = {
        "zone": HARD[row % len(HARD)],
        "amount": NUMBERS[row % len(NUMBERS)],
        "count": 2**53 + row if row % 3 else row,
        "price": Decimal(row * 12345).scaleb(-4),
        "cached": row % 2 == 0,
        "tags": [HARD[row % len(HARD)], None][: row % 3],
        "usage": {"mb": row, **({"host": f"h-{row}"} if row % 5 else {})},
    }
    return {name: value for i, (name, value) in enumerate(full.items()) if row % 11 != i}


EVENTS = [
    {
        "type": "track",
        "event": "api_call",
        "messageId": f"m-{row}",
        **({"userId": f"u-{row}"} if row % 4 else {}),
        "timestamp": f"2026-11-01T00:{row % 60:02d}:00.000Z",
        "context": {"groupId": f"g-{row % 7}"},
        "properties": properties(row),
    }
    for row in range(220)
]


def written(value: Any) -> str:
    """JSON text with every digit of a Decimal."""
    return (
        json.dumps(value, default=lambda number: f"\0{number}\0")
        .replace('"\\u0000', "")
        .replace('\\u0000"', "")
    )


def scalars() -> dict[str, pa.Array]:
    names = ("type", "event", "messageId", "userId", "timestamp")
    return {name: pa.array([event.get(name) for event in EVENTS], pa.string()) for name in names}


def structs() -> pa.Table:
    context = pa.array([event["context"] for event in EVENTS])
    return pa.table(
        {
            **scalars(),
            "context": context,
            "properties": pa.array([e["properties"] for e in EVENTS], PROPERTIES),
        }
    )


def sliced_structs() -> pa.Table:
    padded = pa.concat_tables([structs().slice(0, 3), structs(), structs().slice(0, 2)])
    return padded.slice(3, len(EVENTS))


def chunked_json() -> pa.Table:
    return pa.concat_tables([json_type().slice(0, 90), json_type().slice(90)])


def json_text() -> pa.Table:
    texts = {
        name: pa.array([written(e[name]) for e in EVENTS], pa.string()) for name in ("context", "properties")
    }
    return pa.table({**scalars(), **texts})


def json_type() -> pa.Table:
    texts = {
        name: pa.array([written(e[name]) for e in EVENTS], pa.json_()) for name in ("context", "properties")
    }
    return pa.table({**scalars(), **texts})


def whole() -> pa.Table:
    return pa.table({"$": pa.array([written(event) for event in EVENTS], pa.json_())})


def dicts() -> list[dict[str, Any]]:
    return [json.loads(written(event), parse_float=Decimal) for event in EVENTS]


def pandas_objects() -> pd.DataFrame:
    return pd.DataFrame({name: [e.get(name) for e in EVENTS] for name in ("type", *EVENTS[1])})


def bodies(events: Any, mapping: Any) -> list[Any]:
    frame = map_events(events, Subscription("s", DEFAULT_TRIGGER, mapping))
    return [
        body if outcome == "mapped" else reason
        for outcome, body, reason in zip(frame["outcome"], frame["body"], frame["reason"], strict=True)
    ]


@pytest.mark.parametrize("name", MAPPINGS)
@pytest.mark.parametrize(
    "stored", [structs, sliced_structs, json_type, chunked_json, whole, dicts, pandas_objects]
)
def test_the_same_events_give_the_same_bodies(stored, name):
    """Struct columns, JSON text columns, one column of whole events, dicts and pandas objects, byte for byte."""
    assert bodies(stored(), MAPPINGS[name]) == bodies(json_text(), MAPPINGS[name])


def list_tables(rows: list[Any], kind: pa.DataType) -> list[pa.Table]:
    """A table of events with these lists, whole, cut from a longer one, and made of rows in another order."""
    count = len(rows)
    scalars = {"type": ["track"], "event": ["e"], "timestamp": ["2026-11-01"], "context": [{"groupId": "g"}]}

    def table(lists: pa.Array) -> pa.Table:
        ids = pa.array([str(i) for i in range(len(lists))])
        properties = pa.StructArray.from_arrays([lists], names=["tags"])
        return pa.table(
            {**{k: v * len(lists) for k, v in scalars.items()}, "messageId": ids, "properties": properties}
        )

    longer = pa.array([[7, 8], *rows, [9]], kind)
    backwards = pa.array(rows[::-1], kind)
    found = [table(pa.array(rows, kind)), table(longer.slice(1, count))]
    return [*found, table(backwards.take(pa.array(range(count)[::-1])))]


@pytest.mark.parametrize(
    "kind",
    [pa.list_, pa.large_list, pa.list_view, pa.large_list_view],
    ids=["list", "large list", "list view", "large list view"],
)
@pytest.mark.parametrize("mapping", [DEFAULT_MAPPING, MAPPINGS["flatten"]], ids=["default", "flatten"])
def test_lists_of_every_kind_give_the_same_bodies(kind, mapping):
    rows = [[0, 1], [1, 2], None, [], [3, None], [4]]
    expected = bodies(list_tables(rows, pa.list_(pa.int64()))[0], mapping)
    assert '"tags":[0,1]' in expected[0] or "tags_0" in expected[0]
    for table in list_tables(rows, kind(pa.int64())):
        assert bodies(table, mapping) == expected


def test_a_list_view_whose_views_overlap_gives_the_bodies_of_its_lists():
    views = pa.ListViewArray.from_arrays(
        pa.array([2, 0, 1], pa.int32()), pa.array([1, 3, 2], pa.int32()), pa.array([1, 2, 3])
    )
    assert views.to_pylist() == [[3], [1, 2, 3], [2, 3]]
    assert encode.json_text(views).to_pylist() == ["[3]", "[1,2,3]", "[2,3]"]
    assert encode.json_text(views.slice(1)).to_pylist() == ["[1,2,3]", "[2,3]"]


@pytest.mark.parametrize("stored", [structs, sliced_structs, json_type, chunked_json, whole])
@pytest.mark.parametrize("mapping", [DEFAULT_MAPPING, MAPPINGS["nested"]], ids=["default", "nested"])
def test_a_neighbour_that_is_refused_changes_no_body(stored, mapping):
    """Where one event of a batch has no customer, the columns are cut, else they are taken as they are."""
    from_some = {**mapping, "customer_id": {"@path": "$.userId"}, "dynamicAuthSettings": {"@path": "$.event"}}
    compiled = compile_subscription(Subscription("s", DEFAULT_TRIGGER, from_some))
    events = Events(stored(), "segment")
    both = compiled.map(events)
    assert len(both.accepted) > 100 < len(both.accepted) + len(both.rejected) == len(events)
    accepted = compiled.map(events.take(both.accepted["row"].to_numpy(np.int64)))
    assert accepted.rejected.empty
    for name in ("transaction_id", "customer_id", "timestamp", "event_type", "body"):
        assert accepted.accepted[name].tolist() == both.accepted[name].tolist()


def test_maps_give_the_same_bodies_as_structs():
    """Properties and context as maps, where all values have one type."""
    rows = [{"a": "1", "b": HARD[i % len(HARD)]} for i in range(40)]
    rest = {
        "type": ["track"] * 40,
        "event": ["e"] * 40,
        "messageId": [str(i) for i in range(40)],
        "timestamp": ["2026-11-01"] * 40,
    }
    groups = [{"groupId": f"g{i}"} for i in range(40)]
    as_map = pa.map_(pa.string(), pa.string())
    maps = pa.table(
        {
            **rest,
            "context": pa.array([list(g.items()) for g in groups], as_map),
            "properties": pa.array([[*r.items()][::-1] for r in rows], as_map),
        }
    )
    nested = pa.table({**rest, "context": pa.array(groups), "properties": pa.array(rows)})
    for mapping in (DEFAULT_MAPPING, MAPPINGS["flatten"]):
        assert bodies(maps, mapping) == bodies(nested, mapping)


def one(stored: pa.Table | list[dict[str, Any]], mapping: Any = DEFAULT_MAPPING) -> Any:
    return bodies(stored, mapping)[0]


def event(**changes: Any) -> dict[str, Any]:
    plain = {
        "type": "track",
        "event": "e",
        "messageId": "m",
        "timestamp": "2026-11-01",
        "context": {"groupId": "g"},
        "properties": {"a": 1},
    }
    return {**plain, **changes}


def columns_of(one_event: dict[str, Any], **columns: pa.Array) -> pa.Table:
    return pa.table({name: columns.get(name, pa.array([value])) for name, value in one_event.items()})


HEAD = '{"transaction_id":"m","customer_id":"g","timestamp":"2026-11-01T00:00:00.000Z","event_type":"e","properties":'
MISSING = "The root value is missing the required field '{}'."


@pytest.mark.parametrize(
    ("value", "in_json", "in_struct"),
    [
        (None, '{"p":null}', "{}"),
        ("", '{"p":""}', '{"p":""}'),
        (0, '{"p":0}', '{"p":0}'),
        (False, '{"p":false}', '{"p":false}'),
    ],
)
def test_null_and_empty_properties(value, in_json, in_struct):
    """JSON text keeps a null; a typed null is absent; empty strings, zero and false stay in both."""
    given = event(properties={"p": value})
    text = pa.array([json.dumps(given["properties"])], pa.json_())
    assert one(columns_of(given, properties=text)) == HEAD + in_json + "}"
    assert one([given]) == HEAD + in_json + "}"
    struct = pa.array(
        [{"p": value}], pa.struct([("p", pa.array([value]).type if value is not None else pa.int64())])
    )
    assert one(columns_of(given, properties=struct)) == HEAD + in_struct + "}"


@pytest.mark.parametrize("gone", [None, ""])
def test_null_and_empty_ids_are_missing_in_every_encoding(gone):
    """A required field that is null, absent or '' is missing, whatever holds it."""
    given = event(messageId=gone)
    typed = columns_of(given, messageId=pa.array([gone], pa.string()))
    text = columns_of(given, messageId=pa.array([json.dumps(gone)], pa.json_()))
    absent = columns_of({k: v for k, v in given.items() if k != "messageId"})
    for stored in (typed, text, absent, [given]):
        assert one(stored) == MISSING.format("transaction_id")


def test_mixed_types_in_one_json_column_are_handled_value_by_value():
    """Ints, strings, booleans, lists and nulls under the same key, each as Segment would."""
    values = [7, "7", True, ["x"], None, {"a": 1}, 1.50]
    table = pa.table(
        {
            "type": ["track"] * 7, "event": ["e"] * 7, "messageId": ["m"] * 7, "timestamp": ["2026-11-01"] * 7,
            "context": pa.array([json.dumps({"groupId": value}) for value in values], pa.json_()),
            "properties": pa.array(["{}"] * 7, pa.json_()),
        }
    )  # fmt: skip
    found = bodies(table, DEFAULT_MAPPING)
    assert [json.loads(body)["customer_id"] if body.startswith("{") else body for body in found] == [
        "7", "7", "true", "x", MISSING.format("customer_id"), "Customer_id must be a string but it was an object.", "1.5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array([9007199254740993]), "9007199254740993"),
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        (pa.array([Decimal("12345678901234567890.1230")], pa.decimal128(30, 4)), "12345678901234567890.123"),
        (pa.array([Decimal("100.00")], pa.decimal128(10, 2)), "100"),
        (pa.array([0.1 + 0.2]), "0.30000000000000004"),
        (pa.array([float("nan")]), "null"),
        (pa.array([float("inf")]), "null"),
        (pa.array([1e21]), "1e+21"),
        (pa.array([1e16]), "10000000000000000"),
        (pa.array([5e-7]), "5e-7"),
    ],
)
def test_numbers_keep_every_digit(array, text):
    """Integers and decimals digit for digit, doubles as JavaScript writes them; the same from JSON text."""
    given = event(properties={"n": 0})
    struct = pa.StructArray.from_arrays([array], names=["n"])
    expected = f'{HEAD}{{"n":{text}}}}}'
    assert one(columns_of(given, properties=struct)) == expected
    assert one(columns_of(given, properties=pa.array([f'{{"n":{text}}}'], pa.json_()))) == expected


def test_an_id_made_of_a_large_number_follows_segment():
    """JavaScript rounds beyond 2^53, and so does the id, in every encoding."""
    number = 12345678901234567890
    for stored in ([event(messageId=number)], columns_of(event(), messageId=pa.array([number], pa.uint64()))):
        assert json.loads(one(stored))["transaction_id"] == "12345678901234567000"


def test_timestamps_read_as_segments_iso_text():
    """Naive ones are UTC, zones are converted, and what is finer than a millisecond is cut off."""
    zoned = pa.array([1_762_000_000_123_999], pa.timestamp("us", "America/New_York"))
    naive = pa.array([1_762_000_000_123], pa.timestamp("ms"))
    stored = columns_of(
        event(), timestamp=zoned, properties=pa.StructArray.from_arrays([naive], names=["at"])
    )
    body = json.loads(one(stored))
    assert body["timestamp"] == "2025-11-01T12:26:40.123Z"
    assert body["properties"] == {"at": "2025-11-01T12:26:40.123Z"}


@pytest.mark.parametrize("field", ["messageId", "timestamp"])
def test_nan_is_missing_where_a_field_is_required(field):
    """Data frames mark what is missing with NaN; no id or time is made of it."""
    nothing = float("nan")
    expected = MISSING.format({"messageId": "transaction_id"}.get(field, field))
    assert one([event(**{field: nothing})]) == expected
    assert one(columns_of(event(), **{field: pa.array([nothing])})) == expected


def test_a_lone_surrogate_is_escaped():
    """In an id and in a property; the rest of the batch is not affected."""
    body = one([event(messageId="m\ud800", properties={"p": "\udfff"}), event()])
    assert '"transaction_id":"m\\ud800"' in body
    assert '{"p":"\\udfff"}' in body


def test_flat_warehouse_columns():
    """Reserved and context columns are no properties; an event table holds track events only."""
    table = pa.table(
        {
            "id": ["m"], "event": ["e_name"], "event_text": ["e"], "received_at": ["2026-11-02"], "timestamp": ["2026-11-01"],
            "context_group_id": ["g"], "job_id": [5], "amount": [1.5], "nothing": pa.array([None], pa.string()),
        }
    )  # fmt: skip
    assert one(table) == HEAD + '{"amount":1.5,"job_id":5}}'
    job = {
        **DEFAULT_MAPPING,
        "properties": {"job": {"@path": "$.properties.jobId"}, "type": {"@path": "$.type"}},
    }
    assert one(table, job) == HEAD + '{"job":5,"type":"track"}}'
