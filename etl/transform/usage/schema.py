"""The schema step: what Segment's ajv makes of the five fields, or refuses of them. Pure.

Source: the fields of segmentio/action-destinations' Metronome action; ajv 8 with ``coerceTypes: "array"``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.core.subscription import FIELDS
from etl.transform import columns
from etl.transform.columns import typed
from etl.transform.columns.texts import scalar_text
from etl.transform.javascript import has_surrogate, number_text, text_number
from etl.transform.javascript.values import UNDEFINED, Undefined, Value, is_infinite, is_number, kind
from etl.transform.json.objects import JsonObjects
from etl.transform.json.text import quote, without_surrogates
from etl.transform.usage.timestamps import InvalidTimestampError, iso_of, to_iso

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from etl.transform.mapping.compiler import Fields

_NOT_DATE_LIKE = "Timestamp must be a valid date-like string but it was not."


@dataclass(frozen=True)
class Wrong:
    """A cell of a type that the schema cannot coerce; ``message`` in Segment's words."""

    message: str


@dataclass(frozen=True)
class Field:
    """One field after the schema: ``present`` per row, and per row what is wrong (NA: nothing).

    ``texts``: string array of a text field. ``quoted``: canonical JSON text, of a text field where ``texts`` could not
    hold it, of ``properties`` where that was to be had at once. ``column``: ``properties`` as it came.
    """

    present: np.ndarray
    wrong: pa.Array | None
    texts: pa.Array | None = None
    quoted: pa.Array | None = None
    column: pd.Series | None = None
    unserialisable: pa.Array | None = None

    def take(self, rows: np.ndarray) -> Field:
        """The same of ``rows`` only."""
        at = pa.array(rows)

        def taken(array: pa.Array | None) -> pa.Array | None:
            return None if array is None else array.take(at)

        return Field(
            self.present[rows],
            taken(self.wrong),
            taken(self.texts),
            taken(self.quoted),
            None if self.column is None else columns.take(self.column, rows),
            taken(self.unserialisable),
        )


@dataclass(frozen=True)
class CheckedFields:
    """The fields by name, and per row every reason the schema refuses it, joined; NA: none."""

    fields: dict[str, Field]
    reasons: pa.Array


def check(resolved: Fields, length: int) -> CheckedFields:
    """Coerces the five fields; a field that is missing, null or '' is missing."""
    absent = columns.missing(length)
    fields = {name: _CHECKS[name](name, resolved.columns.get(name, absent)) for name in FIELDS}
    reasons = _reasons(fields, length)
    if resolved.not_objects is not None:
        stated = [
            None if what is None else f"The root value must be an object but it was {what}."
            for what in resolved.not_objects
        ]
        reasons = pc.coalesce(pa.array(stated, pa.string()), reasons)
    return CheckedFields(fields, reasons)


def _reasons(fields: dict[str, Field], length: int) -> pa.Array:
    """Missing fields first, then wrong ones, as ajv reports them."""
    parts = [
        _where(~field.present, f"The root value is missing the required field '{name}'.")
        for name, field in fields.items()
        if not field.present.all()
    ]
    parts += [
        field.wrong
        for field in fields.values()
        if field.wrong is not None and field.wrong.null_count < length
    ]
    if not parts:
        return pa.nulls(length, pa.string())
    # A leading blank each, as null_handling="skip" would leave out rows without any.
    spaced = [pc.binary_join_element_wise(" ", part, "") for part in parts]
    joined = pc.binary_join_element_wise(*spaced, "", null_handling="replace", null_replacement="")
    trimmed = pc.utf8_ltrim(joined, " ")
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _where(mask: np.ndarray, text: str) -> pa.Array:
    return pc.if_else(pa.array(mask), text, pa.scalar(None, pa.string()))


# ---------------------------------------------------------------------------------------------- strings


def _text_field(name: str, column: pd.Series) -> Field:
    """``transaction_id``, ``customer_id`` and ``event_type``: numbers and booleans become text."""
    if not columns.is_objects(column):
        array = columns.arrow(column)
        if columns.is_scalar(array):
            return _typed_text(array)
    return _looped_text([_coerced_text(name, cell) for cell in columns.cells(column)])


def _typed_text(array: pa.Array) -> Field:
    texts = scalar_text(array)
    empty = pc.equal(texts, "") if pa.types.is_string(array.type) else _is_nan(array)
    present = columns.numpy(pc.and_(pc.is_valid(texts), pc.invert(pc.fill_null(empty, fill_value=False))))
    return Field(present, None, texts)


def _is_nan(array: pa.Array) -> pa.Array:
    """NaN can only come from a typed column, where it stands for nothing."""
    return pc.is_nan(array) if pa.types.is_floating(array.type) else pa.array(np.zeros(len(array), bool))


def _looped_text(cells: list[Value]) -> Field:
    present = np.fromiter((cell is not UNDEFINED for cell in cells), bool, len(cells))
    wrong = _messages(cells)
    texts = [cell if isinstance(cell, str) else None for cell in cells]
    if not any(text is not None and has_surrogate(text) for text in texts):
        return Field(present, wrong, pa.array(texts, pa.string()))
    quoted = [None if text is None else quote(text) for text in texts]
    bare = [None if text is None else without_surrogates(text) for text in texts]
    return Field(present, wrong, pa.array(bare, pa.string()), pa.array(quoted, pa.string()))


