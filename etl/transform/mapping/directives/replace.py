"""``@replace``: plain text replaced by plain text. Pure."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.columns.texts import replaced, replaced_column, scalar_text
from etl.transform.javascript import has_surrogate, units
from etl.transform.javascript.values import Value, is_number, text
from etl.transform.mapping.directive import Directive, without
from etl.transform.mapping.expression import NOTHING, Expression, derived, failing, given
from etl.transform.mapping.validation import (
    Place,
    boolean,
    members,
    optional,
    required,
    string,
    string_or_directive,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from etl.transform.mapping.directive import Build, Surprise

#: UTF-16 units that ``pattern`` and ``replacement`` may have.
MAX_LENGTH = 10


def _compile(argument: Any, build: Build) -> Expression:
    """Of strings, and of numbers and booleans as text; anything else becomes ``''``."""
    if not isinstance(argument, dict):
        return failing('@replace requires an object with a "pattern" key')
    if not given(argument, "pattern"):
        return failing('@replace requires a "pattern" key')
    if not given(argument, "value"):
        return NOTHING
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
    """What is replaced by what, in order; None where an option is of the wrong type."""
    first = (argument["pattern"], _or_empty(argument, "replacement"))
    options = (argument.get("ignorecase"), argument.get("global"))
    if not all(isinstance(part, str) for part in first) or not all(
        o is None or isinstance(o, bool) for o in options
    ):
        return None
    second = (argument.get("pattern2"), _or_empty(argument, "replacement2"))
    steps = (
        [first, second]
        if given(argument, "pattern2") and all(isinstance(part, str) for part in second)
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
        steps if name is None else Failure(f'@replace requires a "{name}" less than {MAX_LENGTH} characters')
    )


def _or_empty(argument: dict[str, Any], key: str) -> Any:
    part = argument.get(key)
    return "" if part is None else part


def _is_long(part: str) -> bool:
    return len(units(part)) > MAX_LENGTH


def _is_text(cell: Value) -> bool:
    return isinstance(cell, (str, bool)) or is_number(cell)


def _replaced(column: pd.Series, steps: list[tuple[str, str]], how: dict[str, bool]) -> pd.Series:
    if not columns.is_objects(column) and not any(has_surrogate(part) for step in steps for part in step):
        array = columns.arrow(column)
        if columns.is_scalar(array):
            texts = scalar_text(array)
            for pattern, replacement in steps:
                texts = replaced_column(texts, pattern, replacement, **how)
            return columns.series(pc.fill_null(texts, ""))
    return columns.apply(column, lambda cell: _replaced_cell(cell, steps, how))


def _replaced_cell(cell: Value, steps: list[tuple[str, str]], how: dict[str, bool]) -> str:
    if not _is_text(cell):
        return ""
    written = text(cell)
    for pattern, replacement in steps:
        written = replaced(written, pattern, replacement, **how)
    return written


def _check_length(value: Any, place: Place, *, least: int) -> list[str]:
    if wrong := string(value, place):
        return wrong
    if len(units(value)) < least:
        return place.problem(f"should be a string of length {least} or greater")
    if _is_long(value):
        return place.problem(f"should be a string of length {MAX_LENGTH} or less")
    return []


def _lint(argument: Any) -> Iterator[Surprise]:
    if not isinstance(argument, dict):
        return
    texts = [argument.get(name) for name in ("replacement", "replacement2")]
    if any(isinstance(text, str) and re.search(r"\$[$&`']", text) for text in texts):
        yield (
            "replace-dollar",
            "$$, $&, $` and $' in a replacement stand for parts of the text, as in JavaScript",
            "Write $$ for a dollar sign.",
        )
    patterns = [argument.get(name) for name in ("pattern", "pattern2")]
    if any(
        isinstance(text, str) and re.search(r"\\[dwsb]|\.\*|\.\+|^\^.|.\$$|\[.+\]", text) for text in patterns
    ):
        yield (
            "replace-literal",
            "the pattern looks like a regular expression, and Segment searches for it as plain text",
            "Use @liquid for more than plain text.",
        )


DIRECTIVE = Directive(
    "@replace",
    "`value` with `pattern` replaced by `replacement`: plain text of up to 10 characters each, everywhere unless "
    "`global` is false, in any case if `ignorecase` is true; then the same with `pattern2` and `replacement2`.",
    _compile,
    members(
        pattern=required(partial(_check_length, least=1)),
        replacement=optional(partial(_check_length, least=0)),
        value=required(string_or_directive),
        ignorecase=optional(boolean),
        global_=optional(boolean),
    ),
    _lint,
    {
        "replace-dollar": "dollar signs in a replacement have a meaning",
        "replace-literal": "a pattern that looks like a regular expression",
    },
    values=without("pattern", "replacement", "pattern2", "replacement2"),
)
