"""``@merge``: the keys of several objects. Pure.

Structs stay typed and whole; JSON values go row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from etl.transform import columns
from etl.transform.columns import typed
from etl.transform.javascript.values import UNDEFINED, Value, entries, kind
from etl.transform.mapping.directive import Directive, without
from etl.transform.mapping.expression import Expression, failing, given, union, zipped
from etl.transform.mapping.validation import (
    Place,
    array,
    is_directive,
    members,
    object_or_directive,
    one_of,
    optional,
    required,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from etl.transform.columns.tracks import Roots
    from etl.transform.mapping.directive import Build, Surprise


def _compile(argument: Any, build: Build) -> Expression:
    """``Object.assign`` of the objects, from the last one back if ``direction`` is exactly ``left``."""
    if not isinstance(argument, dict):
        return failing('@merge requires an object with an "objects" key and a "direction" key')
    for key in ("direction", "objects"):
        if not given(argument, key):
            return failing(f'@merge requires a "{key}" key')
    if not isinstance(argument["objects"], list):
        return failing(f"@merge: expected opts.array, got {kind(argument['objects'])}")
    direction = build(argument["direction"])
    objects = [build(member, exact=True) for member in argument["objects"]]
    exact, quick = build.exact, _typed_merge(argument, direction, build)

    def cell(way: Value, *parts: Value) -> dict[str, Value]:
        merged: dict[str, Value] = {}
        for part in reversed(parts) if way == "left" else parts:
            merged.update(entries(part))
        return merged if exact else {key: member for key, member in merged.items() if member is not UNDEFINED}

    def column(roots: Roots) -> pd.Series:
        if not exact and quick is not None and (whole := quick(roots)) is not None:
            return whole
        parts = [expression.column(roots) for expression in (direction, *objects)]
        return columns.objects(zipped(cell, parts, len(roots)))

    return Expression(column, union([direction, *objects]))


def _typed_merge(
    argument: dict[str, Any], direction: Expression, build: Build
) -> Callable[[Roots], pd.Series | None] | None:
    """Merges structs at a ``@path`` and objects written out in the mapping, whole columns at a time.

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
        column = source.column(roots)
        if columns.is_objects(column) or not pa.types.is_struct(columns.arrow(column).type):
            return None
        merged |= _laid_over(merged, columns.arrow(column))
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


_check_members = members(direction=optional(one_of("left", "right")), objects=required(array))


def _check(value: Any, place: Place) -> list[str]:
    """Segment reports the first problem of an object only, as if the object were the whole mapping."""
    if wrong := _check_members(value, place):
        return wrong
    outermost = Place(place.directives)
    each = (object_or_directive(member, outermost) for member in value["objects"])
    return next((wrong for wrong in each if wrong), [])


def _lint(argument: Any) -> Iterator[Surprise]:
    if not isinstance(argument, dict):
        return
    direction = argument.get("direction")
    if direction is None:
        yield (
            "merge-direction",
            "without a direction @merge fails for every event",
            'Add "direction": "right" (later objects win) or "left" (earlier ones win).',
        )
    elif isinstance(direction, str) and direction != direction.lower():
        outcome = "later objects win" if direction.lower() == "left" else "it works by accident"
        yield (
            "merge-direction",
            f'the direction "{direction}" is accepted and means "right": {outcome}',
            f'Write "{direction.lower()}".',
        )


DIRECTIVE = Directive(
    "@merge",
    "The keys of all `objects` as one object. Where two have a key, the later one's wins if `direction` is `right`, the "
    "earlier one's if it is `left`.",
    _compile,
    _check,
    _lint,
    {"merge-direction": "an @merge without a direction, or in the wrong case"},
    values=without("direction"),
)
