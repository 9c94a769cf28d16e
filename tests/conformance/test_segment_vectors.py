"""Every case recorded from Segment's own packages, through the public ``map_events``."""

from __future__ import annotations

from itertools import groupby

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.core.subscription import Subscription
from etl.transform import map_events
from tests.conformance.vectors import Vector, disagreement, load, members

#: Where we differ on purpose, case by case. All are artefacts of JavaScript's objects (category js-quirk).
DIFFERENT = {
    "js-quirk-007": "an event has only the members it was sent with: $.properties.toString is missing, no function",
    "js-quirk-008": "the same in a trigger: properties.toString != null holds only if somebody sent it",
    "js-quirk-011": "a property named __proto__ is a property: it is sent, not dropped silently",
}
WAIVABLE = {"js-quirk", "timestamps-legacy"}
CASES = load()
EXACT = [case for case in CASES if case.id not in DIFFERENT]


def subscription(case: Vector) -> Subscription:
    return Subscription(case.id, case.subscribe, case.mapping)


def first(frame: pd.DataFrame, row: int = 0) -> dict[str, object]:
    return frame.iloc[row].to_dict()


@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.id)
def test_a_case_gives_what_segment_gave(case: Vector):
    """The same decision, payload and stage for the event as a dict."""
    assert disagreement(case, first(map_events([case.event], subscription(case)))) is None


def test_reasons_are_segments_own_words():
    """Wherever Segment's message is no wording of V8's, the reason is that message, word for word."""
    stages = {"mapping", "schema", "serialize"}
    failing = [c for c in EXACT if c.expect["error"] and c.expect["error"]["stage"] in stages]
    differ = []
    for case in failing:
        reason = first(map_events([case.event], subscription(case)))["reason"]
        # Of the generated cases, several faults at once were recorded with a bar between them.
        message = case.expect["error"]["message"]
        if reason not in (message, message.replace(" | ", " ")):
            differ.append((case.id, reason, case.expect["error"]["message"]))
    assert differ == []


def test_only_javascript_artefacts_are_waived():
    """Every waived case exists, still differs, and belongs to a category that may be waived."""
    waived = {case.id: case for case in CASES if case.id in DIFFERENT}
    assert waived.keys() == DIFFERENT.keys()
    assert {case.category for case in waived.values()} <= WAIVABLE
    for case in waived.values():
        assert disagreement(case, first(map_events([case.event], subscription(case)))) is not None


def json_columns(cases: list[Vector]) -> pa.Table:
    """The events with every top-level field a column of JSON text, null where a field is absent."""
    rows = [members(case.event_text) for case in cases]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array([row.get(name) for row in rows], pa.json_()) for name in names})


def whole_events(cases: list[Vector]) -> pa.Table:
    """The events as one column of JSON text."""
    return pa.table({"$": pa.array([case.event_text for case in cases], pa.json_())})


@pytest.mark.parametrize("encode", [json_columns, whole_events])
def test_cases_as_json_text_in_one_parquet_file(encode, tmp_path):
    """The same outcomes when all events lie in one Parquet file and are mapped many at a time."""
    # Cases with the same trigger and mapping side by side; each batch has strangers from both sides in it as well.
    cases = sorted(EXACT, key=lambda case: case.group)
    pq.write_table(encode(cases), tmp_path / "events.parquet")
    table = pq.read_table(tmp_path / "events.parquet")
    position, differ = 0, []
    for _, group in groupby(cases, key=lambda case: case.group):
        alike = list(group)
        start = max(position - 4, 0)
        frame = map_events(table.slice(start, position + len(alike) + 4 - start), subscription(alike[0]))
        for offset, case in enumerate(alike, start=position - start):
            if found := disagreement(case, first(frame, offset)):
                differ.append((case.id, found))
        position += len(alike)
    assert position == len(EXACT)
    assert differ == []
