"""``@arrayPath``: the items of an array, each resolved against a shape with the item as the root. Pure.

The items of all rows are resolved at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.columns.tracks import Values
from etl.transform.javascript.values import UNDEFINED, Value, kind, split_path, strip_root
from etl.transform.mapping.directive import Directive
from etl.transform.mapping.expression import Expression, at, failing
from etl.transform.mapping.validation import Place, array, problems, string_or_directive

if TYPE_CHECKING:
    import pandas as pd

    from etl.transform.columns.tracks import Roots
    from etl.transform.mapping.directive import Build


def _compile(argument: Any, build: Build) -> Expression:
    if not isinstance(argument, list):
        return failing(f"@arrayPath expected array, got {kind(argument)}")
    place, shape = [*argument, UNDEFINED, UNDEFINED][:2]
    source = at(split_path(strip_root(place))) if isinstance(place, str) else build(place, exact=build.exact)
    if not isinstance(shape, dict) or not shape:
        return source
    shaped = build(shape, exact=build.exact)

    def column(roots: Roots) -> pd.Series:
        cells = columns.cells(source.column(roots))
        groups = [
            cell if isinstance(cell, list) else [cell] if isinstance(cell, dict) else None for cell in cells
        ]
        items = [item for group in groups if group for item in group]
        made = iter(columns.cells(shaped.column(Values(items))))
        return columns.objects(
            [
                cell if group is None else _group([next(made) for _ in group])
                for cell, group in zip(cells, groups, strict=True)
            ]
        )

    return Expression(column, source.paths)


def _group(items: list[Value]) -> Value:
    return next((item for item in items if type(item) is Failure), items)


def _check(value: Any, place: Place) -> list[str]:
    if wrong := array(value, place):
        return wrong
    path, shape = [*value, UNDEFINED, UNDEFINED][:2]
    return string_or_directive(path, place) or problems(shape, place)


def _reads(argument: Any) -> list[str]:
    if not isinstance(argument, list):
        return []
    path = argument[0] if argument else ""
    return [strip_root(path) if isinstance(path, str) else ""]


def _values(argument: Any) -> Any:
    """The path is no value that is sent."""
    if isinstance(argument, list) and argument and isinstance(argument[0], str):
        return [None, *argument[1:]]
    return argument


DIRECTIVE = Directive(
    "@arrayPath",
    "`[path, shape]`: the array at the path, each item replaced by the shape, whose paths begin at the item. Without a "
    "shape, the array itself.",
    _compile,
    _check,
    reads=_reads,
    values=_values,
)
