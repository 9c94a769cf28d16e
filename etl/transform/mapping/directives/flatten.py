"""``@flatten``: nested keys joined by a separator; empty objects and arrays vanish. Pure.

Structs stay typed and whole; JSON values go row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from etl.transform import columns
from etl.transform.columns import Failure, typed
from etl.transform.javascript.values import UNDEFINED, Value, entries, without_undefined
from etl.transform.mapping.directive import Directive, without
from etl.transform.mapping.expression import Expression, derived, failing, given, union, zipped
from etl.transform.mapping.validation import members, optional, raw, required, string

if TYPE_CHECKING:
    import pandas as pd

    from etl.transform.columns.tracks import Roots
    from etl.transform.mapping.directive import Build


def _compile(argument: Any, build: Build) -> Expression:
    if not isinstance(argument, dict):
        return failing('@flatten requires an object with a "separator" key')
    if not given(argument, "separator"):
        return failing('@flatten requires a "separator" key')
    separator = derived(_only_strings, build(argument["separator"]))
    source = build(argument.get("value", UNDEFINED), exact=True)
    fixed = argument["separator"] if isinstance(argument["separator"], str) else None
    keep_arrays = given(argument, "omitArrays")

    def cell(joint: Value, value: Value) -> Value:
        flat = _flattened(value, "", joint, keep_arrays=keep_arrays)
        return flat if build.exact else without_undefined(flat)

    def column(roots: Roots) -> pd.Series:
        nested = source.column(roots)
        if fixed is not None and not columns.is_objects(nested):
            flat = _flattened_struct(columns.arrow(nested), fixed, keep_arrays=keep_arrays)
            if flat is not None:
                return flat
        return columns.objects(zipped(cell, [separator.column(roots), nested], len(roots)))

    return Expression(column, union([separator, source]))


def _flattened(value: Value, prefix: str, separator: str, *, keep_arrays: bool) -> dict[str, Value]:
    """One value flat; later keys overwrite earlier ones; a scalar is its own only key."""
    if (isinstance(value, list) and keep_arrays) or not isinstance(value, (dict, list)):
        return {prefix: value}
    flat: dict[str, Value] = {}
    for key, member in entries(value):
        flat |= _flattened(
            member, f"{prefix}{separator}{key}" if prefix else key, separator, keep_arrays=keep_arrays
        )
    return flat


def _only_strings(separators: pd.Series) -> pd.Series:
    wrong = Failure("@flatten requires a string separator")
    return columns.apply(separators, lambda cell: cell if isinstance(cell, str) else wrong)


def _flattened_struct(array: pa.Array, separator: str, *, keep_arrays: bool) -> pd.Series | None:
    """A struct array flat and still typed; None where its cells must be looked at one by one."""
    if not pa.types.is_struct(array.type):
        return None
    fields = _leaves(array, "", separator, keep_arrays=keep_arrays)
    if not fields or len({name for name, _ in fields}) < len(fields):
        return None
    return columns.struct(dict(fields))


def _leaves(
    array: pa.StructArray, prefix: str, separator: str, *, keep_arrays: bool
) -> list[tuple[str, pa.Array]]:
    leaves: list[tuple[str, pa.Array]] = []
    for key, leaf in typed.children(array):
        name = f"{prefix}{separator}{key}" if prefix else key
        if pa.types.is_struct(leaf.type):
            inner = _leaves(leaf, name, separator, keep_arrays=keep_arrays)
            if not inner and len(leaf.type):
                return []
            leaves += inner
        elif columns.is_scalar(leaf) or (keep_arrays and pa.types.is_list(leaf.type)):
            leaves.append((name, leaf))
        else:
            return []
    return leaves


DIRECTIVE = Directive(
    "@flatten",
    "The object `value` with nested keys brought to one level, joined by `separator`; arrays too, unless `omitArrays` "
    "is true.",
    _compile,
    members(separator=optional(string), value=required(raw)),
    values=without("separator"),
)
