"""``@transform``: a mapping resolved against the result of another one, and nothing else. Pure.

The results of all rows are resolved at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.columns.tracks import Values
from etl.transform.javascript.values import UNDEFINED, Value, kind, without_undefined
from etl.transform.mapping.directive import Directive, prepare
from etl.transform.mapping.expression import Expression, failing, given, zipped
from etl.transform.mapping.validation import members, object_or_directive, required

if TYPE_CHECKING:
    import pandas as pd

    from etl.transform.columns.tracks import Roots
    from etl.transform.mapping.directive import Build


def _compile(argument: Any, build: Build) -> Expression:
    """What is wrong with ``apply`` fails each event for which it is reached."""
    if not isinstance(argument, dict):
        return failing('@transform requires an object with an "apply" key and a "mapping" key')
    for key in ("mapping", "apply"):
        if not given(argument, key):
            return failing(f'@transform requires a "{key}" key')
    if not isinstance(argument["apply"], dict):
        return failing('@transform "apply" key should be an object')
    try:
        apply = prepare(argument["apply"])
    except ValueError as error:
        return failing(str(error))
    if wrong := build.problems(apply):
        return failing(" | ".join(wrong))
    return _transformed(build(apply), build(argument["mapping"], exact=build.exact))


def _transformed(applied: Expression, mapping: Expression) -> Expression:
    def column(roots: Roots) -> pd.Series:
        made = applied.column(roots)
        failed = _not_objects(roots)
        results = columns.cells(made) if failed is None else zipped(_first, [failed, made], len(roots))
        new_roots = [UNDEFINED if type(cell) is Failure else without_undefined(cell) for cell in results]
        mapped = mapping.column(Values(new_roots))
        broken = columns.any_failure(columns.objects(results))
        return mapped if broken is None else columns.choose(broken, columns.objects(results), mapped)

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


DIRECTIVE = Directive(
    "@transform",
    "`mapping` resolved against the result of the mapping `apply` instead of the event.",
    _compile,
    members(apply=required(object_or_directive), mapping=required(object_or_directive)),
)
