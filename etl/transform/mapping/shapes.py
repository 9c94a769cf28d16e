"""``@flatten @merge @arrayPath @transform``: objects made from other objects (SEGMENT_SEMANTICS §6). Pure.

``@flatten`` and ``@merge`` of structs stay typed and whole; of JSON values they go row by row. ``@arrayPath`` with a
shape and ``@transform`` resolve what is inside them against new roots, all rows' at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from etl.transform import columns
from etl.transform.columns import Failure, typed
from etl.transform.columns.tracks import Roots, Values
from etl.transform.javascript.values import (
    UNDEFINED,
    Value,
    entries,
    kind,
    split_path,
    strip_root,
    truthy,
    without_undefined,
)
from etl.transform.mapping.expression import Expression, at, derived, failing, union, zipped
from etl.transform.mapping.validation import is_directive, problems

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from etl.transform.mapping.expression import Build


# ---------------------------------------------------------------------------------------------- @flatten


def flatten(argument: Any, build: Build, *, exact: bool) -> Expression:
    """``@flatten``: nested keys joined by the separator; empty objects and arrays vanish."""
    if not isinstance(argument, dict):
        return failing('@flatten requires an object with a "separator" key')
    if not truthy(argument.get("separator", UNDEFINED)):
        return failing('@flatten requires a "separator" key')
    separator = derived(_only_strings, build(argument["separator"]))
    source = build(argument.get("value", UNDEFINED), exact=True)
    fixed = argument["separator"] if isinstance(argument["separator"], str) else None
    keep_arrays = truthy(argument.get("omitArrays", UNDEFINED))

    def cell(joint: Value, value: Value) -> Value:
        flat = flattened(value, "", joint, keep_arrays=keep_arrays)
        return flat if exact else without_undefined(flat)

    def column(roots: Roots) -> pd.Series:
        found = source.column(roots)
        if fixed is not None and not columns.is_objects(found):
            flat = _flattened_struct(columns.arrow(found), fixed, keep_arrays=keep_arrays)
            if flat is not None:
                return flat
        return columns.objects(zipped(cell, [separator.column(roots), found], len(roots)))

    return Expression(column, union([separator, source]))


def flattened(value: Value, prefix: str, separator: str, *, keep_arrays: bool) -> dict[str, Value]:
    """One value flat; later keys overwrite earlier ones; a scalar is its own only key."""
    if (isinstance(value, list) and keep_arrays) or not isinstance(value, (dict, list)):
        return {prefix: value}
    flat: dict[str, Value] = {}
    for key, member in entries(value):
        flat |= flattened(
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
    found: list[tuple[str, pa.Array]] = []
    for key, leaf in typed.children(array):
        name = f"{prefix}{separator}{key}" if prefix else key
        if pa.types.is_struct(leaf.type):
            inner = _leaves(leaf, name, separator, keep_arrays=keep_arrays)
            if not inner and len(leaf.type):
                return []
            found += inner
        elif columns.is_scalar(leaf) or (keep_arrays and pa.types.is_list(leaf.type)):
            found.append((name, leaf))
        else:
            return []
    return found


# ------------------------------------------------------------------------------------------------ @merge


def merge(argument: Any, build: Build, *, exact: bool) -> Expression:
    """``@merge``: ``Object.assign`` of the objects, from the last one back if ``direction`` is exactly ``left``."""
    if not isinstance(argument, dict):
        return failing('@merge requires an object with an "objects" key and a "direction" key')
    for key in ("direction", "objects"):
        if not truthy(argument.get(key, UNDEFINED)):
            return failing(f'@merge requires a "{key}" key')
    if not isinstance(argument["objects"], list):
        return failing(f"@merge: expected opts.array, got {kind(argument['objects'])}")
    direction = build(argument["direction"])
    objects = [build(member, exact=True) for member in argument["objects"]]
    quick = _typed_merge(argument, direction, build)

    def cell(way: Value, *parts: Value) -> dict[str, Value]:
        merged: dict[str, Value] = {}
        for part in reversed(parts) if way == "left" else parts:
            merged.update(entries(part))
        return merged if exact else {key: member for key, member in merged.items() if member is not UNDEFINED}

    def column(roots: Roots) -> pd.Series:
        if not exact and quick is not None and (typed_found := quick(roots)) is not None:
            return typed_found
        found = [expression.column(roots) for expression in (direction, *objects)]
        return columns.objects(zipped(cell, found, len(roots)))

    return Expression(column, union([direction, *objects]))


def _typed_merge(
    argument: dict[str, Any], direction: Expression, build: Build
) -> Callable[[Roots], pd.Series | None] | None:
    """Merges structs found by ``@path`` and objects written out in the mapping, whole columns at a time.

    A key of a struct is there unless null; a key written out always is, undefined or not.
    """
    if direction.constant is None:
        return None
    sources: list[Expression | dict[str, Expression]] = []
    for member in argument["objects"]:
        if isinstance(member, dict) and not is_directive(member):
            sources.append({key: build(value) for key, value in member.items()})
        elif isinstance(member, dict) and set(member) == {"@path"} and isinstance(member["@path"], str):
            sources.append(build(member))
        else:
            return None
    if direction.constant[0] == "left":
        sources.reverse()
    return lambda roots: _merged_structs(sources, roots)


def _merged_structs(sources: Sequence[Expression | dict[str, Expression]], roots: Roots) -> pd.Series | None:
    merged: dict[str, pd.Series] = {}
    for source in sources:
        if isinstance(source, dict):
            written = {key: expression.column(roots) for key, expression in source.items()}
            if any(map(columns.is_objects, written.values())):
                return None
            merged |= written
            continue
        found = source.column(roots)
        if columns.is_objects(found) or not pa.types.is_struct(columns.arrow(found).type):
            return None
        merged |= _laid_over(merged, columns.arrow(found))
    if not merged or any(map(columns.is_objects, merged.values())):
        return None
    return columns.struct({name: columns.arrow(column) for name, column in merged.items()})


def _laid_over(merged: dict[str, pd.Series], array: pa.StructArray) -> dict[str, pd.Series]:
    laid = {}
    for name, column in typed.children(array):
        member = columns.series(column)
        there = member.notna().to_numpy(bool)
        laid[name] = columns.choose(there, member, merged[name]) if name in merged else member
    return laid


# -------------------------------------------------------------------------------------------- @arrayPath


def array_path(argument: Any, build: Build, *, exact: bool) -> Expression:
    """``@arrayPath``: the items of what is found, each resolved against the shape with the item as the root."""
    if not isinstance(argument, list):
        return failing(f"@arrayPath expected array, got {kind(argument)}")
    place, shape = [*argument, UNDEFINED, UNDEFINED][:2]
    source = at(split_path(strip_root(place))) if isinstance(place, str) else build(place, exact=exact)
    if not isinstance(shape, dict) or not shape:
        return source
    shaped = build(shape, exact=exact)

    def column(roots: Roots) -> pd.Series:
        found = columns.cells(source.column(roots))
        groups = [
            cell if isinstance(cell, list) else [cell] if isinstance(cell, dict) else None for cell in found
        ]
        items = [item for group in groups if group for item in group]
        made = iter(columns.cells(shaped.column(Values(items))))
        return columns.objects(
            [
                cell if group is None else _group([next(made) for _ in group])
                for cell, group in zip(found, groups, strict=True)
            ]
        )

    return Expression(column, source.paths)


def _group(items: list[Value]) -> Value:
    return next((item for item in items if type(item) is Failure), items)


# -------------------------------------------------------------------------------------------- @transform


def transform(argument: Any, build: Build, prepare: Callable[[Any], Any], *, exact: bool) -> Expression:
    """``@transform``: ``mapping`` resolved against the result of ``apply``, and nothing else.

    ``prepare``: what is done to a whole mapping first; raises ``ValueError``.
    """
    if not isinstance(argument, dict):
        return failing('@transform requires an object with an "apply" key and a "mapping" key')
    for key in ("mapping", "apply"):
        if not truthy(argument.get(key, UNDEFINED)):
            return failing(f'@transform requires a "{key}" key')
    if not isinstance(argument["apply"], dict):
        return failing('@transform "apply" key should be an object')
    try:
        apply = prepare(argument["apply"])
    except ValueError as error:
        return failing(str(error))
    if wrong := problems(apply):
        return failing(" | ".join(wrong))
    return _transformed(build(apply), build(argument["mapping"], exact=exact))


def _transformed(applied: Expression, mapping: Expression) -> Expression:
    def column(roots: Roots) -> pd.Series:
        found = applied.column(roots)
        failed = _not_objects(roots)
        results = columns.cells(found) if failed is None else zipped(_first, [failed, found], len(roots))
        new_roots = [UNDEFINED if type(cell) is Failure else without_undefined(cell) for cell in results]
        made = mapping.column(Values(new_roots))
        broken = columns.any_failure(columns.objects(results))
        return made if broken is None else columns.choose(broken, columns.objects(results), made)

    return Expression(column, applied.paths)


def _first(failure: Value, result: Value) -> Value:
    return result if failure is UNDEFINED else failure


def _not_objects(roots: Roots) -> pd.Series | None:
    """Failures for roots that are no objects, which only items of arrays can be."""
    if not isinstance(roots, Values):
        return None
    return columns.objects([_not_object(root) for root in roots.whole()])


def _not_object(root: Value) -> Value:
    if isinstance(root, dict) or root is UNDEFINED:
        return UNDEFINED
    return Failure(f"data must be an object, got {kind(root)}")


__all__ = ["array_path", "flatten", "flattened", "merge", "transform"]
