"""Limits of ``@liquid``, and where it differs from Segment's on purpose; what it renders is held against recordings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etl.core.subscription import DEFAULT_MAPPING, DEFAULT_TRIGGER, Subscription
from etl.transform import map_events

EVENT = {
    "type": "track", "event": "e", "messageId": "m", "timestamp": "2026-11-01T00:00:00Z", "context": {"groupId": "g"},
    "properties": {"n": 1, "l": ["a", "b"], "long": "x" * 1000},
}  # fmt: skip


def mapped(mapping: dict[str, Any], event: dict[str, Any] = EVENT) -> dict[str, Any]:
    subscription = Subscription("s", DEFAULT_TRIGGER, DEFAULT_MAPPING | mapping)
    return map_events([event], subscription).iloc[0].to_dict()


def rendered(*templates: str) -> list[str]:
    properties = {f"p{number}": {"@liquid": template} for number, template in enumerate(templates)}
    return list(json.loads(mapped({"properties": properties})["body"])["properties"].values())


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("x" * 1001, "liquid template values are limited to 1000 characters"),
        ("😀" * 501, "liquid template values are limited to 1000 characters"),
        ("{{ (1..100000001) }}", "memory alloc limit exceeded, line:1, col:1"),
        ("{{ 0 | date: '%100000001Y' }}", "memory alloc limit exceeded, line:1, col:1"),
        ("{% assign a = properties.long %}" + "{% assign a = a | append: a %}" * 30, "memory alloc limit exceeded"),
        ("{% assign a = '' | split: ',' %}" + "{% assign a = a | push: a %}" * 33, "template render limit exceeded"),
        ("{{ (1..3000000) | sum }}", "template render limit exceeded, line:1, col:1"),
        ("{{properties.long}}" + "{%capture a%}{{a}}{{a}}{{a}}{{properties.long}}{%endcapture%}" * 15, "Invalid string length"),
        ("{{ " + "a[" * 300 + "]" * 300, 'output "{{ a[a['),
    ],
)  # fmt: skip
def test_limits(template: str, reason: str) -> None:
    """Segment's on length and memory; on work and on texts that grow without memory, ours."""
    got = mapped({"properties": {"v": {"@liquid": template}}})
    assert got["stage"] == "mapping"
    assert got["reason"].startswith(reason)


@pytest.mark.parametrize(
    "nested", ["{{ " + "a[" * 331 + "]" * 331 + "}}", "{% " + "liquid " * 140 + "echo '' %}"]
)
def test_as_deep_as_templates_can_be(nested: str) -> None:
    """A thousand characters hold no nesting that Python's stack does not."""
    assert rendered(nested) == [""]


def test_counters_do_not_change_the_event() -> None:
    """Segment's ``increment`` counts on from one field of a mapping to the next; here each template begins anew."""
    assert rendered("{% increment c %}{{ c }}", "{% increment c %}", "[{{ c }}]") == ["01", "0", "[]"]


def test_samples_are_the_first_items() -> None:
    """Segment's are random; an event must be billed the same each time."""
    assert rendered("{{ properties.l | sample }}", "{{ properties.l | sample: 2 }}") == ["a", "ab"]


def test_flatten_goes_through_whole_numbers_first() -> None:
    """JavaScript lists such keys before all others, so that the other key comes last and stays."""
    properties = {"1.b": "last", "1": {"b": "first"}}
    mapping = {"properties": {"@flatten": {"separator": ".", "value": {"@path": "$.properties"}}}}
    got = mapped(mapping, EVENT | {"properties": properties})
    assert json.loads(got["body"])["properties"] == {"1.b": "last"}


def test_the_first_field_that_fails_is_javascripts_first() -> None:
    """A field named like a whole number is resolved before all others."""
    got = mapped({"properties": {"@liquid": "{% a %}"}, "7": {"@liquid": "{% b %}"}})
    assert got["reason"] == 'tag "b" not found, line:1, col:1'
