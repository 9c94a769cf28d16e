"""The filters on arrays; texts and other values are taken as arrays where liquidjs does. Pure.

Source: liquidjs 10.30.1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from etl.transform.javascript import joined, units
from etl.transform.javascript.values import UNDEFINED, Value, is_number, text, truthy
from etl.transform.liquid.scope import Scope
from etl.transform.liquid.values import (
    added,
    as_list,
    equal,
    is_nothing,
    item,
    less,
    member,
    own,
    plain,
    to_number,
    true,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def _joined(scope: Scope, value: Value, separator: Value = UNDEFINED, *_: Value) -> str:
    items, glue = as_list(value), plain(separator)
    glue = " " if is_nothing(glue) else scope.printed(glue)
    scope.work(len(items))
    parts = ["" if is_nothing(one) else text(one) for one in items]
    scope.use(sum(map(len, parts)) + len(glue) * max(len(items) - 1, 0))
    return joined(scope.joined(glue, parts))


def _end(index: int) -> Callable[..., Value]:
    def found(_: Scope, value: Value, *__: Value) -> Value:
        value = plain(value)
        if isinstance(value, list) or (isinstance(value, str) and value):
            return item(units(value) if isinstance(value, str) else value, index)
        length = own(value, "length")
        if isinstance(value, dict) and is_number(length):
            return own(value, text(length + index if index < 0 else index))
        return ""

    return found


def _size(_: Scope, value: Value, *__: Value) -> Value:
    length = own(value, "length")
    return length if truthy(length) else 0


def _sum(scope: Scope, value: Value, key: Value = UNDEFINED, *_: Value) -> float:
    items, total = as_list(value), 0.0
    scope.work(len(items))
    keys = scope.printed(key).split(".") if truthy(key) else []
    for one in items:
        for name in keys:
            one = member(one, name)  # noqa: PLW2901 - walked down
        found = to_number(one)
        total += 0.0 if math.isnan(found) else found
    return total


def _slice(
    scope: Scope, value: Value, start: Value = UNDEFINED, length: Value = UNDEFINED, *_: Value
) -> Value:
    """JavaScript's own conversions and sums, so that a ``start`` in quotes is put before the length."""
    value = plain(value)
    if is_nothing(value):
        return []
    items = value if isinstance(value, list) else scope.printed(value)
    length = 1 if length is UNDEFINED else length
    start = added(len(items), start) if less(start, 0) else start
    if less(start, 0) or less(length, 0):
        return items[:0]
    scope.use(to_number(length))
    if isinstance(items, list):
        return items[_index(start, items) : _index(added(start, length), items)]
    begin = steps(start, items)
    return items[begin : begin + steps(length, items)]


def _index(value: Value, items: list[Value]) -> int:
    """An index as JavaScript's ``slice`` takes it."""
    found = to_number(value)
    if math.isnan(found):
        return 0
    return math.trunc(max(min(found, len(items)), -len(items)))


def steps(count: Value, characters: str) -> int:
    """How often ``for (i = 0; i < count; i++)`` runs, at most once a character."""
    found = to_number(count)
    return math.ceil(min(max(found, 0), len(characters))) if found == found else 0  # noqa: PLR0124 - NaN


def _where(
    scope: Scope, value: Value, key: Value = UNDEFINED, expected: Value = UNDEFINED, *_: Value
) -> Value:
    from etl.transform.liquid.expressions import path  # which looks up filters
    from etl.transform.liquid.tokens import Cursor

    items, source = as_list(value), units(scope.printed(key))
    scope.use(len(items))
    scope.work(len(items))
    cursor = Cursor(source, 0, len(source))
    cursor.blanks()
    look = path(cursor)
    found = []
    for one in items:
        inner = Scope(one, scope.steps)
        held = look(inner) if look else UNDEFINED
        if true(held) if expected is UNDEFINED else equal(held, expected):
            found.append(one)
    return found


def _changed(change: Callable[..., list[Value]]) -> Callable[..., Value]:
    """A filter that makes a new array of an old one."""

    def made(scope: Scope, value: Value, other: Value = UNDEFINED, *_: Value) -> list[Value]:
        items = as_list(value)
        scope.use(len(items))
        return change(items, scope.nested(other))

    return made


def _sampled(scope: Scope, value: Value, count: Value = UNDEFINED, *_: Value) -> Value:
    """The first ones: Segment takes any, and an event must have the same outcome each time."""
    value = plain(value)
    if is_nothing(value):
        return []
    items = value if isinstance(value, list) else list(scope.printed(value))
    scope.use(len(items))
    if count is UNDEFINED or (is_number(count) and count == 1):
        return item(items, 0)
    return items[: _index(count, items)]


ARRAYS: dict[str, Callable[..., Value]] = {
    "join": _joined,
    "first": _end(0),
    "last": _end(-1),
    "size": _size,
    "sum": _sum,
    "slice": _slice,
    "where": _where,
    "sample": _sampled,
    "compact": _changed(lambda items, _: [one for one in items if not is_nothing(plain(one))]),
    "push": _changed(lambda items, other: [*items, other]),
    "unshift": _changed(lambda items, other: [other, *items]),
    "pop": _changed(lambda items, _: items[:-1]),
    "shift": _changed(lambda items, _: items[1:]),
}
