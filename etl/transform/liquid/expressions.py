"""Expressions, compiled once into closures over a ``Scope``: values, paths, operators, ranges and filters. Pure.

Source: liquidjs 10.30.1. It reads operators and values one after the other, whatever their order, and puts them in
postfix order; what is left over after the first result is evaluated and dropped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from etl.transform.javascript import joined, text_number
from etl.transform.javascript.values import UNDEFINED, Value
from etl.transform.liquid import values
from etl.transform.liquid.filters import DISABLED, FILTERS
from etl.transform.liquid.scope import Scope, ThrownError
from etl.transform.liquid.tokens import QUOTED_LITERAL, WORD

if TYPE_CHECKING:
    from etl.transform.liquid.tokens import Cursor

Evaluate = Callable[[Scope], Value]

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{0,4})|([0-7]{1,3})|(.?))", re.DOTALL)
_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_NUMBER = re.compile(rf"[+-]?[0-9]+(?:\.(?!\.)[0-9]*)?(?!\.(?!\.)|{WORD})")
_LITERAL = re.compile(rf"(?:true|false|nil|null|empty|blank)(?!{WORD})")
_OPERATOR = re.compile(rf"==|!=|>=|<=|>|<|(?:contains|not|and|or)(?!{WORD})")
_BINDING: Final = {"not": 1, "and": 0, "or": 0}

_BINARY: Final[dict[str, Callable[[Value, Value], bool]]] = {
    "==": values.equal,
    "!=": lambda one, two: not values.equal(one, two),
    "<": lambda one, two: not _has_word(one, two) and values.less(one, two),
    ">": lambda one, two: not _has_word(one, two) and values.less(two, one),
    "<=": lambda one, two: not _has_word(one, two) and values.at_most(one, two),
    ">=": lambda one, two: not _has_word(one, two) and values.at_most(two, one),
    "contains": values.holds,
    "and": lambda one, two: values.true(one) and values.true(two),
    "or": lambda one, two: values.true(one) or values.true(two),
}


class Operand(NamedTuple):
    """A value as written, and what it evaluates to."""

    text: str
    value: Evaluate


def _has_word(one: Value, two: Value) -> bool:
    return type(one) is values.Drop or type(two) is values.Drop


def constant(value: Value) -> Evaluate:
    """The same value in every rendering."""
    return lambda _: value


def filtered(cursor: Cursor) -> Evaluate:
    """An expression and its filters; raises ``LiquidError``."""
    value = expression(cursor)
    if value is None:
        cursor.fail(f"invalid value expression: {cursor.rest()}")
    while step := _filter(cursor):
        value = _piped(value, *step)
    return value


# ---------------------------------------------------------------------------------------- operators


def expression(cursor: Cursor) -> Evaluate | None:
    """What operators and values come to; None where there are none."""
    postfix: list[Evaluate | str] = []
    waiting: list[str] = []
    while True:
        cursor.blanks()
        if operator := cursor.take(_OPERATOR):
            while waiting and _BINDING.get(waiting[-1], 2) > _BINDING.get(operator, 2):
                postfix.append(waiting.pop())
            waiting.append(operator)
        elif found := operand(cursor):
            postfix.append(found.value)
        else:
            break
    return _combined([*postfix, *reversed(waiting)])


def _combined(postfix: list[Evaluate | str]) -> Evaluate | None:
    stack: list[Evaluate] = []
    for part in postfix:
        if not isinstance(part, str):
            stack.append(part)
            continue
        right = stack.pop() if stack else constant(UNDEFINED)
        if part == "not":
            stack.append(_negated(right))
        else:
            stack.append(_compared(_BINARY[part], stack.pop() if stack else constant(UNDEFINED), right))
    return _first(stack) if len(stack) > 1 else stack[0] if stack else None


def _negated(value: Evaluate) -> Evaluate:
    return lambda scope: not values.true(value(scope))


def _compared(operator: Callable[[Value, Value], bool], left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scope: operator(left(scope), right(scope))


def _first(stack: list[Evaluate]) -> Evaluate:
    return lambda scope: [value(scope) for value in stack][0]  # noqa: RUF015 - each may fail


# --------------------------------------------------------------------------------------------- values


def operand(cursor: Cursor) -> Operand | None:
    """A literal, a range or a path; None where none is."""
    cursor.blanks()
    start = cursor.at
    base: Evaluate | None = None
    if word := cursor.take(_LITERAL):
        base = constant(values.LITERALS[word])
    elif quoted := cursor.take(QUOTED_LITERAL):
        base = constant(unquoted(quoted))
    elif number := cursor.take(_NUMBER):
        base = constant(text_number(number))
    elif cursor.peek() == "(":
        base = _range(cursor)
    value = path(cursor, base)
    return None if value is None else Operand(joined(cursor.source[start : cursor.at]), value)


def path(cursor: Cursor, base: Evaluate | None = None) -> Evaluate | None:
    """``.name`` and ``[value]`` behind ``base``, else a name of the scope first; None where nothing is."""
    keys: list[str | Evaluate] = []
    while True:
        if cursor.peek() == "[":
            cursor.at += 1
            inner = operand(cursor)
            if not cursor.past("]"):
                cursor.fail("[ not closed")
            keys.append(inner.value if inner else "")
        elif base is None and not keys and (name := cursor.name()):
            keys.append(name)
        elif cursor.peek() == "." and cursor.peek(1) != ".":
            cursor.at += 1
            if not (name := cursor.name()):
                break
            keys.append(name)
        else:
            break
    return _looked_up(keys, base) if keys else base


def _looked_up(keys: list[str | Evaluate], base: Evaluate | None) -> Evaluate:
    names = [key for key in keys if isinstance(key, str)]
    if base is None and len(names) == len(keys):
        return _named(names[0], names[1:])
    parts = [constant(key) if isinstance(key, str) else key for key in keys]

    def value(scope: Scope) -> Value:
        found = [values.plain(part(scope)) for part in parts]
        at = base(scope) if base else scope.variable(found.pop(0))
        for key in found:
            at = values.member(at, key)
        return at

    return value


def _named(head: str, rest: list[str]) -> Evaluate:
    """The common case: names and dots alone."""
    special = {"size", "first", "last"}.intersection(rest)

    def value(scope: Scope) -> Value:
        found = scope.variable(head)
        for key in rest:
            if type(found) is dict and not special:
                found = found.get(key, UNDEFINED)
            else:
                found = values.member(found, key)
        return found

    return value


def _range(cursor: Cursor) -> Evaluate:
    cursor.at += 1
    low = _needed(cursor)
    cursor.blanks()
    if not (cursor.peek() == "." and cursor.peek(1) == "."):
        cursor.fail("invalid range syntax")
    cursor.at += 2
    high = _needed(cursor)
    cursor.blanks()
    cursor.at += 1
    if cursor.source[cursor.at - 1 : cursor.at] != ")":
        cursor.fail("invalid range syntax")
    return lambda scope: _numbers(scope, low(scope), high(scope))


def _needed(cursor: Cursor) -> Evaluate:
    found = operand(cursor)
    if not found:
        cursor.fail(f"unexpected token {cursor.rest()}, value expected")
    return found.value


def _numbers(scope: Scope, low: Value, high: Value) -> list[Value]:
    first, last = values.to_number(low), values.to_number(high)
    scope.use(last - first + 1)
    length = math.ceil(last + 1 - first) if last + 1 > first else 0
    scope.work(length)
    return [first + step for step in range(length)]


def unquoted(literal: str) -> str:
    """A literal without its quotes, JavaScript's escapes read; what ends one that is not closed goes, unless escaped."""
    body = literal[1:]
    last = len(body) - 1
    ends = [match.end() for match in _ESCAPE.finditer(body) if match.start() < last]
    return joined(_ESCAPE.sub(_unescaped, body[: max(last, 0, *ends)]))


