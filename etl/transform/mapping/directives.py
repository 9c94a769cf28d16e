"""``@if @case @replace @literal @json @excludeWhenNull``: values made from other values (SEGMENT_SEMANTICS §6). Pure.

Each function compiles the argument of one directive. On typed columns they work whole, except ``@json``; on JSON
values, and ``@json`` always, cell by cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.columns.texts import cased, replaced, replaced_column, scalar_text
from etl.transform.javascript import has_surrogate, units
from etl.transform.javascript.values import UNDEFINED, Value, blank, is_number, text, truthy
from etl.transform.json.text import parse, stringify
from etl.transform.mapping.expression import Expression, constant, derived, failing, union
from etl.transform.mapping.validation import MAX_REPLACE

if TYPE_CHECKING:
    import pandas as pd

    from etl.transform.columns.tracks import Roots
    from etl.transform.mapping.expression import Build

UNDEFINED_EVERYWHERE = constant(UNDEFINED)


def literal(argument: Any, build: Build, *, exact: bool) -> Expression:
    """``@literal``: no true literal; directives inside it run."""
    return build(argument, exact=exact)


# --------------------------------------------------------------------------------------------------- @if


def if_(argument: Any, build: Build, *, exact: bool) -> Expression:
    """``@if``: ``exists`` wins over ``blank``; ``blank`` is inverted; a falsy literal ``else`` is ignored."""
    if not isinstance(argument, dict):
        return failing('@if requires an object with an "exists" key')
    if not _given(argument, "exists") and not _given(argument, "blank"):
        return failing('@if requires an "exists" key or a "blank" key')
    tested = build(argument["exists" if "exists" in argument else "blank"])
    test = columns.exists if "exists" in argument else _filled
    then = build(argument["then"], exact=exact) if "then" in argument else UNDEFINED_EVERYWHERE
    other = build(argument["else"], exact=exact) if _given(argument, "else") else UNDEFINED_EVERYWHERE

    def column(roots: Roots) -> pd.Series:
        found = tested.column(roots)
        chosen = _chosen(test(found), then, other, roots)
        failed = columns.any_failure(found)
        return chosen if failed is None else columns.choose(failed, found, chosen)

    return Expression(column, union([tested, then, other]))


def _chosen(condition: np.ndarray, then: Expression, other: Expression, roots: Roots) -> pd.Series:
    if condition.all():
        return then.column(roots)
    if not condition.any():
        return other.column(roots)
    return columns.choose(condition, then.column(roots), other.column(roots))


def _filled(column: pd.Series) -> np.ndarray:
    """Bool per row: not blank, as JavaScript's ``!= ''`` has it."""
    if not columns.is_objects(column):
        array = columns.arrow(column)
        if pa.types.is_string(array.type):
            return columns.numpy(pc.not_equal(array, ""))
        if pa.types.is_boolean(array.type):
            return columns.numpy(array)
        if columns.is_numeric(array):
            return columns.numpy(pc.not_equal(array, pa.scalar(0).cast(array.type)))
        if pa.types.is_struct(array.type) or pa.types.is_map(array.type):
            return columns.numpy(pc.is_valid(array))
    return np.fromiter(
        (type(cell) is Failure or not blank(cell) for cell in columns.cells(column)), bool, len(column)
    )


def _given(argument: dict[str, Any], key: str) -> bool:
    return truthy(argument.get(key, UNDEFINED))


# ------------------------------------------------------------------------------------------------- @case


def case(argument: Any, build: Build) -> Expression:
    """``@case``: strings in lower or upper case; another operator fails, but only for strings."""
    if not isinstance(argument, dict):
        return failing('@case requires an object with a "operator" key')
    if not _given(argument, "operator"):
        return failing('@case requires a "operator" key')
    if not _given(argument, "value"):
        return UNDEFINED_EVERYWHERE
    source, operator = build(argument["value"]), argument["operator"]
    if operator in ("lower", "upper"):
        return derived(lambda column: cased(column, operator), source)
    wrong = Failure('operator key should have a value of "lower" or "upper"')
    return derived(
        lambda column: columns.apply(column, lambda cell: wrong if isinstance(cell, str) else cell), source
    )


# ---------------------------------------------------------------------------------------------- @replace


