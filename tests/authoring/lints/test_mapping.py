"""What is said of surprising mappings, in these words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.authoring.lints.support import linted, subscription

MESSAGES: list[tuple[dict[str, Any], str]] = [
    (
        {"customer_id": {"@path": "$.context.groups[*].id"}},
        (
            'customer_id.@path: "$.context.groups[*].id" is no path Segment follows: it knows keys '
            "and list positions only. Write $.key.key or $.key[0]; wildcards, filters, negative "
            "positions and blanks at the ends do not exist. [path-form]"
        ),
    ),
    (
        {"customer_id": {"@path": "$.property.customerId"}},
        (
            'customer_id.@path: "property" is no field of a track event as Segment has it, so the '
            'path finds nothing. Is "properties" meant? [path-unknown-field]'
        ),
    ),
    (
        {"customer_id": "$.userId"},
        (
            'customer_id: "$.userId" is sent as this very text, for every event. Write {"@path": '
            '"$.userId"} to read it from the event. [raw-path]'
        ),
    ),
    (
        {"event_type": "{{event}}_v2"},
        (
            'event_type: "{{event}}_v2" is sent as this very text, for every event. Write '
            '{"@template": "{{event}}_v2"} to fill it in. [raw-template]'
        ),
    ),
    (
        {"event_type": {"@template": "{{$.event}}_v2"}},
        (
            'event_type.@template: in a template "$." is not taken off: what it names is never '
            "found, and nothing is filled in. Write {{properties.key}} without $. "
            "[template-dollar]"
        ),
    ),
    (
        {"event_type": {"@template": "{{event | downcase}}"}},
        (
            "event_type.@template: templates know no sections, helpers or filters: each {{…}} is "
            "only looked up, and this one finds nothing. Use @if, @case or @liquid. "
            "[template-logic]"
        ),
    ),
    (
        {"event_type": {"@liquid": "{{ $.event }}"}},
        (
            "event_type.@liquid: the template fails on an empty event (invalid value "
            'expression: "$.event", line:1, col:4), and events '
            "it fails on are rejected. Mind Segment's disabled tags and filters, write {{ "
            "properties.key }} without $., and give defaults. [liquid-fails]"
        ),
    ),
    (
        {
            "customer_id": {
                "@if": {
                    "blank": {"@path": "$.userId"},
                    "then": {"@path": "$.anonymousId"},
                    "else": {"@path": "$.userId"},
                }
            }
        },
        (
            'customer_id.@if: "blank" is inverted in Segment: "then" is taken when the value is '
            'not blank. Swap "then" and "else" if the opposite is meant, or use "exists". '
            "[if-blank]"
        ),
    ),
    (
        {
            "properties": {
                "units": {
                    "@if": {
                        "exists": {"@path": "$.properties.units"},
                        "then": {"@path": "$.properties.units"},
                        "else": 0,
                    }
                }
            }
        },
        (
            'properties.units.@if: an "else" of null, 0, false or "" is ignored: the value is '
            'missing then. Take it out, or write {"@literal": …} around it. [if-else-ignored]'
        ),
    ),
    (
        {
            "customer_id": {
                "@if": {
                    "exists": {"@template": "{{userId}}"},
                    "then": {"@path": "$.userId"},
                    "else": {"@path": "$.anonymousId"},
                }
            }
        },
        (
            'customer_id.@if: a template always exists, be it empty: "else" is never taken. Test '
            'the path itself: {"@path": …}. [if-exists-template]'
        ),
    ),
    (
        {"event_type": {"@case": {"operator": "Lower", "value": {"@path": "$.event"}}}},
        (
            'event_type.@case: the operator "Lower" fails for every text: Segment knows "lower" '
            'and "upper" exactly. Write "lower" or "upper". [case-operator]'
        ),
    ),
    (
        {"properties": {"raw": {"@json": {"mode": "Encode", "value": {"@path": "$.properties"}}}}},
        (
            'properties.raw.@json: the mode "Encode" is accepted and yields nothing: Segment runs '
            '"encode" only. Write "encode". [json-mode-case]'
        ),
    ),
    (
        {
            "properties": {
                "@merge": {"direction": "LEFT", "objects": [{"source": "segment"}, {"@path": "$.properties"}]}
            }
        },
        (
            'properties.@merge: the direction "LEFT" is accepted and means "right": later objects '
            'win. Write "left". [merge-direction]'
        ),
    ),
    (
        {
            "properties": {
                "price": {
                    "@replace": {
                        "pattern": "USD",
                        "replacement": "$&",
                        "value": {"@path": "$.properties.price"},
                    }
                }
            }
        },
        (
            "properties.price.@replace: $$, $&, $` and $' in a replacement stand for parts of the "
            "text, as in JavaScript. Write $$ for a dollar sign. [replace-dollar]"
        ),
    ),
    (
        {
            "customer_id": {
                "@replace": {"pattern": "^user-", "replacement": "", "value": {"@path": "$.userId"}}
            }
        },
        (
            "customer_id.@replace: the pattern looks like a regular expression, and Segment "
            "searches for it as plain text. Use @liquid for more than plain text. "
            "[replace-literal]"
        ),
    ),
    (
        {"properties": {"ids": [{"@pth": "$.userId"}]}},
        (
            "properties.ids[0].@pth: @pth is no directive; inside a list Segment notices only when "
            "an event gets there, and fails. Write the directive that was meant. [array-directive]"
        ),
    ),
    (
        {"region": {"@path": "$.properties.region"}},
        (
            "region: region is no field of a usage event and is dropped. Move it into properties. "
            "[field-dropped]"
        ),
    ),
    (
        {"dynamicAuthSettings": {"@path": "$.context"}},
        (
            "dynamicAuthSettings: dynamicAuthSettings is no field of a usage event, and the one "
            "that Segment sends all the same. Take it out. [field-leaks]"
        ),
    ),
    (
        {"event_type": ""},
        (
            "event_type: event_type is always empty, so every event is rejected. Give it a value "
            "or a path. [field-empty]"
        ),
    ),
    (
        {"properties": "none"},
        (
            'properties: properties must be an object, so every event is rejected. Write {"@path": '
            '"$.properties"}, or an object of properties. [field-invalid]'
        ),
    ),
    (
        {"transaction_id": "usage"},
        (
            "transaction_id: transaction_id is the same for every event, so Metronome keeps only "
            'the first. Make it from the event, as in {"@path": "$.messageId"}. '
            "[transaction-id-constant]"
        ),
    ),
    (
        {"timestamp": {"@path": "$.receivedAt"}},
        (
            "timestamp: timestamp is taken from receivedAt, which a redelivery of the event "
            'changes: it can move to another invoice. Use {"@path": "$.timestamp"} or '
            "$.originalTimestamp. [timestamp-delivery]"
        ),
    ),
    (
        {"timestamp": "2026-11-01T00:00:00Z"},
        (
            "timestamp: timestamp is the same for every event. Read it from the event, as in "
            '{"@path": "$.timestamp"}. [timestamp-constant]'
        ),
    ),
    (
        {"properties": {"@merge": {"objects": [{"@path": "$.properties"}]}}},
        (
            'properties.@merge: without a direction @merge fails for every event. Add "direction": '
            '"right" (later objects win) or "left" (earlier ones win). [merge-direction]'
        ),
    ),
    (
        {"properties": {"@merge": {"direction": "Right", "objects": [{"@path": "$.properties"}]}}},
        (
            'properties.@merge: the direction "Right" is accepted and means "right": it works by '
            'accident. Write "right". [merge-direction]'
        ),
    ),
    (
        {"timestamp": 1709618828},
        (
            "timestamp: timestamp is the same for every event, and as a number it means "
            'milliseconds. Read it from the event, as in {"@path": "$.timestamp"}. '
            "[timestamp-constant]"
        ),
    ),
    (
        {"customer_id": None},
        (
            "customer_id: customer_id is always empty, so every event is rejected. Give it a value "
            "or a path. [field-empty]"
        ),
    ),
    (
        {"customer_id": {"@path": " $.userId"}},
        (
            'customer_id.@path: " $.userId" is no path Segment follows: it knows keys and list '
            "positions only. Write $.key.key or $.key[0]; wildcards, filters, negative positions "
            "and blanks at the ends do not exist. [path-form]"
        ),
    ),
    (
        {"customer_id": {"@path": "$userId"}},
        (
            'customer_id.@path: "$userId" is no path Segment follows: it knows keys and list '
            "positions only. Write $.key.key or $.key[0]; wildcards, filters, negative positions "
            "and blanks at the ends do not exist. [path-form]"
        ),
    ),
    (
        {"event_type": {"@template": "{{#if event}}x{{/if}}"}},
        (
            "event_type.@template: templates know no sections, helpers or filters: each {{…}} is "
            "only looked up, and this one finds nothing. Use @if, @case or @liquid. "
            "[template-logic]"
        ),
    ),
    (
        {
            "timestamp": {
                "@if": {
                    "exists": {"@path": "$.properties.at"},
                    "then": {"@path": "$.properties.at"},
                    "else": {"@path": "$.sentAt"},
                }
            }
        },
        (
            "timestamp: timestamp is taken from sentAt, which a redelivery of the event changes: "
            'it can move to another invoice. Use {"@path": "$.timestamp"} or $.originalTimestamp. '
            "[timestamp-delivery]"
        ),
    ),
]


@pytest.mark.parametrize(("fields", "message"), MESSAGES, ids=range(len(MESSAGES)))
def test_surprise(fields: dict[str, Any], message: str) -> None:
    """Where in the mapping, what happens, what to write instead, and the code."""
    where = "c.yml:5: subscriptions[0].mapping."
    assert [str(lint) for lint in linted(subscription(fields=fields))] == [where + message]


@pytest.mark.parametrize(
    "fields",
    [
        {"transaction_id": {"@template": "{{messageId}}-{{ event }}"}},
        {"customer_id": {"@path": "$.properties['account id']"}},
        {"customer_id": {"@path": {"@literal": "$.userId"}}},
        {"event_type": "gpu_job"},
        {"event_type": {"@literal": "gpu_job"}},
        {"properties": {"a": {"@literal": {"b": 0}}, "c": [1, None, "x"], "": "", "n": 12345678901234567890}},
        {"properties": {"@flatten": {"separator": ".", "value": {"@path": "$.properties"}}}},
        {"properties": {"x": {"@arrayPath": ["$.properties.items", {"id": {"@path": "$.sku"}}]}}},
        {"properties": {"@excludeWhenNull": {"a": {"@path": "$.properties.a"}}}},
        {
            "properties": {
                "x": {"@replace": {"pattern": "$.", "replacement": "-", "value": {"@path": "$.event"}}}
            }
        },
        {"timestamp": {"@path": "$.originalTimestamp"}},
        {"timestamp": {"@liquid": "{{ properties.at | default: timestamp }}"}},
        {"properties": {"x": {"@if": {"exists": {"@path": "$.userId"}, "then": "yes", "else": "no"}}}},
    ],
)
def test_no_surprise(fields: dict[str, Any]) -> None:
    """What means what it says is left alone."""
    assert linted(subscription(fields=fields)) == []
