"""Surprises that only values show: what triggers and mappings make of a sample of the source's track events."""

from __future__ import annotations

import re
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.authoring.lints.finding import Finding
from etl.authoring.lints.mapping import Node, reads, walk
from etl.core.subscription import DEFAULT_MAPPING
from etl.transform import columns
from etl.transform.javascript.values import UNDEFINED, split_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from etl.authoring.lints.pairs import Numbered
    from etl.core.layouts import Path
    from etl.transform.columns.tracks import Roots

#: From this share of the matching events on, a missing customer_id is worth a word.
OFTEN = 0.05
#: The largest whole number that JavaScript, and so Segment, holds exactly.
LARGEST_EXACT = 2**53
#: As milliseconds this is March 1973; as seconds, the year 5138. Below it, a number is in seconds.
_EARLIEST_MILLISECONDS = 10**11
#: What the columns begin with that dlt, Airbyte, Fivetran, Singer (Stitch, Meltano) and Hudi add to a table.
LOADERS = ("_dlt_", "_airbyte_", "_fivetran_", "_sdc_", "_hoodie_")
#: So many objects are looked into for a name like one that is not there.
_LOOKED_AT = 100


def sample_findings(numbered: Numbered, sample: Sequence[Roots]) -> Iterator[Finding]:
    """What the events that match the trigger show; ``sample``: parts, each of one file or table."""
    mapping = numbered.subscription.mapping
    masks = [numbered.trigger.matches(part)[0] for part in sample]
    if not any(mask.any() for mask in masks):
        yield from _nothing_matches(sample)
        return
    if not isinstance(mapping, dict):
        return
    events = [part.take(np.flatnonzero(mask)) for part, mask in zip(sample, masks, strict=True) if mask.any()]
    empty = list(_customer_id(mapping.get("customer_id"), events))
    found = [
        *empty,
        *_transaction_id(mapping.get("transaction_id"), events),
        *_timestamp(mapping.get("timestamp"), events),
        *_empty_paths(mapping, events, {"customer_id"} if empty else set()),
        *_loader_columns(mapping.get("properties"), events),
    ]
    yield from (Finding(one.code, one.message, one.fix, ("mapping", *one.key)) for one in found)


def _nothing_matches(sample: Sequence[Roots]) -> Iterator[Finding]:
    tracks = sum(1 for part in sample for cell in columns.cells(part.column(("type",))) if cell == "track")
    if tracks:
        yield Finding(
            "trigger-matches-nothing",
            f"none of the {tracks:,} sampled track events matches",
            "Compare it with the values that etl fields shows; names and values are compared case by case.",
            ("trigger",),
        )


def _cells(expression: Any, events: Sequence[Roots]) -> dict[str, list[Any]]:
    """For each path the expression reads, what the events hold there."""
    paths = {path: split_path(path) for path in reads(expression)}
    return {path: _held(keys, events) for path, keys in paths.items() if keys}


def _held(path: Path, events: Sequence[Roots]) -> list[Any]:
    return [cell for part in events for cell in columns.cells(part.column(path))]


def _customer_id(expression: Any, events: Sequence[Roots]) -> Iterator[Finding]:
    cells = _cells(expression, events)
    whole = sum(map(len, events))
    empty = sum(all(map(_is_empty, row)) for row in zip(*cells.values(), strict=True))
    if empty >= max(1, OFTEN * whole):
        yield Finding(
            "customer-id-empty",
            f"customer_id is empty in {empty} of {whole} sampled events that match: they would be rejected",
            'Fall back on another field with {"@if": {"exists": …, "then": …, "else": …}}, or narrow the trigger.',
            ("customer_id",),
        )


def _is_empty(value: Any) -> bool:
    return value is UNDEFINED or value is None or value == ""


def _empty_paths(mapping: Mapping[str, Any], events: Sequence[Roots], said: set[str]) -> Iterator[Finding]:
    """Paths that hold nothing in any event; those of Segment's default mapping are no typos."""
    written = {
        name: it for name, it in mapping.items() if name not in said and it != DEFAULT_MAPPING.get(name)
    }
    for name, expression in written.items():
        for path in dict.fromkeys(set(reads(expression)) - _tested(expression)):
            keys = split_path(path)
            if keys and all(map(_is_empty, _held(keys, events))):
                yield Finding(
                    "path-empty",
                    f"$.{path} is empty in all {sum(map(len, events)):,} sampled events that match"
                    + _near(keys, events),
                    "etl fields lists the paths that the source has.",
                    (name,),
                )


