"""Segment's schema step: required fields, coercion, unknown fields dropped."""

from __future__ import annotations

import math
from typing import Any

from tests.reference.timestamps import is_date_like
from tests.reference.values import (
    UNDEFINED,
    JsError,
    double,
    is_number,
    text,
    to_number,
    type_of,
)

_STRINGS = ("transaction_id", "customer_id", "event_type")
_FIELDS = ("transaction_id", "customer_id", "timestamp", "event_type", "properties")
_EXEMPT = "dynamicAuthSettings"


class SchemaError(JsError):
    """The payload does not fit; all complaints in one message."""


def without_empty(payload: Any) -> Any:
    """The payload without its empty top-level fields."""
    if not isinstance(payload, dict):
        return UNDEFINED if payload is None or payload == "" else payload
    return {
        key: value for key, value in payload.items() if value != "" and not (value is None and key in _FIELDS)
    }


def validated(payload: Any) -> dict[str, Any]:
    """The payload with its five fields coerced, and nothing else but ``dynamicAuthSettings``.

    Raises:
        SchemaError: A field is missing or of a wrong type.
    """
    if not isinstance(payload, dict):
        raise SchemaError(f"The root value must be an object but it was {_described(payload)}.")
    complaints = [
        f"The root value is missing the required field '{field}'."
        for field in _FIELDS
        if field not in payload
    ]
    checked: dict[str, Any] = {}
    for field in (*_FIELDS, _EXEMPT):
        if field in payload:
            checked[field], complaint = _coerced(field, payload[field])
            complaints += complaint
    if complaints:
        raise SchemaError(" ".join(complaints))
    return checked


def _described(value: Any) -> str:
    kind = type_of(value)
    if kind in ("null", "undefined"):
        return kind
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _coerced(field: str, value: Any) -> tuple[Any, list[str]]:
    if field in _STRINGS:
        return _string(field, value)
    if field == "timestamp":
        return _timestamp(value)
    if field == "properties" and not isinstance(value, dict):
        return value, [f"Properties must be an object but it was {_described(value)}."]
    return value, []


def _unwrapped(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _scalar_text(value: Any) -> str | None:
    """A number, boolean or null as a string field takes it."""
    if isinstance(value, bool) or is_number(value):
        return text(value)
    return "" if value is None else None


def _string(field: str, value: Any) -> tuple[Any, list[str]]:
    if isinstance(value, str):
        return value, []
    inner = _unwrapped(value)
    coerced = inner if isinstance(inner, str) else _scalar_text(inner)
    if coerced is None:
        return value, [f"{field.capitalize()} must be a string but it was {_described(inner)}."]
    return coerced, []


def _timestamp(value: Any) -> tuple[Any, list[str]]:
    if is_number(value) and math.isfinite(double(value)):
        return value, []
    coerced = value if isinstance(value, str) else _unwrapped_timestamp(value)
    complaints = []
    if coerced is None:
        coerced = _unwrapped(value)
        complaints = [f"Timestamp must be a string or number but it was {_described(coerced)}."]
    if isinstance(coerced, str) and not is_date_like(coerced):
        complaints.append("Timestamp must be a valid date-like string but it was not.")
    return coerced, complaints


def _unwrapped_timestamp(value: Any) -> str | float | None:
    inner = _unwrapped(value)
    if not isinstance(inner, str):
        return _scalar_text(inner)
    number = to_number(inner)
    return None if not inner or math.isnan(number) else number
