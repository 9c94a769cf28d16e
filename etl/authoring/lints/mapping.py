"""Surprises in mappings: what the five fields will hold, where that is hardly what their author meant.

Source of the rules: Segment's documentation of mappings and of its Metronome destination, and Metronome's API
reference on usage events and their ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.authoring.lints.finding import Finding
from etl.core.subscription import FIELDS
from etl.transform.javascript.values import split_path
from etl.transform.mapping.directive import no_text
from etl.transform.mapping.directives import DIRECTIVES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etl.config.document import KeyPath

#: Times that say when an event was delivered: a redelivery changes them.
_DELIVERY_TIMES = frozenset({"receivedAt", "sentAt", "received_at", "sent_at", "loaded_at", "uuid_ts"})
#: Segment's action drops every other field but this one, which gets into the payload.
_LEAKING_FIELD = "dynamicAuthSettings"


def mapping_findings(mapping: Any) -> Iterator[Finding]:
    """Everything surprising about one mapping; keys are relative to it."""
    for node in walk(mapping):
        yield from _directive(node) if isinstance(node, Node) else _raw(node)
    if not isinstance(mapping, dict) or directive_of(mapping):
        return
    yield from _fields(mapping)
    yield from _transaction_id(mapping.get("transaction_id"))
    yield from _timestamp(mapping.get("timestamp"))


def _directive(node: Node) -> Iterator[Finding]:
    directive = DIRECTIVES.get(node.name)
    if directive is not None:
        for code, message, fix in directive.lint(node.argument):
            yield Finding(code, message, fix, node.key)
    elif any(isinstance(part, int) for part in node.key):
        yield Finding(
            "array-directive",
            f"{node.name} is no directive; inside a list Segment notices only when an event gets there, and fails",
            "Write the directive that was meant.",
            node.key,
        )


def _raw(node: Raw) -> Iterator[Finding]:
    text = node.value
    if isinstance(text, str) and re.match(r"\$\.\w", text):
        yield Finding(
            "raw-path",
            f'"{text}" is sent as this very text, for every event',
            f'Write {{"@path": "{text}"}} to read it from the event.',
            node.key,
        )
    elif isinstance(text, str) and re.search(r"\{\{.+\}\}", text):
        yield Finding(
            "raw-template",
            f'"{text}" is sent as this very text, for every event',
            f'Write {{"@template": "{text}"}} to fill it in.',
            node.key,
        )


def _fields(mapping: dict[str, Any]) -> Iterator[Finding]:
    for name, value in mapping.items():
        if name == _LEAKING_FIELD:
            yield Finding(
                "field-leaks",
                f"{name} is no field of a usage event, and the one that Segment sends all the same",
                "Take it out.",
                (name,),
            )
        elif name not in FIELDS and not name.startswith("_"):
            yield Finding(
                "field-dropped",
                f"{name} is no field of a usage event and is dropped",
                "Move it into properties.",
                (name,),
            )
        elif value is None or value == "":
            yield Finding(
                "field-empty",
                f"{name} is always empty, so every event is rejected",
                "Give it a value or a path.",
                (name,),
            )
        elif name == "properties" and not isinstance(value, dict):
            yield Finding(
                "field-invalid",
                "properties must be an object, so every event is rejected",
                'Write {"@path": "$.properties"}, or an object of properties.',
                (name,),
            )


def _transaction_id(value: Any) -> Iterator[Finding]:
    if value not in (None, "") and not reads(value):
        yield Finding(
            "transaction-id-constant",
            "transaction_id is the same for every event, so Metronome keeps only the first",
            'Make it from the event, as in {"@path": "$.messageId"}.',
            ("transaction_id",),
        )


def _timestamp(value: Any) -> Iterator[Finding]:
    times = {first for path in reads(value) for first in split_path(path)[:1]} & _DELIVERY_TIMES
    for name in sorted(times):
        yield Finding(
            "timestamp-delivery",
            f"timestamp is taken from {name}, which a redelivery of the event changes: it can move to another invoice",
            'Use {"@path": "$.timestamp"} or $.originalTimestamp.',
            ("timestamp",),
        )
    if value not in (None, "") and not reads(value):
        yield Finding(
            "timestamp-constant",
            "timestamp is the same for every event" + _epoch(value),
            'Read it from the event, as in {"@path": "$.timestamp"}.',
            ("timestamp",),
        )


def _epoch(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return ", and as a number it means milliseconds" if number else ""


# -------------------------------------------------------------------------------------- a mapping as a tree


@dataclass(frozen=True)
class Node:
    """``{"@name": argument}``; ``key`` leads to it, its own name included."""

    name: str
    argument: Any
    key: KeyPath


@dataclass(frozen=True)
class Raw:
    """A value that is sent as it stands."""

    value: Any
    key: KeyPath


def directive_of(value: Any) -> tuple[str, Any] | None:
    """Name and argument where ``value`` is a directive: an object with a key that begins with ``@``."""
    if not isinstance(value, dict):
        return None
    return next(((key, argument) for key, argument in value.items() if key.startswith("@")), None)


def walk(value: Any, key: KeyPath = ()) -> Iterator[Node | Raw]:
    """Every directive and every raw scalar in ``value``, outermost first."""
    if directive := directive_of(value):
        name, argument = directive
        yield Node(name, argument, (*key, name))
        known = DIRECTIVES.get(name)
        inside = walk(known.values(argument) if known else no_text(argument), (*key, name))
        yield from inside if known is None or known.sends else _nodes(inside)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from walk(item, (*key, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from walk(item, (*key, number))
    else:
        yield Raw(value, key)


def _nodes(walked: Iterable[Node | Raw]) -> Iterator[Node]:
    return (node for node in walked if isinstance(node, Node))


def reads(value: Any) -> list[str]:
    """The paths of the event that ``value`` reads, without ``$.``; ``""`` stands for one that is computed."""
    nodes = [node for node in _nodes(walk(value)) if node.name in DIRECTIVES]
    return [path for node in nodes for path in DIRECTIVES[node.name].reads(node.argument)]
