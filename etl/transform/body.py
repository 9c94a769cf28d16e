"""The bodies of usage events: JSON text in one canonical form, written whole columns at a time. Pure.

Fields in the order transaction_id, customer_id, timestamp, event_type, properties; ``dynamicAuthSettings``, which
Segment's schema lets through, last.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from etl.transform import columns, typed
from etl.transform.encode import Pieces, join, json_text, pieces, quoted
from etl.transform.jsontext import canonical_column, exact_number
from etl.transform.values import UNDEFINED, Value, is_number

if TYPE_CHECKING:
    import pandas as pd

    from etl.transform.schema import Field

LEAKED = "dynamicAuthSettings"


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
