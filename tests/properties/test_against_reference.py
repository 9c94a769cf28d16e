"""The vectorised transform and the row-by-row reference agree, whatever shape the events come in.

A triple is one event under one trigger and mapping. By default 500 groups of 100 of them: each untyped group as
dicts and in one other encoding; the long suite takes 500 other groups in every encoding.
"""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

import etl
from tests import reference
from tests.properties import encodings, strategies
from tests.properties.generate import Grammar, as_json
from tests.reference.values import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH = 100
_UNTYPED_GROUPS = range(300)
_LONG_GROUPS = range(10_000, 10_500)
_STRUCT_GROUPS = range(1000, 1100)
_FLAT_GROUPS = range(2000, 2100)


def _chunks(groups: range, size: int = 10) -> list[range]:
    return [groups[start : start + size] for start in range(0, len(groups), size)]


def _exact(value: Any) -> Any:
    """The value with every number as the decimal it is written as, so that lost digits show."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if not is_number(value):
        return value
    return ("number", Decimal(repr(value) if isinstance(value, float) else value) + 0)


def _differences(events: Any, trigger: Any, mapping: Any, expected: list[reference.Outcome]) -> Iterator[str]:
    frame = etl.map_events(events, etl.Subscription("generated", trigger, mapping))
    assert frame["row"].tolist() == list(range(len(expected)))
    columns = (frame[name].tolist() for name in ("outcome", "stage", "body"))
    for row, (found, said, body) in enumerate(zip(*columns, strict=True)):
        want = expected[row]
        stage = said if isinstance(said, str) else None
        payload = reference.parse_json(body) if isinstance(body, str) else None
        if (found, stage) != (want.outcome, want.stage):
            yield f"row {row}: {found} {stage} instead of {want.outcome} {want.stage} ({want.reason})"
        elif _exact(payload) != _exact(want.payload):
            yield f"row {row}: {body} instead of {as_json(want.payload)}"


def _report(seed: int, encoding: str, trigger: Any, mapping: Any, event: Any, difference: str) -> str:
    asked = f"trigger {json.dumps(trigger)}\n  mapping {as_json(mapping)}\n  event {as_json(event)}"
    return f"seed {seed}, {encoding}: {difference}\n  {asked}"


def _compare(
    seed: int, shapes: dict[str, Any], originals: list[dict[str, Any]], trigger: Any, mapping: Any
) -> list[str]:
    expected = [reference.outcome(event, trigger, mapping) for event in originals]
    reports = []
    for encoding, events in shapes.items():
        for difference in _differences(events, trigger, mapping, expected):
            event = originals[int(difference.split(":")[0].removeprefix("row "))]
            reports.append(_report(seed, encoding, trigger, mapping, event, difference))
            break
    return reports


def _asked(grammar: Grammar) -> tuple[Any, Any]:
    """A trigger and a mapping; half of the triggers let every track event through."""
    trigger = 'type = "track"' if grammar.random.randrange(2) else grammar.trigger()
    return trigger, reference.parse_json(as_json(grammar.mapping()))


def _rotated(seed: int) -> list[str]:
    """Dicts, and one of the other encodings in turn."""
    others = [name for name in encodings.UNTYPED if name != "dicts"]
    return ["dicts", others[seed % len(others)]]


def _untyped_reports(seed: int, names: list[str] | None = None) -> list[str]:
    grammar = Grammar(Random(seed))
    trigger, mapping = _asked(grammar)
    events = [grammar.event() for _ in range(BATCH)]
    shapes = {name: encodings.UNTYPED[name](events) for name in names or encodings.UNTYPED}
    return _compare(seed, shapes, encodings.dicts(events), trigger, mapping)


def _struct_reports(seed: int) -> list[str]:
    random = Random(seed)
    trigger, mapping = _asked(Grammar(random))
    rows = encodings.struct_rows(random, BATCH)
    shapes = {"struct columns": pa.Table.from_pylist(rows, encodings.STRUCTS)}
    return _compare(seed, shapes, [encodings.as_event(row) for row in rows], trigger, mapping)


def _flat_reports(seed: int) -> list[str]:
    random = Random(seed)
    trigger, mapping = _asked(Grammar(random, encodings.FLAT_WORDS))
    rows = encodings.flat_rows(random, BATCH)
    table = pa.Table.from_pylist(rows, encodings.FLAT)
    shapes = {"warehouse": table, "upper case": table.rename_columns([c.upper() for c in table.column_names])}
    return _compare(seed, shapes, [encodings.from_flat(row) for row in rows], trigger, mapping)


def _assert_none(reports: list[list[str]]) -> None:
    found = [report for group in reports for report in group]
    assert not found, f"{len(found)} differences\n" + "\n".join(found[:3])


@pytest.mark.parametrize("seeds", _chunks(_UNTYPED_GROUPS), ids=str)
def test_events_as_dicts_and_json_text(seeds: range) -> None:
    """Events of any content, as dicts and as JSON text in columns."""
    _assert_none([_untyped_reports(seed, _rotated(seed)) for seed in seeds])


@pytest.mark.slow
@pytest.mark.parametrize("seeds", _chunks(_LONG_GROUPS), ids=str)
def test_further_events_in_every_encoding(seeds: range) -> None:
    """As many events again, each in all the encodings that hold any content."""
    _assert_none([_untyped_reports(seed) for seed in seeds])


@pytest.mark.parametrize("seeds", _chunks(_STRUCT_GROUPS), ids=str)
def test_events_in_struct_columns(seeds: range) -> None:
    """Typed nested events, where a null is absent."""
    _assert_none([_struct_reports(seed) for seed in seeds])


@pytest.mark.parametrize("seeds", _chunks(_FLAT_GROUPS), ids=str)
def test_events_in_warehouse_columns(seeds: range) -> None:
    """Typed flat events, for the paths that exist there."""
    _assert_none([_flat_reports(seed) for seed in seeds])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(strategies.events, strategies.triggers, strategies.mappings)
def test_single_events(event: Any, trigger: str, mapping: Any) -> None:
    """Hypothesis's triples, which it makes smaller when they differ."""
    event, mapping = reference.parse_json(as_json(event)), reference.parse_json(as_json(mapping))
    assert _compare(0, {"dicts": [event]}, [event], trigger, mapping) == []
