"""The bodies of usage events: JSON text in one canonical form, written whole columns at a time. Pure.

Fields in the order transaction_id, customer_id, timestamp, event_type, properties; ``dynamicAuthSettings``, which
Segment's schema lets through, last.

Before a body is sent, Segment's audience code (segmentio/action-destinations, the core's ``execute``) runs on the event
and throws where ``context`` or ``context.personas`` is null: ``execute_failures``. Typed columns have no null of their
own, so only JSON can fail there.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform import columns
from etl.transform.columns import typed
from etl.transform.columns.texts import content, holds
from etl.transform.javascript.values import UNDEFINED, Value, is_number
from etl.transform.json.encode import Pieces, join, json_text, pieces, quoted
from etl.transform.json.text import canonical_column, exact_number, parse_column

if TYPE_CHECKING:
    import pandas as pd

    from etl.core.layouts import Path
    from etl.transform.columns.tracks import Roots
    from etl.transform.usage.schema import Field

LEAKED = "dynamicAuthSettings"
EXECUTE_PATHS: frozenset[Path] = frozenset({("context", "personas")})
_NULL_CONTEXT = "Cannot read properties of null (reading 'personas')"
_NULL_PERSONAS = "Cannot read properties of null (reading 'computation_class')"
# Over JSON text, a superset of the contexts that throw: first what any of them holds, in all texts at once; then RE2.
_MARKS = (b"null", b"\\u")
_SUSPECT = r'^\s*null\s*$|"personas"\s*:\s*null|\\u'


def bodies(fields: dict[str, Field], leaked: pd.Series | None, *, numbers_as_text: bool) -> pa.Array:
    """The JSON text of the usage events, which nothing is wrong with."""
    parts: Pieces = []
    for name, field in fields.items():
        parts += ["," if parts else "{", f'"{name}":']
        if field.column is not None and (numbers_as_text or field.quoted is None):
            parts += _properties(field.column, numbers_as_text=numbers_as_text)
        else:
            parts += _text(field)
    if leaked is not None:
        parts.append(_leaked(leaked))
    return join([*parts, "}"])


def json_pieces(column: pd.Series) -> Pieces:
    """A column that has a value in every row, as JSON text in pieces."""
    if columns.is_objects(column):
        return [canonical_column(column.tolist())]
    return pieces(columns.arrow(column))


def _text(field: Field) -> Pieces:
    return ['"', quoted(field.texts), '"'] if field.quoted is None else [field.quoted]


def _properties(column: pd.Series, *, numbers_as_text: bool) -> Pieces:
    if not numbers_as_text:
        return json_pieces(column)
    if not columns.is_objects(column):
        return pieces(_array_as_text(columns.arrow(column)))
    return [canonical_column([_value_as_text(cell) for cell in column])]


def _leaked(column: pd.Series) -> pa.Array:
    """``,"dynamicAuthSettings":…`` per row; nothing where it is undefined or ''."""
    cells = [UNDEFINED if isinstance(cell, str) and cell == "" else cell for cell in columns.cells(column)]
    written = pc.binary_join_element_wise(f',"{LEAKED}":', canonical_column(cells), "")
    return pc.fill_null(written, "")


def _value_as_text(value: Value) -> Value:
    match value:
        case dict():
            return {key: _value_as_text(member) for key, member in value.items()}
        case list():
            return [_value_as_text(item) for item in value]
    if not is_number(value):
        return value
    written = exact_number(value if isinstance(value, (int, float, Decimal)) else 0)
    return None if written == "null" else written


def _array_as_text(array: pa.Array) -> pa.Array:
    """A typed array with its numbers as text: structs field by field, lists and JSON value by value."""
    array = typed.plain(array)
    if pa.types.is_struct(array.type):
        fields = [_array_as_text(column) for _, column in typed.children(array)]
        names = [field.name for field in array.type]
        return pa.StructArray.from_arrays(fields, names=names, mask=array.is_null()) if names else array
    if columns.is_numeric(array):
        written = json_text(array)
        return pc.if_else(pc.equal(written, "null"), None, written)
    if pa.types.is_string(array.type) or pa.types.is_boolean(array.type):
        return array
    cells = [_value_as_text(cell) for cell in typed.values(array)]
    return pa.ExtensionArray.from_storage(pa.json_(), canonical_column(cells))


# ----------------------------------------------------------------------------------------------- execute


def execute_failures(events: Roots) -> pa.Array | None:
    """Per event the TypeError's message, else null; None where no event throws."""
    contexts = events.column(("context",))
    if columns.is_objects(contexts):
        throwing = any(
            cell is None or (type(cell) is dict and cell.get("personas", UNDEFINED) is None)
            for cell in contexts
        )
        return pa.array([_message(cell) for cell in contexts], pa.string()) if throwing else None
    array = columns.arrow(contexts)
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
