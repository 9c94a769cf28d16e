"""``@json``: a value as JSON text, or back, cell by cell. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.transform import columns
from etl.transform.javascript.values import UNDEFINED, Value
from etl.transform.json.text import parse, stringify
from etl.transform.mapping.directive import Directive, without
from etl.transform.mapping.expression import Expression, derived, failing, given
from etl.transform.mapping.validation import members, one_of, raw, required

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.transform.mapping.directive import Build, Surprise


def _compile(argument: Any, build: Build) -> Expression:
    """A ``mode`` in the wrong case passes validation and yields undefined."""
    if not isinstance(argument, dict):
        return failing('@json requires an object with a "value" key')
    for key in ("mode", "value"):
        if not given(argument, key):
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


def _lint(argument: Any) -> Iterator[Surprise]:
    mode = argument.get("mode") if isinstance(argument, dict) else None
    if isinstance(mode, str) and mode not in {"encode", "decode"} and mode.lower() in {"encode", "decode"}:
        yield (
            "json-mode-case",
            f'the mode "{mode}" is accepted and yields nothing: Segment runs "{mode.lower()}" only',
            f'Write "{mode.lower()}".',
        )


DIRECTIVE = Directive(
    "@json",
    "`value` as JSON text where `mode` is `encode`; where it is `decode`, what the JSON text `value` says.",
    _compile,
    members(value=required(raw), mode=required(one_of("encode", "decode"))),
    _lint,
    {"json-mode-case": "an @json mode in the wrong case yields nothing"},
    values=without("mode"),
)
