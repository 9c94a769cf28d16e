"""One batch of events in every shape they may come in; and typed events, of which there is only one shape."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tests import reference
from tests.properties.generate import Grammar, Words, as_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_ROOTS = ("type", "event", "messageId", "userId", "name", "timestamp", "context", "properties", "traits")
_OBJECTS = ("context", "properties", "traits")


def dicts(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As ``json.loads`` would give them, digits kept."""
    return [reference.parse_json(as_json(event)) for event in events]


def whole_json(events: list[dict[str, Any]]) -> pa.Table:
    """One column of whole events as JSON text."""
    return pa.table({"$": _json_array([as_json(event) for event in events])})


def json_columns(events: list[dict[str, Any]]) -> pa.Table:
    """A column per root field: JSON text, typed as such."""
    return pa.table({root: _json_array(_texts(events, root)) for root in _ROOTS})


def plain_text_columns(events: list[dict[str, Any]]) -> pa.Table:
    """The same, but objects are JSON text in plain string columns, and strings are strings where all are."""
    return pa.table({root: _text_array(events, root) for root in _ROOTS})


def _texts(events: list[dict[str, Any]], root: str) -> list[str | None]:
    return [as_json(event[root]) if root in event else None for event in events]


def _json_array(texts: list[str | None]) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.json_(), pa.array(texts, pa.string()))


def _text_array(events: list[dict[str, Any]], root: str) -> pa.Array:
    if root in _OBJECTS:
        return pa.array(_texts(events, root), pa.string())
    values = [event[root] for event in events if root in event]
    if all(isinstance(value, str) and value.isprintable() for value in values):
        return pa.array([event.get(root) for event in events], pa.string())
    return _json_array(_texts(events, root))


#: Encodings of any events, by name.
UNTYPED: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "dicts": dicts,
    "json columns": json_columns,
    "plain text columns": plain_text_columns,
    "whole events": whole_json,
}

_PROPERTIES = pa.struct(
    {
        "n": pa.int64(),
        "s": pa.string(),
        "f": pa.float64(),
        "b": pa.bool_(),
        "e": pa.string(),
        "amount": pa.decimal128(30, 6),
        "plan": pa.string(),
        "under_score": pa.int32(),
        "long": pa.uint64(),
        "arr": pa.list_(pa.string()),
        "objs": pa.list_(pa.struct({"n": pa.int64(), "s": pa.string()})),
        "o": pa.struct({"k": pa.string(), "n": pa.struct({"s": pa.float64()})}),
    }
)
STRUCTS = pa.schema(
    {
        "type": pa.string(),
        "event": pa.string(),
        "messageId": pa.string(),
        "userId": pa.string(),
        "timestamp": pa.string(),
        "context": pa.struct(
            {"groupId": pa.string(), "library": pa.struct({"name": pa.string(), "version": pa.string()})}
        ),
        "properties": _PROPERTIES,
        "traits": pa.struct({"plan": pa.string(), "n": pa.float64()}),
    }
)

#: Warehouse column → where Segment had it. Names that snake-casing keeps.
_FLAT_ROOTS = {"id": "messageId", "event_text": "event", "user_id": "userId", "timestamp": "timestamp"}
_FLAT_PROPERTIES = ("n", "s", "f", "b", "e", "amount", "plan", "under_score", "long")
FLAT = pa.schema(
    [pa.field(name, pa.string()) for name in (*_FLAT_ROOTS, "event", "context_group_id")]
    + [_PROPERTIES.field(name) for name in _FLAT_PROPERTIES]
)
_FLAT_PATHS = (
    "$.messageId", "$.event", "$.userId", "$.timestamp", "$.context.groupId", "$.properties", "$.type",
    *(f"$.properties.{name}" for name in _FLAT_PROPERTIES), "$.properties.missing", "$.anonymousId",
    "$.properties['n']", "properties.s", "$.properties..plan.",
)  # fmt: skip
FLAT_WORDS = Words(
    fields=("type", "event", "userId", "context.groupId", *(f"properties.{name}" for name in _FLAT_PROPERTIES)),
    paths=_FLAT_PATHS,
    templates=(
        "{{event}}", "{{messageId}}-{{event}}", "x{{properties.n}}y", "{{{properties.s}}}", "{{properties.f}}",
        "{{properties.amount}}", "{{properties.long}}", "{{properties.b}}{{properties.missing}}", "{{properties}}",
    ),
    liquid=("{{ event }}", "{{ properties.s }}", "{{ properties.n }}", "{{ properties.s | upcase }}", "plain"),
)  # fmt: skip


