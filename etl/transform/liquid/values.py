"""What ``@liquid`` finds in an event and makes of it: names, paths, literals, comparisons, filters. Pure.

python-liquid's nodes hold what was parsed; evaluating them is ours, since JavaScript's values behave differently.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from io import StringIO
from typing import TYPE_CHECKING, Any

from liquid import RenderContext
from liquid.builtin.expressions import FilteredExpression, Path, logical, primitive

from etl.transform.javascript import double, text_number
from etl.transform.javascript.values import UNDEFINED, Value, entries, gets, is_number, text
from etl.transform.liquid.filters import DISABLED, FILTERS
from etl.transform.liquid.strings import LiquidRenderError

if TYPE_CHECKING:
    from liquid import BoundTemplate
    from liquid.expression import Expression

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{0,4})|([0-7]{1,3})|(.?))", re.DOTALL)
_LITERAL = re.compile(r"""\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'""", re.DOTALL)
_MARKUP = re.compile(rf"""\{{[{{%]-?(?:{_LITERAL.pattern}|(?![%}}]\}})[^"'])*""", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class StoppedError(Exception):
    """A ``break`` or ``continue`` was reached."""


class Scope(RenderContext):
    """One rendering: the root's fields, under what ``assign`` and ``capture`` set and what is counted."""

    def __init__(self, template: BoundTemplate, root: Value) -> None:
        fields = dict(entries(root)) if isinstance(root, (dict, list)) else {}
        super().__init__(template, globals=fields)
        self.fields = fields

    def render(self) -> str:
        """The whole template's text."""
        buffer = StringIO()
        with suppress(StoppedError):
            for node in self.template.nodes:
                node.render(self, buffer)
        return buffer.getvalue()

    def variable(self, name: Value) -> Value:
        """A top-level name."""
        key = text(name)
        return self.locals[key] if key in self.locals else self.fields.get(key, UNDEFINED)

    def increment(self, name: str) -> int:
        """The count before; counts are kept among the root's fields, as liquidjs keeps them."""
        count: int = self._count(name)
        self.fields[name] = count + 1
        return count

    def decrement(self, name: str) -> int:
        """The count after."""
        self.fields[name] = self._count(name) - 1
        return int(self.fields[name])

    def _count(self, name: str) -> Any:
        held = self.fields.get(name, UNDEFINED)
        return held if is_number(held) else 0


# ------------------------------------------------------------------------------------------- expressions


def evaluate(expression: Expression, scope: Scope) -> Value:  # noqa: C901, PLR0911 - one case a kind
    """The value of any expression that can be parsed."""
    match expression:
        case primitive.StringLiteral():
            return unescaped(expression.value)
        case primitive.Nil():
            return None
        case primitive.Empty() | primitive.Blank():
            return ""
        case primitive.RangeLiteral():
            return _range(evaluate(expression.start, scope), evaluate(expression.stop, scope))
        case primitive.Literal():
            return expression.value
        case Path():
            return _path(expression, scope)
        case FilteredExpression():
            return _filtered(expression, scope)
        case logical.BooleanExpression():
            return evaluate(expression.expression, scope)
        case logical.LogicalNotExpression():
            return not true(expression.right, scope)
        case logical.LogicalAndExpression():
            return true(expression.left, scope) and true(expression.right, scope)
        case logical.LogicalOrExpression():
            return true(expression.left, scope) or true(expression.right, scope)
    return _compared(expression, scope)


def true(expression: Expression, scope: Scope) -> bool:
    """Liquid's truth: everything but false, nil and what is missing."""
    value = evaluate(expression, scope)
    return value is not False and value is not None and value is not UNDEFINED


def _path(path: Path, scope: Scope) -> Value:
    head, *rest = [evaluate(part, scope) if isinstance(part, Path) else part for part in path.path]
    value = scope.variable(unescaped(head) if isinstance(head, str) else head)
    for key in rest:
        value = _property(value, key)
    return value


def _property(value: Value, key: Value) -> Value:  # noqa: PLR0911 - one case a kind
    """``value[key]``, with liquidjs's own ``size``, ``first`` and ``last``, and indices from the end."""
    if value is None or value is UNDEFINED:
        return value
    if isinstance(value, list) and is_number(key):
        return _item(value, int(double(key)))
    name = text(key)
    found = gets([value], (name,))[0] if isinstance(value, (dict, list, str)) and value != "" else UNDEFINED
    if value == "" and name == "length":
        return 0
    if found is not UNDEFINED or isinstance(value, (int, float)):
        return found
    if name == "size":
        return (
            len(value)
            if isinstance(value, (dict, list))
            else gets([value or [0]], ("length",))[0]
            if value
            else 0
        )
    if name in ("first", "last") and isinstance(value, list):
        return _item(value, 0 if name == "first" else -1)
    return UNDEFINED


def _item(value: list[Value], index: int) -> Value:
    return value[index] if -len(value) <= index < len(value) else UNDEFINED


def _filtered(expression: FilteredExpression, scope: Scope) -> Value:
    value = evaluate(expression.left, scope)
    for step in expression.filters or ():
        if step.name in DISABLED:
            raise LiquidRenderError(f'filter "{step.name}" is disabled')
        function = FILTERS.get(step.name)
        arguments = [
            [argument.name, evaluate(argument.value, scope)]
            if hasattr(argument, "name")
            else evaluate(argument.value, scope)
            for argument in step.args
        ]
        if function is not None:
            value = function(value, *arguments)
    return value


def _range(start: Value, stop: Value) -> list[Value]:
    low, high = (text_number(text(edge)) for edge in (start, stop))
    if not high - low < 1e6:
        raise LiquidRenderError("memory alloc limit exceeded")
    return list(range(int(low), int(high) + 1))


def with_plain_literals(source: str) -> str:
    """The template with quotes and braces inside its string literals as escapes: python-liquid ends them there."""
    return _MARKUP.sub(lambda markup: _LITERAL.sub(_plain_literal, markup[0]), source)


def _plain_literal(literal: re.Match[str]) -> str:
    quoted = literal[0]
    inner = re.sub(r"\\([\"'])|([{}%])", lambda match: f"\\u{ord(match[1] or match[2]):04x}", quoted[1:-1])
    return quoted[0] + inner + quoted[-1]


@lru_cache(maxsize=1024)
def unescaped(literal: str) -> str:
    """A string literal as liquidjs reads it, with JavaScript's escapes."""
    return _ESCAPE.sub(_escape, literal) if "\\" in literal else literal


def _escape(match: re.Match[str]) -> str:
    hexadecimal, octal, other = match.groups()
    if hexadecimal is not None:
        return chr(int(hexadecimal or "0", 16))
    return chr(int(octal, 8)) if octal else _ESCAPED.get(other, other)


# ------------------------------------------------------------------------------------------- comparisons


def _compared(expression: Expression, scope: Scope) -> bool:
    left, right = expression.left, expression.right  # type: ignore[attr-defined]
    match expression:
        case logical.EqExpression():
            return _equal_terms(left, right, scope)
        case logical.NeExpression():
            return not _equal_terms(left, right, scope)
        case logical.ContainsExpression():
            return _contains(evaluate(left, scope), evaluate(right, scope))
    if any(isinstance(side, (primitive.Nil, primitive.Empty, primitive.Blank)) for side in (left, right)):
        return False
    one, two = (_primitive(evaluate(side, scope)) for side in (left, right))
    if isinstance(one, str) and isinstance(two, str):
        return _ordered(expression, one, two)
    return _ordered(expression, _number(one), _number(two))


def _primitive(value: Value) -> Value:
    return text(value) if isinstance(value, (dict, list)) else value


def _ordered(expression: Expression, one: Any, two: Any) -> bool:
    match expression:
        case logical.LtExpression():
            return bool(one < two)
        case logical.GtExpression():
            return bool(one > two)
        case logical.LeExpression():
            return bool(one <= two)
    return bool(one >= two)


def _number(value: Value) -> float:
    """``Number(value)``: null is 0, what is missing is NaN."""
    if value is None or isinstance(value, bool):
        return float(value or 0)
    return (
        double(value)
        if is_number(value)
        else float("nan")
        if value is UNDEFINED
        else text_number(text(value))
    )


def _equal_terms(left: Expression, right: Expression, scope: Scope) -> bool:
    for literal, other in ((left, right), (right, left)):
        if isinstance(literal, primitive.Nil):
            value = evaluate(other, scope)
            return value is None or value is UNDEFINED
        if isinstance(literal, (primitive.Empty, primitive.Blank)):
            return _is_empty(evaluate(other, scope), also_blank=isinstance(literal, primitive.Blank))
    return equal(evaluate(left, scope), evaluate(right, scope))


def _is_empty(value: Value, *, also_blank: bool) -> bool:
    if isinstance(value, str):
        return not (value.strip() if also_blank else value)
    if isinstance(value, (dict, list)):
        return not value
    return also_blank and (value is None or value is UNDEFINED or value is False)


def equal(one: Value, two: Value) -> bool:
    """``===``, and arrays item by item."""
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(equal, one, two))
    if is_number(one) and is_number(two):
        return double(one) == double(two)
    if isinstance(one, str) and isinstance(two, str):
        return one == two
    return one is two


def _contains(container: Value, item: Value) -> bool:
    if isinstance(container, list):
        return any(equal(member, item) for member in container)
    return isinstance(container, str) and text(item) in container
