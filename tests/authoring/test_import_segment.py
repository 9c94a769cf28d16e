"""``etl import-segment``: Segment's answer in, a config out that loads and means the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.authoring.import_segment import import_segment
from etl.config import parse_config
from etl.core.errors import ConfigError
from etl.core.subscription import DEFAULT_MAPPING


def one(**changes: Any) -> dict[str, Any]:
    """A subscription as Segment's Public API shows it."""
    return {
        "id": "eoeXaMeAYcB2XvEApJDrQs",
        "name": "Send track events to Metronome",
        "actionId": "uD9jEQ4DxJZzhzVqppM7UD",
        "actionSlug": "sendEvent",
        "destinationId": "fP7qoQw2HTWt9WdMr718gn",
        "modelId": "",
        "enabled": True,
        "trigger": 'type = "track"',
        "settings": DEFAULT_MAPPING,
        **changes,
    }


def answer(*subscriptions: dict[str, Any], **more: Any) -> str:
    return json.dumps({"data": {"subscriptions": list(subscriptions), **more}})


def imported(text: str) -> list[tuple[str, str, Any]]:
    """Name, trigger and mapping of each subscription of the config made."""
    config = parse_config(import_segment(text), "imported.yml", {})
    return [(s.name, s.trigger, s.mapping) for s in config.subscriptions]


def test_a_subscription_arrives_as_it_stands() -> None:
    """Trigger and mapping unchanged, with where they came from."""
    mapping = {
        **DEFAULT_MAPPING,
        "customer_id": {"@if": {"exists": {"@path": "$.userId"}, "then": "a", "else": None}},
    }
    trigger = 'type = "track" and !contains(userId, "@company.com")'
    text = answer(one(trigger=trigger, settings=mapping), pagination={"current": "MA==", "totalEntries": 1})
    assert imported(text) == [("Send track events to Metronome", trigger, mapping)]
    assert 'Segment\'s "eoeXaMeAYcB2XvEApJDrQs", action "sendEvent"' in import_segment(text)


@pytest.mark.parametrize("key", ["settings", "mappings", "mapping"])
def test_the_mapping_may_go_by_several_names(key: str) -> None:
    """What is exported elsewhere calls it ``mappings``."""
    subscription = one()
    subscription[key] = subscription.pop("settings")
    assert imported(answer(subscription))[0][2] == DEFAULT_MAPPING


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: [s],
        lambda s: {"subscriptions": [s]},
        lambda s: {"data": {"subscriptions": [s]}},
        lambda s: {"data": {"data": {"subscriptions": [s]}}},
        lambda s: {"data": {"subscription": s}},
    ],
)
def test_all_of_the_answer_or_a_part_of_it(wrap: Any) -> None:
    """People save what they see."""
    assert len(imported(json.dumps(wrap(one())))) == 1


def test_no_mapping_of_its_own_is_segments_default() -> None:
    """Empty settings."""
    assert imported(answer(one(settings={})))[0][2] == DEFAULT_MAPPING


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"enabled": False}, "# Left out: it is disabled in Segment."),
        ({"trigger": None}, "# Left out: it has no trigger, so Segment sends nothing with it."),
        (
            {"settings": [1]},
            "# Left out: it has a mapping that is no object, so Segment rejects every event.",
        ),
        (
            {"settings": {"event_type": "a", "properties": {}, "timestamp": "b"}},
            "# Left out: it maps no transaction_id, customer_id, so Segment rejects every event.",
        ),
        (
            {"actionSlug": "trackUser", "settings": {"email": "x"}},
            '# Left out: it belongs to another action, "trackUser".',
        ),
    ],
)
def test_what_segment_would_not_send_is_left_out_with_the_reason(changes: dict[str, Any], note: str) -> None:
    """Commented out where it stands, so that it is one edit away."""
    text = answer(one(), one(name="Other", **changes))
    assert [name for name, _, _ in imported(text)] == ["Send track events to Metronome"]
    lines = import_segment(text).splitlines()
    at = lines.index(f"  {note}")
    assert '"Other"' in lines[at + 1]
    assert lines[at + 1].startswith("  #")


def test_another_action_that_maps_the_five_fields_is_taken() -> None:
    """The fields are what makes a usage event."""
    assert len(imported(answer(one(actionSlug="Public API Slug")))) == 1


def test_names_are_made_unique_and_short() -> None:
    """Segment lets two subscriptions share a name; here state is kept under it."""
    long = "x" * 200
    names = [
        name for name, _, _ in imported(answer(one(), one(), one(name=long), one(name=long), one(name=" ")))
    ]
    assert names[:2] == ["Send track events to Metronome", "Send track events to Metronome (2)"]
    assert names[2:4] == ["x" * 128, "x" * 122 + " (2)"]
    assert names[4] == "Subscription 5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{",
            "Segment's answer is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        (
            '{"data": {"destination": {}}}',
            (
                "this is not what Segment answers to GET /destinations/{id}/subscriptions: "
                'it has no "subscriptions" list'
            ),
        ),
        (
            answer(one(), pagination={"current": "MA==", "next": "NTA="}),
            "this is one page of several: ask Segment for all with ?pagination.count=200",
        ),
        (answer(), "none of Segment's subscriptions can be taken over: there are none"),
        (
            answer(one(name="A", enabled=False), one(name="B", trigger="")),
            (
                'none of Segment\'s subscriptions can be taken over: "A" is disabled in Segment; '
                '"B" has no trigger, so Segment sends nothing with it'
            ),
        ),
        (answer(one()).replace('"$.event"', "1e400"), "a mapping holds a number too large for JSON"),
    ],
)
def test_what_cannot_be_imported(text: str, message: str) -> None:
    """Each reason, in these words."""
    with pytest.raises(ConfigError) as caught:
        import_segment(text)
    assert str(caught.value) == message


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(["${HOME}", "$${HOME}", "${a:-b}", "${{x}}", "~", "yes", "2026-11-01", "\u2028"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(trigger=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), value=VALUES)
def test_any_trigger_and_mapping_come_through_unchanged(trigger: str, value: Any) -> None:
    """Whatever characters they hold, and whatever YAML or ``${…}`` would make of them."""
    mapping = {**DEFAULT_MAPPING, "properties": value}
    ((_, found, read),) = imported(answer(one(trigger=trigger, settings=mapping)))
    assert (found, json.dumps(read, sort_keys=True)) == (trigger, json.dumps(mapping, sort_keys=True))
