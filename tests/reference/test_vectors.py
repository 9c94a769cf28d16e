"""The reference gives what Segment's code gave, on every recorded case."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests import reference
from tests.reference.values import double, is_number

_CONFORMANCE = Path(__file__).parents[1] / "conformance"

#: The reference knows only as much Liquid as generated mappings hold.
_ELSEWHERE = {"directive-liquid"}


def _cases() -> list[dict[str, Any]]:
    lines = [
        line
        for name in ("segment_vectors.ndjson", "extra_vectors.ndjson")
        for line in (_CONFORMANCE / name).read_bytes().decode().split("\n")
        if line
    ]
    cases = [reference.parse_json(line) for line in lines]
    return [case for case in cases if case["category"] not in _ELSEWHERE]


def _as_doubles(value: Any) -> Any:
    """The value with every number as JavaScript holds it: the recorded side has lost its digits already."""
    if isinstance(value, dict):
        return {key: _as_doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_doubles(item) for item in value]
    return double(value) if is_number(value) and math.isfinite(double(value)) else value


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_reference_gives_what_segment_gave(case: dict[str, Any]) -> None:
    """Same verdict and payload, or an error at the same stage."""
    expected = case["expect"]
    outcome = reference.outcome(case["event"], case["subscribe"], case["mapping"])
    error = expected["error"]
    assert outcome.stage == (error and error["stage"]), outcome
    assert (outcome.outcome == "filtered") == (not expected["matched"] and error is None)
    assert _as_doubles(outcome.payload) == _as_doubles(expected["payload"])
