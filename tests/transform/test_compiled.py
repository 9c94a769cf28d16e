"""``compile_subscription``: what the pipeline uses of a subscription."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from etl.core.subscription import DEFAULT_MAPPING, DEFAULT_TRIGGER, Subscription
from etl.transform import Events, compile_mapping, compile_subscription, event_json

ACCEPTED = ["row", "subscription", "transaction_id", "customer_id", "timestamp", "event_type", "body"]
REJECTED = ["row", "subscription", "stage", "reason", "transaction_id", "customer_id"]


def table(**columns: Any) -> pa.Table:
    rows = 3
    plain = {
        "type": ["track"] * rows, "event": ["a", "b", "c"], "messageId": ["1", None, "3"], "timestamp": ["2026-11-01"] * rows,
        "context": pa.array(['{"groupId":"g"}'] * rows, pa.json_()), "properties": pa.array(['{"n": 1}'] * rows, pa.json_()),
    }  # fmt: skip
    return pa.table({**plain, **columns})


def compiled(trigger: Any = DEFAULT_TRIGGER, mapping: Any = DEFAULT_MAPPING):
    return compile_subscription(Subscription("s", trigger, mapping))


def test_accepted_and_rejected_frames():
    """Positions among the events given, in order, with what is known of the ids."""
    mapped = compiled().map(Events(table(), "segment"))
    assert list(mapped.accepted.columns) == ACCEPTED
    assert list(mapped.rejected.columns) == REJECTED
    assert mapped.accepted["row"].tolist() == [0, 2]
    assert mapped.accepted["transaction_id"].tolist() == ["1", "3"]
    assert mapped.accepted["timestamp"].tolist() == ["2026-11-01T00:00:00.000Z"] * 2
    (rejected,) = mapped.rejected.to_dict("records")
    assert (rejected["row"], rejected["stage"], rejected["customer_id"]) == (1, "schema", "g")
    assert rejected["transaction_id"] is not rejected["customer_id"]


def test_match_then_map_what_matched():
    """Taking the matched events keeps what was parsed; their rows count among them."""
    events = Events(table(), "segment")
    subscription = compiled('properties.n = 1 and event != "b"')
    mask, failed = subscription.match(events)
    assert mask.tolist() == [True, False, True]
    assert len(failed) == 0
    mapped = subscription.map(events.take(np.flatnonzero(mask)))
    assert mapped.accepted["row"].tolist() == [0, 1]
    assert mapped.accepted["event_type"].tolist() == ["a", "c"]


def test_an_invalid_trigger_fails_every_event_and_matches_none():
    """The frame says why; ``problems`` says it too."""
    subscription = compiled("nonsense")
    mask, failed = subscription.match(Events(table(), "segment"))
    assert not mask.any()
    assert failed["stage"].tolist() == ["subscription"] * 3
    assert set(failed["reason"]) == set(subscription.problems)


@pytest.mark.parametrize(
    ("mapping", "paths"),
    [
        ({"a": {"@path": "$.properties.x"}, "b": {"@template": "{{userId}}-{{ context.ip }}"}},
         {("properties", "x"), ("userId",), ("context", "ip")}),
        ({"a": {"@if": {"exists": {"@path": "$.a"}, "then": {"@path": "$.b"}, "else": [{"@path": "$.c[0].d"}]}}},
         {("a",), ("b",), ("c", "0", "d")}),
        ({"a": {"@transform": {"apply": {"x": {"@path": "$.y"}}, "mapping": {"z": {"@path": "$.x"}}}}}, {("y",)}),
        ({"a": {"@arrayPath": ["$.properties.items", {"s": {"@path": "$.sku"}}]}}, {("properties", "items")}),
        ({"a": {"@template": "{{{userId}}}"}}, None),
        ({"a": {"@path": {"@path": "$.x"}}}, None),
        ({"a": {"@liquid": "{{ userId }}"}}, None),
        ({"a": {"@path": "$."}}, None),
    ],
)  # fmt: skip
def test_paths_tell_which_columns_are_needed(mapping, paths):
    """None where the mapping may look anywhere: then the whole event is needed."""
    assert compile_mapping(mapping).paths == paths


def test_paths_of_a_subscription_hold_the_triggers_too():
    """And what Segment's audience code looks at."""
    assert compiled('type = "track" and properties.n > 5', {"a": {"@path": "$.x"}}).paths == {
        ("type",), ("properties", "n"), ("x",), ("context", "personas"),
    }  # fmt: skip


def test_event_json_is_the_source_event():
    """For dead letters: canonical, in the order asked, nulls of JSON kept."""
    events = Events(table(properties=pa.array(['{"b": null, "a": 1.0}'] * 3, pa.json_())), "segment")
    assert event_json(events, [2, 0]) == [
        f'{{"context":{{"groupId":"g"}},"event":"{name}","messageId":"{number}","properties":{{"a":1,"b":null}},'
        f'"timestamp":"2026-11-01","type":"track"}}'
        for name, number in (("c", 3), ("a", 1))
    ]


def test_columns_are_typed_where_all_values_are_alike():
    """JSON values of one type become a typed column; a null keeps them values."""
    events = Events.of([{"a": 1, "b": "x", "c": None}, {"b": "y", "c": 1}])
    assert [str(events.column((name,)).dtype) for name in "abc"] == [
        "int64[pyarrow]",
        "string[pyarrow]",
        "object",
    ]
