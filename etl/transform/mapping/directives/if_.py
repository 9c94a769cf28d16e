"""``@if``: one of two values, by whether a third is there. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.javascript.values import blank
from etl.transform.mapping.directive import Directive
from etl.transform.mapping.expression import NOTHING, Expression, failing, given, union
from etl.transform.mapping.validation import members, optional, raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from etl.transform.columns.tracks import Roots
    from etl.transform.mapping.directive import Build, Surprise


def _compile(argument: Any, build: Build) -> Expression:
    """``exists`` wins over ``blank``; ``blank`` is inverted; a falsy literal ``else`` is ignored."""
    if not isinstance(argument, dict):
        return failing('@if requires an object with an "exists" key')
    if not given(argument, "exists") and not given(argument, "blank"):
        return failing('@if requires an "exists" key or a "blank" key')
    tested = build(argument["exists" if "exists" in argument else "blank"])
    test = columns.exists if "exists" in argument else _filled
    then = build(argument["then"], exact=build.exact) if "then" in argument else NOTHING
    other = build(argument["else"], exact=build.exact) if given(argument, "else") else NOTHING

    def column(roots: Roots) -> pd.Series:
        values = tested.column(roots)
        chosen = _chosen(test(values), then, other, roots)
        failed = columns.any_failure(values)
        return chosen if failed is None else columns.choose(failed, values, chosen)

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


def _lint(argument: Any) -> Iterator[Surprise]:
    if not isinstance(argument, dict):
        return
    if "blank" in argument and "exists" not in argument:
        yield (
            "if-blank",
            '"blank" is inverted in Segment: "then" is taken when the value is not blank',
            'Swap "then" and "else" if the opposite is meant, or use "exists".',
        )
    if "else" in argument and argument["else"] in (0, "", False, None):
        yield (
            "if-else-ignored",
            'an "else" of null, 0, false or "" is ignored: the value is missing then',
            'Take it out, or write {"@literal": …} around it.',
        )
    tested = argument.get("exists")
    if isinstance(tested, dict) and not {"@template", "@liquid", "@replace"}.isdisjoint(tested):
        yield (
            "if-exists-template",
            'a template always exists, be it empty: "else" is never taken',
            'Test the path itself: {"@path": …}.',
        )


DIRECTIVE = Directive(
    "@if",
    "`then` where `exists` is neither missing nor null, else `else`. With `blank` instead of `exists`, Segment takes "
    "`then` where the value is *not* blank.",
    _compile,
    members(exists=optional(raw), then=optional(raw), else_=optional(raw)),
    _lint,
    {
        "if-blank": '"blank" is inverted',
        "if-else-ignored": 'an "else" of null, 0, false or "" is ignored',
        "if-exists-template": "a template always exists",
    },
)
