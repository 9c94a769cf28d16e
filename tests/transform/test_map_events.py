"""``map_events``: what it takes, what it returns, and the stages of a rejection."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from etl.core.subscription import DEFAULT_MAPPING, DEFAULT_TRIGGER, Subscription
from etl.transform import map_events

TEXT = pd.ArrowDtype(pa.string())


def event(**changes: Any) -> dict[str, Any]:
    plain = {
        "type": "track", "event": "e", "messageId": "m", "timestamp": "2026-11-01", "context": {"groupId": "g"},
        "properties": {"a": 1},
    }  # fmt: skip
    return {**plain, **changes}


def subscription(
    name: str = "s", trigger: Any = DEFAULT_TRIGGER, mapping: Any = DEFAULT_MAPPING
) -> Subscription:
    return Subscription(name, trigger, mapping)


def rows(frame: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return [
        tuple(None if cell is pd.NA else cell for cell in row)
        for row in frame[list(names)].itertuples(index=False)
    ]


def test_a_row_per_event_and_subscription():
    """Ordered by event, then subscription; null where a column does not apply."""
    both = [subscription("one"), subscription("two", 'event = "f"')]
    frame = map_events([event(), event(event="f"), event(messageId=None)], both)
    assert list(frame.columns) == ["row", "subscription", "outcome", "body", "stage", "reason"]
    assert list(frame.dtypes) == [pd.ArrowDtype(pa.int64()), TEXT, TEXT, TEXT, TEXT, TEXT]
    missing = "The root value is missing the required field 'transaction_id'."
    assert rows(frame, "row", "subscription", "outcome", "stage", "reason") == [
        (0, "one", "mapped", None, None),
        (0, "two", "filtered", None, None),
        (1, "one", "mapped", None, None),
        (1, "two", "mapped", None, None),
        (2, "one", "rejected", "schema", missing),
        (2, "two", "filtered", None, None),
    ]
    assert [body is not None for (body,) in rows(frame, "body")] == [True, False, True, True, False, False]


def test_a_body_is_canonical_json():
    """Fields in their order, keys of properties sorted, compact, non-ASCII raw."""
    (body,) = map_events([event(properties={"é": "ü", "a": [1, {"c": 1, "b": 2}]})], subscription())["body"]
    assert body == (
        '{"transaction_id":"m","customer_id":"g","timestamp":"2026-11-01T00:00:00.000Z","event_type":"e",'
        '"properties":{"a":[1,{"b":2,"c":1}],"é":"ü"}}'
    )


@pytest.mark.parametrize("trigger", [None, "", 5, {"a": 1}, "nonsense", 'type = "track'])
def test_a_wrong_trigger_rejects_every_event(trigger):
    """At stage subscription, whatever is wrong with it."""
    frame = map_events([event(), event()], subscription(trigger=trigger))
    assert rows(frame, "outcome", "stage") == [("rejected", "subscription")] * 2
    assert all(reason.startswith("Invalid subscription : ") for reason in frame["reason"])


@pytest.mark.parametrize(
    ("mapping", "stage", "reason"),
    [
        (None, "schema", "The root value is missing the required field 'transaction_id'."),
        ({}, "schema", "The root value is missing the required field 'transaction_id'."),
        ("text", "schema", "The root value is missing the required field 'transaction_id'."),
        ([], "schema", "The root value is missing the required field 'transaction_id'."),
        (5, "schema", "The root value is missing the required field 'transaction_id'."),
        ({"@path": "$.event"}, "schema", "The root value must be an object but it was a string."),
        ({"@path": "$.nothing"}, "schema", "The root value must be an object but it was undefined."),
        ({"@nope": 1}, "mapping", "/ has an invalid directive: @nope."),
        (
            {**DEFAULT_MAPPING, "more": [{"@nope": 1}]},
            "mapping",
            "@nope is not a valid directive, got undefined",
        ),
        (
            {**DEFAULT_MAPPING, "more": {"@path": 5}, "also": {"@case": {"operator": 1}}},
            "mapping",
            (
                "/more/@path should be a string or a mapping directive but it is a number. | "
                "/also/@case/operator should be a string but it is a number."
            ),
        ),
    ],
)
def test_any_json_is_a_mapping(mapping, stage, reason):
    """Nothing raises; Segment's words say what is wrong."""
    frame = map_events([event()], subscription(mapping=mapping))
    ((outcome, found_stage, found),) = rows(frame, "outcome", "stage", "reason")
    assert (outcome, found_stage) == ("rejected", stage)
    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("changes", "stage"),
    [
        ({"timestamp": 8.64e15 + 1000}, "serialize"),
        ({"timestamp": "not a date"}, "schema"),
        ({"context": {"groupId": "g", "personas": None}}, "execute"),
    ],
)
def test_stages_after_the_mapping(changes, stage):
    """schema before execute before serialize."""
    assert rows(map_events([event(**changes)], subscription()), "outcome", "stage") == [("rejected", stage)]
    worse = event(**changes, event=None)
    assert rows(map_events([worse], subscription()), "stage") == [("schema",)]


@pytest.mark.parametrize(
    "context", ["null", '{"groupId":"g","personas":null}', '{"groupId":"g", "personas" : null}']
)
def test_segments_audience_code_fails_on_null_in_json_text(context):
    """The same TypeError for JSON text columns; a typed null is absent and does no harm."""
    by_user = {**DEFAULT_MAPPING, "customer_id": {"@path": "$.event"}}
    table = pa.table({**{k: [v] for k, v in event().items()}, "context": pa.array([context], pa.json_())})
    assert rows(map_events(table, subscription(mapping=by_user)), "stage") == [("execute",)]
    typed = pa.table(
        {
            **{k: [v] for k, v in event().items()},
            "context": pa.array([None], pa.struct([("groupId", pa.string())])),
        }
    )
    assert rows(map_events(typed, subscription(mapping=by_user)), "outcome") == [("mapped",)]