def _unescaped(match: re.Match[str]) -> str:
    hexadecimal, octal, other = match.groups()
    if hexadecimal is not None:
        return chr(int(hexadecimal or "0", 16))
    return chr(int(octal, 8)) if octal else _ESCAPED.get(other, other)


# -------------------------------------------------------------------------------------------- filters


def _filter(cursor: Cursor) -> tuple[str, list[Evaluate]] | None:
    """The next filter's name and arguments; None at the end, and where liquidjs stops reading."""
    cursor.blanks()
    if cursor.done() or cursor.peek() in "),":
        return None
    cursor.at += 1
    if cursor.source[cursor.at - 1] != "|":
        cursor.fail('expected "|" before filter')
    name = cursor.name()
    if not name:
        if not cursor.done():
            cursor.fail("expected filter name")
        return None
    cursor.blanks()
    if cursor.peek() == ":":
        return name, _arguments(cursor)
    if cursor.peek() not in ("|", ")", ",", ""):
        cursor.fail('expected ":" after filter name')
    return name, []


def _arguments(cursor: Cursor) -> list[Evaluate]:
    found: list[Evaluate] = []
    while True:
        cursor.at += 1
        if one := _argument(cursor):
            found.append(one)
        cursor.blanks()
        if cursor.peek() not in ("", ",", "|", ")"):
            cursor.fail(f"unexpected character {cursor.rest()}")
        if cursor.peek() != ",":
            return found


def _argument(cursor: Cursor) -> Evaluate | None:
    """A value, or ``key: value``, which filters get as an array of both."""
    key = operand(cursor)
    if not key:
        return None
    cursor.blanks()
    if cursor.peek() != ":":
        return key.value
    cursor.at += 1
    value = operand(cursor)
    return lambda scope: [key.text, value.value(scope) if value else UNDEFINED]


def _piped(value: Evaluate, name: str, arguments: list[Evaluate]) -> Evaluate:
    if name in DISABLED:
        return lambda scope: _refused(name, [value(scope), *(one(scope) for one in arguments)])
    function = FILTERS.get(name, _unchanged)
    if not arguments:
        return lambda scope: function(scope, value(scope))
    if len(arguments) == 1:
        only = arguments[0]
        return lambda scope: function(scope, value(scope), only(scope))
    return lambda scope: function(scope, value(scope), *[one(scope) for one in arguments])


def _refused(name: str, _: list[Value]) -> Value:
    raise ThrownError(f'filter "{name}" is disabled')


def _unchanged(_: Scope, value: Value, *__: Value) -> Value:
    return value
