"""Generated mappings and templates against what Segment's own packages made of them.

Recorded with Node 20 and TZ=UTC from @segment/actions-core 3.170.0 (with its ajv, dayjs and liquidjs 10.30.1): the
mapping, schema, audience and timestamp steps of the "Metronome (Actions)" destination.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from etl.core.subscription import DEFAULT_MAPPING, DEFAULT_TRIGGER, Subscription
from etl.transform import map_events
from tests.conformance.vectors import as_doubles

RECORDED = Path(__file__).with_name("recorded")


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RECORDED / name).read_text("utf-8").split("\n") if line]


def outcome(event: dict[str, Any], mapping: Any) -> dict[str, Any]:
    return map_events([event], Subscription("s", DEFAULT_TRIGGER, mapping)).iloc[0].to_dict()


def test_generated_mappings_give_what_segment_gave():
    """300 events and mappings of every directive, right and wrong: payload, or stage and reason word for word."""
    differ = []
    for case in lines("mappings.ndjson"):
        got = outcome(case["event"], case["mapping"])
        if "payload" in case:
            same = got["outcome"] == "mapped" and as_doubles(json.loads(got["body"])) == as_doubles(
                case["payload"]
            )
        else:
            same = (got["stage"], got["reason"]) == (case["stage"], case["reason"])
        if not same:
            differ.append((case, got))
    assert differ == []


def test_liquid_templates_give_what_liquidjs_gave():
    """Tags, filters, comparisons and literals on every kind of value."""
    event, *cases = lines("liquid.ndjson")
    working = {case["template"]: case["text"] for case in cases if "text" in case}
    templates = {template: {"@liquid": template} for template in working}
    got = outcome(event["event"], {**DEFAULT_MAPPING, "properties": templates})
    made = json.loads(got["body"])["properties"]
    assert {template: made[template] for template in working if made[template] != working[template]} == {}


def test_liquid_templates_that_liquidjs_refuses():
    """At stage mapping: disabled tags and filters, and what does not parse."""
    event, *cases = lines("liquid.ndjson")
    refused = [case["template"] for case in cases if case.get("fails")]
    mappings = ({**DEFAULT_MAPPING, "properties": {"v": {"@liquid": template}}} for template in refused)
    stages = [outcome(event["event"], mapping)["stage"] for mapping in mappings]
    assert [template for template, stage in zip(refused, stages, strict=True) if stage != "mapping"] == []
