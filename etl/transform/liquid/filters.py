"""All filters by name: those Segment disables, and those of the other modules beside the few that take anything. Pure.

A filter is called with the scope, the value and the arguments that are there. Source: liquidjs 10.30.1, and the list
of disabled filters in Segment's mapping kit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.transform.javascript.values import UNDEFINED, Value, is_number, text, truthy
from etl.transform.json.text import stringify
from etl.transform.liquid.arrays import ARRAYS
from etl.transform.liquid.dates import DATES
from etl.transform.liquid.markup import MARKUP
from etl.transform.liquid.maths import MATHS
from etl.transform.liquid.scope import ThrownError
from etl.transform.liquid.strings import STRINGS
from etl.transform.liquid.values import plain, to_number, true

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.transform.liquid.scope import Scope

DISABLED = frozenset((
    "array_to_sentence_string", "concat", "find", "find_exp", "find_index", "find_index_exp", "group_by", "group_by_exp",
    "has", "has_exp", "map", "newline_to_br", "reject", "reject_exp", "reverse", "sort", "sort_natural", "uniq", "where_exp", "type",
))  # fmt: skip
_MAX_INDENT = 10
_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{][\]}]|[\[\]{},:]|[^\[\]{},:"]+')


def _default(_: Scope, value: Value, other: Value = UNDEFINED, *options: Value) -> Value:
    value = plain(value)
    if isinstance(value, (str, list)):
        return value or other
    if value is False and truthy(_named(options).get("allow_false")):
        return False
    return value if true(value) else other


def _named(options: tuple[Value, ...]) -> dict[str, Value]:
    """Arguments with names, which are arrays of both; JavaScript makes no map of anything but objects."""
    for one in options:
        if not isinstance(one, (dict, list)):
            raise ThrownError(f"Iterator value {text(one)} is not an entry object")
    return {
        one[0]: one[1]
        for one in options
        if isinstance(one, list) and len(one) > 1 and isinstance(one[0], str)
    }


def _json(scope: Scope, value: Value, space: Value = UNDEFINED, *_: Value) -> Value:
    """``JSON.stringify``, with its indentation by a number or a text."""
    written = stringify(value)
    if written is None:
        return UNDEFINED
    scope.use(len(written))
    scope.work(len(written) // 4)
    if is_number(space) and to_number(space) > 0:
        return _indented(written, " " * int(min(to_number(space), _MAX_INDENT)))
    return _indented(written, space[:_MAX_INDENT]) if isinstance(space, str) and space else written


def _indented(written: str, gap: str) -> str:
    out, depth = [], 0
    for part in _JSON.findall(written):
        if part in "]}":
            depth -= 1
            out.append("\n" + gap * depth)
        out.append(part)
        if part in "[{":
            depth += 1
        if part in "[{,":
            out.append("\n" + gap * depth)
        elif part == ":":
            out.append(" ")
    return "".join(out)


FILTERS: dict[str, Callable[..., Value]] = {
    **MATHS, **ARRAYS, **STRINGS, **MARKUP, **DATES, "default": _default, "json": _json, "jsonify": _json, "inspect": _json,
}  # fmt: skip
