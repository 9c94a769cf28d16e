"""A slow and plain reference of Segment's "Metronome (Actions)" destination: one event at a time.

Written from a description of Segment's semantics and from how Segment's published packages behave, sharing no code with the
package under test; what both agree on is likely right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from tests.reference.directives import transform
from tests.reference.json_text import parse_json
from tests.reference.match import matches
from tests.reference.parser import InvalidSubscriptionError, parse
from tests.reference.schema import SchemaError, validated, without_empty
from tests.reference.timestamps import iso_timestamp
from tests.reference.values import UNDEFINED, Function, JsError, double, is_number, joined, truthy

__all__ = ["Outcome", "outcome", "parse_json"]

Stage = Literal["subscription", "mapping", "schema", "serialize", "execute"]


@dataclass(frozen=True)
class Outcome:
    """What becomes of an event: ``payload`` if mapped, ``stage`` and ``reason`` if rejected."""

    outcome: Literal["mapped", "filtered", "rejected"]
    payload: dict[str, Any] | None = None
    stage: Stage | None = None
    reason: str | None = None


def outcome(event: dict[str, Any], trigger: Any, mapping: Any) -> Outcome:
    """What Segment would do with this event, under this trigger and mapping.

    All three as ``parse_json`` yields them. Numbers in the payload's properties keep all their digits;
    strings made from numbers have those of a double, as Segment's have.
    """
    stage: Stage = "subscription"
    try:
        if not matches(parse(trigger), event):
            return Outcome("filtered")
        stage = "mapping"
        payload = without_empty(transform(mapping if truthy(mapping) else {}, event))
        stage = "schema"
        checked = validated(payload)
        stage = "execute"
        _audience(event)
        stage = "serialize"
        return Outcome("mapped", _serialised({**checked, "timestamp": iso_timestamp(checked["timestamp"])}))
    except (InvalidSubscriptionError, SchemaError, JsError) as error:
        return Outcome("rejected", None, stage, str(error))


def _audience(event: dict[str, Any]) -> None:
    """Segment looks for an audience membership here, which a null in its place breaks."""
    context = event.get("context", UNDEFINED)
    if context is None:
        raise JsError("Cannot read properties of null (reading 'personas')")
    if isinstance(context, dict) and context.get("personas", UNDEFINED) is None:
        raise JsError("Cannot read properties of null (reading 'computation_class')")


def _serialised(value: Any) -> Any:
    """What is left of a value once written as JSON, digits apart."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if not isinstance(item, Function)}
        return {joined(key): _serialised(item) for key, item in kept.items()}
    if isinstance(value, list):
        return [_serialised(item) for item in value]
    if value is UNDEFINED or isinstance(value, Function):
        return None
    if isinstance(value, str):
        return joined(value)
    return None if is_number(value) and not math.isfinite(double(value)) else value
