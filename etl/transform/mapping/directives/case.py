"""``@case``: strings in lower or upper case. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.columns.texts import cased
from etl.transform.mapping.directive import Directive, without
from etl.transform.mapping.expression import NOTHING, Expression, derived, failing, given
from etl.transform.mapping.validation import members, optional, string, string_or_directive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.transform.mapping.directive import Build, Surprise


def _compile(argument: Any, build: Build) -> Expression:
    """An operator that is neither lower nor upper fails, but only for strings."""
    if not isinstance(argument, dict):
        return failing('@case requires an object with a "operator" key')
    if not given(argument, "operator"):
        return failing('@case requires a "operator" key')
    if not given(argument, "value"):
        return NOTHING
    source, operator = build(argument["value"]), argument["operator"]
    if operator in ("lower", "upper"):
        return derived(lambda column: cased(column, operator), source)
    wrong = Failure('operator key should have a value of "lower" or "upper"')
    return derived(
        lambda column: columns.apply(column, lambda cell: wrong if isinstance(cell, str) else cell), source
    )


def _lint(argument: Any) -> Iterator[Surprise]:
    operator = argument.get("operator") if isinstance(argument, dict) else None
    if isinstance(operator, str) and operator not in {"lower", "upper"}:
        yield (
            "case-operator",
            f'the operator "{operator}" fails for every text: Segment knows "lower" and "upper" exactly',
            'Write "lower" or "upper".',
        )


DIRECTIVE = Directive(
    "@case",
    "The text `value` in lower or upper case: `operator` is `lower` or `upper`.",
    _compile,
    members(operator=optional(string), value=optional(string_or_directive)),
    _lint,
    {"case-operator": "an operator @case does not know"},
    values=without("operator"),
)