def typed_value(random: Random, held: pa.DataType) -> Any:
    """A value of an Arrow type, or None, which means absent."""
    if random.randrange(6) == 0:
        return None
    if pa.types.is_struct(held):
        return {field.name: typed_value(random, field.type) for field in held}
    if pa.types.is_list(held):
        return [typed_value(random, held.value_type) for _ in range(random.randrange(4))]
    return _typed_scalar(random, held)


def _typed_scalar(random: Random, held: pa.DataType) -> Any:
    if pa.types.is_boolean(held):
        return random.randrange(2) == 0
    if pa.types.is_float64(held):
        return random.choice(
            [0.0, -0.0, 5.0, 2.5, 0.1, 1e21, 1e-7, -3.75, 123456789.123, round(random.uniform(-9, 9), 3)]
        )
    if pa.types.is_decimal(held):
        return Decimal(random.randrange(-(10 ** random.randrange(1, 24)), 10**9)).scaleb(-6)
    if pa.types.is_integer(held):
        limit = {"int32": 2**31, "int64": 2**63, "uint64": 2**64}[str(held)]
        return random.choice([0, 5, 7, random.randrange(limit), limit - 1])
    return random.choice(
        ["", "abc", "hello world", "Größe", "😀", "5", "track", "eu", "a\nb", '"q"', "acct_1", "ÉA"]
    )


def struct_rows(random: Random, count: int) -> list[dict[str, Any]]:
    """Typed events in the nested layout, as Arrow takes them."""
    grammar = Grammar(random)
    rows = []
    for _ in range(count):
        row = {field.name: typed_value(random, field.type) for field in STRUCTS}
        sound = {
            "type": random.choice(["track"] * 9 + ["page"]),
            "messageId": f"m-{random.randrange(10**6)}",
            "timestamp": grammar.timestamp(),
        }
        rows.append(row | {key: value for key, value in sound.items() if random.randrange(20)})
    return rows


def flat_rows(random: Random, count: int) -> list[dict[str, Any]]:
    """Typed events in the warehouse layout."""
    grammar = Grammar(random)
    rows = []
    for _ in range(count):
        row = {field.name: typed_value(random, field.type) for field in FLAT}
        sound = {
            "id": f"m-{random.randrange(10**6)}",
            "timestamp": grammar.timestamp(),
            "context_group_id": random.choice(["acct_1", "acct_2"]),
            "event_text": random.choice(["api_call", "Order Completed"]),
        }
        rows.append(row | {key: value for key, value in sound.items() if random.randrange(20)})
    return rows


def as_event(row: dict[str, Any]) -> dict[str, Any]:
    """The event a typed row stands for: a null member is absent, a null item of an array is null."""
    return {key: _present(value) for key, value in row.items() if value is not None}


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return as_event(value)
    return [_present(item) for item in value] if isinstance(value, list) else value


def from_flat(row: dict[str, Any]) -> dict[str, Any]:
    """The event a warehouse row stands for."""
    roots = {name: row[column] for column, name in _FLAT_ROOTS.items()}
    context = {"groupId": row["context_group_id"]}
    properties = {name: row[name] for name in _FLAT_PROPERTIES}
    return as_event({"type": "track", **roots, "context": context, "properties": properties})
