"""Sums of a chosen number beside the counts: exact, by outcome, in every form that events have it in."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from etl.pipeline.counting import number
from tests.support.workspace import Workspace, ago, track


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, "3"),
        (0.1, "0.1"),
        (Decimal("1.10"), "1.10"),
        ("2.5", "2.5"),
        (2**80, str(2**80)),
        ("1e3", "1000"),
        ("1e999999999999", "0"),
        (True, "0"),
        (float("nan"), "0"),
        ("many", "0"),
        (None, "0"),
        ({}, "0"),
    ],
)
def test_a_number_is_what_json_would_write(value: Any, expected: str) -> None:
    assert number(value) == Decimal(expected)


def used(message_id: str, calls: Any, **changes: Any) -> dict[str, Any]:
    return track(message_id, properties={"calls": calls}, **changes)


EVENTS = [
    *(used(f"m{n}", 0.1) for n in range(3)),
    used("big", 123456789012345678901),
    used("text", "2.5"),
    used("none", "many"),
    used("nobody", 7, context={}),
    used("old", 11, timestamp=ago(days=40)),
    used("poison-1", 13),
]
SENT, MATCHED = "123456789012345678903.8", "123456789012345678934.8"


def test_sums_are_by_outcome_and_exact(workspace: Workspace) -> None:
    """Rejected by the mapping and by Metronome alike; again, they are of pairs that were sent."""
    workspace.standin.configure(poison_prefix="poison")
    workspace.config(report={"quantity": "$.properties.calls"})
    workspace.write(EVENTS)
    dry = workspace.run(dry_run=True).quantities["Usage"]
    assert (dry["matched"], dry["sent"], dry["rejected"]) == (MATCHED, "0", "7")
    first = json.loads(workspace.cli("run", "-c", "etl.yml", "--json").stdout)["quantities"]["Usage"]
    assert (first["matched"], first["sent"]) == (MATCHED, SENT)
    assert (first["rejected"], first["too_old"], first["unsent"]) == ("20", "11", "0")
    said = workspace.cli("run", "-c", "etl.yml", "--since", ago(days=2)).stderr
    assert "123,456,789,012,345,678,903.8  already_sent" in said
    page = workspace.cli("report", "-c", "etl.yml").stdout
    assert "123,456,789,012,345,678,903.8" in page


def test_where_none_is_asked_for_there_is_none(workspace: Workspace) -> None:
    workspace.config()
    workspace.write(EVENTS[:1])
    assert workspace.run().quantities is None