def _coerced_text(name: str, cell: Value) -> Value:
    if _is_empty(cell):
        return UNDEFINED
    single = cell[0] if isinstance(cell, list) and len(cell) == 1 else cell
    match single:
        case str():
            return single
        case bool():
            return "true" if single else "false"
        case None:
            return ""
        case dict() | list() | Undefined():
            return Wrong(f"{_label(name)} must be a string but it was {_a(kind(single))}.")
    return number_text(single)


# ------------------------------------------------------------------------------------------- timestamps


def _timestamp_field(name: str, column: pd.Series) -> Field:
    """Strings and finite numbers go to the timestamp step; the rest is coerced to them or refused."""
    wrong: pa.Array | None = None
    if not _is_plain_timestamp(column):
        cells = [_coerced_timestamp(name, cell) for cell in columns.cells(column)]
        wrong = _messages(cells)
        present = np.fromiter((cell is not UNDEFINED for cell in cells), bool, len(cells))
        column = columns.objects([UNDEFINED if type(cell) is Wrong else cell for cell in cells])
    else:
        present = _is_there(columns.arrow(column))
    iso, stage, reason = (pa.array(part) for part in to_iso(column))
    late = pc.equal(stage, "serialize")
    early = pc.and_(pc.invert(pc.fill_null(late, fill_value=False)), pa.array(present))
    refused = pc.if_else(early, reason, None)
    return Field(
        present, refused if wrong is None else pc.coalesce(wrong, refused), iso,
        unserialisable=pc.if_else(late, reason, None),
    )  # fmt: skip


def _is_there(array: pa.Array) -> np.ndarray:
    there = pc.is_valid(array)
    return columns.numpy(pc.and_(there, pc.not_equal(array, "")) if pa.types.is_string(array.type) else there)


def _is_plain_timestamp(column: pd.Series) -> bool:
    if columns.is_objects(column):
        return False
    array = columns.arrow(column)
    if pa.types.is_floating(array.type):
        return not pc.any(pc.invert(pc.is_finite(array))).as_py()
    return columns.is_scalar(array) and not pa.types.is_boolean(array.type)


def _coerced_timestamp(name: str, cell: Value) -> Value:  # noqa: PLR0911 - one case a kind
    if _is_empty(cell):
        return UNDEFINED
    if isinstance(cell, str) or (is_number(cell) and not is_infinite(cell)):
        return cell
    single = cell[0] if isinstance(cell, list) and len(cell) == 1 else cell
    if isinstance(single, bool):
        return "true" if single else "false"
    if is_number(single):
        return number_text(single)
    if isinstance(single, str) and single and not np.isnan(text_number(single)):
        return text_number(single)
    if single is None:
        return "null"
    wrong = f"{_label(name)} must be a string or number but it was {_a(kind(single))}."
    return Wrong(
        f"{wrong} {_NOT_DATE_LIKE}" if isinstance(single, str) and not _is_date_like(single) else wrong
    )


def _is_date_like(text: str) -> bool:
    try:
        iso_of(text)
    except InvalidTimestampError as error:
        return error.stage != "schema"
    return True


# ------------------------------------------------------------------------------------------- properties


def _object_field(name: str, column: pd.Series) -> Field:
    """``properties``: an object, passed through untouched."""
    if not columns.is_objects(column):
        array = columns.arrow(column)
        if pa.types.is_struct(array.type) or pa.types.is_map(array.type):
            return Field(columns.numpy(pc.is_valid(array)), None, column=column)
        if (
            columns.is_json(array)
            and (written := JsonObjects(typed.plain(array.storage)).canonical()) is not None
        ):
            return Field(columns.numpy(pc.is_valid(array)), None, quoted=written, column=column)
    cells = columns.cells(column)
    if set(map(type, cells)) <= {dict}:
        return Field(np.ones(len(cells), bool), None, column=columns.objects(cells))
    present = np.fromiter((not _is_empty(cell) for cell in cells), bool, len(cells))
    wrong = [_not_object(name, cell) if there else None for cell, there in zip(cells, present, strict=True)]
    return Field(present, pa.array(wrong, pa.string()), column=columns.objects(cells))


def _not_object(name: str, cell: Value) -> str | None:
    return (
        None if isinstance(cell, dict) else f"{_label(name)} must be an object but it was {_a(kind(cell))}."
    )


# ---------------------------------------------------------------------------------------------- of any


def _is_empty(cell: Value) -> bool:
    """Null, undefined or ''; NaN too, which no JSON holds: in data frames it stands for nothing."""
    if isinstance(cell, str):
        return not cell
    return cell is None or cell is UNDEFINED or (isinstance(cell, float) and cell != cell)  # noqa: PLR0124 - NaN


def _messages(cells: list[Value]) -> pa.Array | None:
    messages = [cell.message if type(cell) is Wrong else None for cell in cells]
    return pa.array(messages, pa.string()) if any(messages) else None


def _label(name: str) -> str:
    return name.capitalize()


def _a(name: str) -> str:
    return name if name == "undefined" else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


_CHECKS: dict[str, Callable[[str, pd.Series], Field]] = {
    "transaction_id": _text_field,
    "customer_id": _text_field,
    "timestamp": _timestamp_field,
    "event_type": _text_field,
    "properties": _object_field,
}