def replace(argument: Any, build: Build) -> Expression:
    """``@replace``: of strings, and of numbers and booleans as text; anything else becomes ``''``."""
    if not isinstance(argument, dict):
        return failing('@replace requires an object with a "pattern" key')
    if not _given(argument, "pattern"):
        return failing('@replace requires a "pattern" key')
    if not _given(argument, "value"):
        return UNDEFINED_EVERYWHERE
    source = build(argument["value"])
    if (steps := _replacements(argument)) is None:
        return derived(lambda column: columns.repeated("", len(column)), source)
    if isinstance(steps, Failure):
        return derived(
            lambda column: columns.apply(column, lambda cell: steps if _is_text(cell) else ""), source
        )
    how = {
        "everywhere": argument.get("global") is not False,
        "ignore_case": argument.get("ignorecase") is True,
    }
    return derived(lambda column: _replaced(column, steps, how), source)


def _replacements(argument: dict[str, Any]) -> list[tuple[str, str]] | Failure | None:
    """What is replaced by what, in order; None where Segment finds an option of the wrong type."""
    first = (argument["pattern"], _or_empty(argument, "replacement"))
    options = (argument.get("ignorecase"), argument.get("global"))
    if not all(isinstance(part, str) for part in first) or not all(
        o is None or isinstance(o, bool) for o in options
    ):
        return None
    second = (argument.get("pattern2"), _or_empty(argument, "replacement2"))
    steps = (
        [first, second]
        if _given(argument, "pattern2") and all(isinstance(part, str) for part in second)
        else [first]
    )
    too_long = (
        name
        for step in steps
        for name, part in zip(("pattern", "replacement"), step, strict=True)
        if _is_long(part)
    )
    name = next(too_long, None)
    return (
        steps if name is None else Failure(f'@replace requires a "{name}" less than {MAX_REPLACE} characters')
    )


def _or_empty(argument: dict[str, Any], key: str) -> Any:
    found = argument.get(key)
    return "" if found is None else found


def _is_long(part: str) -> bool:
    return len(units(part)) > MAX_REPLACE


def _is_text(cell: Value) -> bool:
    return isinstance(cell, (str, bool)) or is_number(cell)


def _replaced(column: pd.Series, steps: list[tuple[str, str]], how: dict[str, bool]) -> pd.Series:
    if not columns.is_objects(column) and not any(has_surrogate(part) for step in steps for part in step):
        array = columns.arrow(column)
        if columns.is_scalar(array):
            found = scalar_text(array)
            for pattern, replacement in steps:
                found = replaced_column(found, pattern, replacement, **how)
            return columns.series(pc.fill_null(found, ""))
    return columns.apply(column, lambda cell: _replaced_cell(cell, steps, how))


def _replaced_cell(cell: Value, steps: list[tuple[str, str]], how: dict[str, bool]) -> str:
    if not _is_text(cell):
        return ""
    found = text(cell)
    for pattern, replacement in steps:
        found = replaced(found, pattern, replacement, **how)
    return found


# ------------------------------------------------------------------------------- @json, @excludeWhenNull


def json_(argument: Any, build: Build) -> Expression:
    """``@json``: cell by cell. A ``mode`` in the wrong case passes validation and yields undefined."""
    if not isinstance(argument, dict):
        return failing('@json requires an object with a "value" key')
    for key in ("mode", "value"):
        if not _given(argument, key):
            return failing(f'@json requires a "{key}" key')
    source = build(argument["value"])
    if argument["mode"] == "encode":
        return derived(lambda column: columns.apply(column, _encoded), source)
    if argument["mode"] == "decode":
        return derived(lambda column: columns.apply(column, _decoded), source)
    return derived(lambda column: columns.apply(column, lambda _: UNDEFINED), source)


def _encoded(cell: Value) -> Value:
    written = stringify(cell)
    return UNDEFINED if written is None else written


def _decoded(cell: Value) -> Value:
    if not isinstance(cell, str):
        return cell
    try:
        return parse(cell)
    except ValueError:
        return cell


def exclude_when_null(argument: Any, build: Build, *, exact: bool) -> Expression:
    """``@excludeWhenNull``: null, and null keys of nested objects but not inside arrays, become undefined."""

    def column(found: pd.Series) -> pd.Series:
        if columns.is_objects(found) or _may_hold_json(columns.arrow(found).type):
            return columns.apply(found, lambda cell: _without_nulls(cell, exact=exact))
        return found

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
