"""Segment's audience code runs on every event and throws where ``context`` or ``context.personas`` is null. Pure.

Source: SEGMENT_SEMANTICS §0.6. Typed columns have no null of their own, so only JSON can fail here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from etl.transform import columns
from etl.transform.jsontext import parse_column
from etl.transform.texts import content, holds
from etl.transform.values import UNDEFINED, Value

if TYPE_CHECKING:
    from etl.events import Path
    from etl.transform.tracks import Roots

PATHS: frozenset[Path] = frozenset({("context", "personas")})
_NULL_CONTEXT = "Cannot read properties of null (reading 'personas')"
_NULL_PERSONAS = "Cannot read properties of null (reading 'computation_class')"
# Over JSON text, a superset of the contexts that throw: first what any of them holds, in all texts at once; then RE2.
_MARKS = (b"null", b"\\u")
_SUSPECT = r'^\s*null\s*$|"personas"\s*:\s*null|\\u'


def failures(events: Roots) -> pa.Array | None:
    """Per event the TypeError's message, else null; None where no event throws."""
    found = events.column(("context",))
    if columns.is_objects(found):
        throwing = any(
            cell is None or (type(cell) is dict and cell.get("personas", UNDEFINED) is None) for cell in found
        )
        return pa.array([_message(cell) for cell in found], pa.string()) if throwing else None
    array = columns.arrow(found)
    if columns.is_json(array):
        return _in_text(array.storage)
    if pa.types.is_struct(array.type) and array.type.get_field_index("personas") >= 0:
        return _in_personas(events)
    return None


def _in_text(texts: pa.Array) -> pa.Array | None:
    if not any(mark in content(texts) for mark in _MARKS):
        return None
    suspects = np.flatnonzero(holds(texts, _SUSPECT))
    if not len(suspects):
        return None
    messages: list[str | None] = [None] * len(texts)
    for position, cell in zip(suspects, parse_column(texts.take(pa.array(suspects))), strict=True):
        messages[position] = _message(cell)
    return pa.array(messages, pa.string()) if any(messages) else None


def _in_personas(events: Roots) -> pa.Array | None:
    personas = events.column(("context", "personas"))
    if not columns.is_objects(personas) and not columns.is_json(columns.arrow(personas)):
        return None
    messages = [_NULL_PERSONAS if cell is None else None for cell in columns.cells(personas)]
    return pa.array(messages, pa.string()) if any(messages) else None


def _message(context: Value) -> str | None:
    if context is None:
        return _NULL_CONTEXT
    if isinstance(context, dict) and context.get("personas", UNDEFINED) is None:
        return _NULL_PERSONAS
    return None