def _loader_columns(expression: Any, events: Sequence[Roots]) -> Iterator[Finding]:
    """Columns of a loader among the properties, where the mapping takes all of them."""
    if "properties" not in reads(expression):
        return
    keys = {
        key for cell in _held(("properties",), events)[:_LOOKED_AT] if isinstance(cell, dict) for key in cell
    }
    if loaded := sorted(key for key in keys if key.lower().startswith(LOADERS)):
        yield Finding(
            "properties-loader-columns",
            f"$.properties includes {', '.join(loaded[:3])}, which a loader wrote and the event does not have: they "
            "are billed as properties, and a row that is loaded again is drift",
            "Leave them out where the table is made or in source.query, or name the properties one by one.",
            ("properties",),
        )


def _tested(expression: Any) -> set[str]:
    """Paths that ``@if`` asks whether they are there: one that is not is meant."""
    tests = [node.argument for node in walk(expression) if isinstance(node, Node) and node.name == "@if"]
    asked = [test.get(name) for test in tests if isinstance(test, dict) for name in ("exists", "blank")]
    return {path for one in asked for path in reads(one)}


def _near(path: Path, events: Sequence[Roots]) -> str:
    """The key beside the last of ``path`` that is spelt most like it."""
    beside = _held(path[:-1], events)[:_LOOKED_AT] if len(path) > 1 else []
    keys = {key for cell in beside if isinstance(cell, dict) for key in cell}
    folded = {re.sub(r"[\W_]", "", key).lower(): key for key in sorted(keys)}
    near = get_close_matches(re.sub(r"[\W_]", "", path[-1]).lower(), folded, n=1)
    return f'; did you mean "{folded[near[0]]}"?' if near else ""


def _transaction_id(expression: Any, events: Sequence[Roots]) -> Iterator[Finding]:
    yield from _repeated_ids(expression, events)
    for path, cells in _cells(expression, events).items():
        if any(_is_number(cell) and abs(cell) > LARGEST_EXACT for cell in cells):
            yield Finding(
                "transaction-id-number",
                f"transaction_id is made from numbers beyond 2^53 ({path}): as in Segment their last digits are "
                "rounded, so different events can get one id and only the first of them is billed",
                "Use an id that is text, such as messageId.",
                ("transaction_id",),
            )


def _repeated_ids(expression: Any, events: Sequence[Roots]) -> Iterator[Finding]:
    """What an id is made from being the same in different events, so is the id."""
    made_from = list(zip(*_cells(expression, events).values(), strict=True))
    if not made_from:
        return
    messages: dict[str, set[Any]] = {}
    for values, message in zip(made_from, _held(("messageId",), events), strict=True):
        messages.setdefault(repr(values), set()).add(repr(message))
    shared = [len(some) for some in messages.values() if len(some) > 1]
    if shared:
        yield Finding(
            "transaction-id-repeated",
            f"transaction_id is the same in several of the sampled events: {sum(shared):,} different events share "
            f"{len(shared):,} ids, and only the first of each would be billed",
            "Make it from something that every event has for itself, such as messageId.",
            ("transaction_id",),
        )


def _timestamp(expression: Any, events: Sequence[Roots]) -> Iterator[Finding]:
    for path, cells in _cells(expression, events).items():
        if any(_is_number(cell) and abs(cell) < _EARLIEST_MILLISECONDS for cell in cells):
            yield _epoch(
                f"{path} holds epoch seconds, and Segment takes a number for milliseconds: January 1970"
            )
        elif any(isinstance(cell, str) and re.fullmatch(r"\d{8,}", cell, re.ASCII) for cell in cells):
            yield _epoch(
                f"{path} holds digits as text, which Segment reads as a year, month and day, not as an epoch"
            )


def _epoch(message: str) -> Finding:
    return Finding(
        "timestamp-epoch",
        message,
        "Send ISO 8601 times, or epoch milliseconds as a number.",
        ("timestamp",),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