def test_limits_ages_and_the_integrations_object_belong_to_the_run():
    """An empty id in a list, a year 0, an opted-out event: all are mapped."""
    odd = event(messageId=[""], timestamp="0001-01-01", integrations={"All": False})
    assert rows(map_events([odd], subscription()), "outcome") == [("mapped",)]


def test_nothing_in_nothing_out():
    """No events, or no subscriptions: an empty frame with its columns."""
    for frame in (
        map_events([], subscription()),
        map_events([event()], []),
        map_events(pa.table({"type": pa.array([], pa.string())}), subscription()),
    ):
        assert len(frame) == 0
        assert list(frame.columns) == ["row", "subscription", "outcome", "body", "stage", "reason"]


def test_frames_and_tables_are_taken_as_they_are():
    """A pandas frame with missing values, dicts, decimals and timestamps; a table of string-typed JSON."""
    frame = pd.DataFrame(
        {
            "type": ["track", "track"], "event": ["e", None], "messageId": [1, 2],
            "timestamp": pd.to_datetime(["2026-11-01", "2026-11-02"]), "context": [{"groupId": "g"}, {"groupId": None}],
            "properties": [{"a": None, "d": Decimal("1.10"), "n": float("nan")}, {"a": [1]}],
        }
    )  # fmt: skip
    found = map_events(frame, subscription())
    assert rows(found, "outcome") == [("mapped",), ("rejected",)]
    assert json.loads(found["body"][0])["properties"] == {"a": None, "d": 1.1, "n": None}
    assert found["reason"][1] == (
        "The root value is missing the required field 'customer_id'. The root value is missing the required field 'event_type'."
    )


def test_dynamic_auth_settings_leak_into_the_payload():
    """As in Segment: null too, but not '' and not what is missing."""
    leaking = {**DEFAULT_MAPPING, "dynamicAuthSettings": {"@path": "$.properties.auth"}}
    events = [
        event(properties={"auth": {"b": 1, "a": 2}}),
        event(properties={"auth": None}),
        event(properties={"auth": ""}),
        event(),
    ]
    ends = [
        body[body.index('"properties"') :]
        for body in map_events(events, subscription(mapping=leaking))["body"]
    ]
    assert ends == [
        '"properties":{"auth":{"a":2,"b":1}},"dynamicAuthSettings":{"a":2,"b":1}}',
        '"properties":{"auth":null},"dynamicAuthSettings":null}',
        '"properties":{"auth":""}}',
        '"properties":{"a":1}}',
    ]


def test_numbers_as_text():
    """``numbers: string`` writes every number inside properties as its decimal text, typed or not."""
    as_text = Subscription("s", DEFAULT_TRIGGER, DEFAULT_MAPPING, numbers="string")
    held = {"n": 9007199254740993, "f": 1.50, "b": True, "s": "1", "l": [1, 2.5], "o": {"d": 0.1, "z": None}}
    want = {
        "n": "9007199254740993",
        "f": "1.5",
        "b": True,
        "s": "1",
        "l": ["1", "2.5"],
        "o": {"d": "0.1", "z": None},
    }
    (body,) = map_events([event(properties=held)], as_text)["body"]
    assert json.loads(body)["properties"] == want
    typed = {**held, "l": [1.0, 2.5], "o": {"d": 0.1}}
    (body,) = map_events(pa.table({k: pa.array([v]) for k, v in event(properties=typed).items()}), as_text)[
        "body"
    ]
    assert json.loads(body)["properties"] == {**want, "o": {"d": "0.1"}}


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("depth", [600, 5000])
def test_an_event_nested_too_deeply_is_rejected_alone(depth):
    """Whatever its encoding; its neighbours are mapped."""
    frame = map_events([event(), event(properties=nested(depth)), event()], subscription())
    assert rows(frame, "outcome", "stage") == [("mapped", None), ("rejected", "mapping"), ("mapped", None)]
    text = '{"a":' * depth + "1" + "}" * depth
    held = {k: pa.array([v] * 2) for k, v in event().items()} | {
        "properties": pa.array([text, "{}"], pa.json_())
    }
    assert rows(map_events(pa.table(held), subscription()), "outcome") == [("rejected",), ("mapped",)]


@pytest.mark.parametrize(
    "value",
    [
        nested(5000),
        {"@template": "{" * 100_000},
        {"@template": "{{{a" * 25_000},
        {"@path": "a." * 50_000},
        {str(i): {"@path": "$.properties.a"} for i in range(4000)},
        [{"@path": "$.properties.a"}] * 4000,
    ],
    ids=["deep", "braces", "open triples", "long path", "wide object", "long array"],
)
def test_a_mapping_of_100_kb_is_handled_or_refused(value):
    """No hang, no crash: mapped, or rejected with a reason."""
    ((outcome, stage, reason),) = rows(
        map_events([event()], subscription(mapping={**DEFAULT_MAPPING, "properties": {"v": value}})),
        "outcome",
        "stage",
        "reason",
    )
    assert outcome == "mapped" or (
        stage == "mapping" and reason == "the mapping is nested more than 100 levels deep"
    )
