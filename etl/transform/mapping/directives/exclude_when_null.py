"""``@excludeWhenNull``: null, and null keys of nested objects but not inside arrays, become undefined. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from etl.transform import columns
from etl.transform.javascript.values import UNDEFINED, Value
from etl.transform.mapping.directive import Directive
from etl.transform.mapping.expression import Expression, derived
from etl.transform.mapping.validation import raw

if TYPE_CHECKING:
    import pandas as pd

    from etl.transform.mapping.directive import Build


def _compile(argument: Any, build: Build) -> Expression:
    exact = build.exact

    def column(values: pd.Series) -> pd.Series:
        if columns.is_objects(values) or _may_hold_json(columns.arrow(values).type):
            return columns.apply(values, lambda cell: _without_nulls(cell, exact=exact))
        return values

    return derived(column, build(argument, exact=exact))


def _without_nulls(cell: Value, *, exact: bool) -> Value:
    if cell is None:
        return UNDEFINED
    if not isinstance(cell, dict):
        return cell
    cleaned = {key: _without_nulls(member, exact=exact) for key, member in cell.items()}
    return cleaned if exact else {key: member for key, member in cleaned.items() if member is not UNDEFINED}


def _may_hold_json(held: pa.DataType) -> bool:
    """Whether a typed column can hold nulls of its own: JSON text, at any depth outside lists."""
    if pa.types.is_struct(held):
        return any(_may_hold_json(field.type) for field in held)
    return isinstance(held, pa.JsonType) or (pa.types.is_map(held) and _may_hold_json(held.item_type))


DIRECTIVE = Directive(
    "@excludeWhenNull",
    "The value without what is null in it: nothing if it is null itself, objects without their null keys.",
    _compile,
    raw,
)
