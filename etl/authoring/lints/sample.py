"""Surprises that only values show: what the paths of a mapping hold in a sample of the source's track events."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.authoring.lints.finding import Finding
from etl.authoring.lints.mapping import reads
from etl.transform import columns
from etl.transform.javascript.values import UNDEFINED, split_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.authoring.lints.pairs import Numbered
    from etl.transform.columns.tracks import Roots

#: From this share of the matching events on, a missing customer_id is worth a word.
OFTEN = 0.05
#: The largest whole number that JavaScript, and so Segment, holds exactly.
LARGEST_EXACT = 2**53
#: As milliseconds this is March 1973; as seconds, the year 5138. Below it, a number is in seconds.
_EARLIEST_MILLISECONDS = 10**11


def sample_findings(one: Numbered, sample: Roots) -> Iterator[Finding]:
    """What the events that match the trigger show; keys are relative to the mapping."""
    mapping = one.subscription.mapping
    mask, _ = one.trigger.matches(sample)
    if not isinstance(mapping, dict) or not mask.any():
        return
    events = sample.take(np.flatnonzero(mask))
    yield from _customer_id(mapping.get("customer_id"), events)
    yield from _transaction_id(mapping.get("transaction_id"), events)
    yield from _timestamp(mapping.get("timestamp"), events)


def _cells(expression: Any, events: Roots) -> dict[str, list[Any]]:
    """For each path the expression reads, what the events hold there."""
    paths = {path: split_path(path) for path in reads(expression)}
    return {path: columns.cells(events.column(keys)) for path, keys in paths.items() if keys}


def _customer_id(expression: Any, events: Roots) -> Iterator[Finding]:
    cells = _cells(expression, events)
    empty = sum(all(map(_is_empty, row)) for row in zip(*cells.values(), strict=True))
    if empty >= max(1, OFTEN * len(events)):
        yield Finding(
            "customer-id-empty",
            f"customer_id is empty in {empty} of {len(events)} sampled events that match: they would be rejected",
            'Fall back on another field with {"@if": {"exists": …, "then": …, "else": …}}, or narrow the trigger.',
            ("customer_id",),
        )


def _is_empty(value: Any) -> bool:
    return value is UNDEFINED or value is None or value == ""


def _transaction_id(expression: Any, events: Roots) -> Iterator[Finding]:
    for path, cells in _cells(expression, events).items():
        if any(_is_number(cell) and abs(cell) > LARGEST_EXACT for cell in cells):
            yield Finding(
                "transaction-id-number",
                f"transaction_id is made from numbers beyond 2^53 ({path}): as in Segment their last digits are "
                "rounded, so different events can get one id and only the first of them is billed",
                "Use an id that is text, such as messageId.",
                ("transaction_id",),
            )


def _timestamp(expression: Any, events: Roots) -> Iterator[Finding]:
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
