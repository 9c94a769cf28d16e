"""The tags and expressions of ``@liquid``, evaluated as liquidjs does. Pure.

python-liquid's nodes hold what was parsed; evaluating them is ours, since JavaScript's values behave differently.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from io import StringIO
from typing import TYPE_CHECKING, Any, NoReturn

from liquid import RenderContext
from liquid.ast import BlockNode, Node
from liquid.builtin.content import Literal
from liquid.builtin.expressions import FilteredExpression, Path, logical, primitive, tokenize
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.illegal import Illegal
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.assign_tag import AssignNode, AssignTag
from liquid.builtin.tags.capture_tag import CaptureTag
from liquid.builtin.tags.comment_tag import CommentTag
from liquid.builtin.tags.cycle_tag import CycleNode, CycleTag
from liquid.builtin.tags.decrement_tag import DecrementTag
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.builtin.tags.increment_tag import IncrementTag
from liquid.builtin.tags.inline_comment_tag import InlineCommentTag
from liquid.builtin.tags.liquid_tag import LiquidTag
from liquid.exceptions import LiquidSyntaxError
from liquid.parser import get_parser
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import TOKEN_ASSIGN, TOKEN_DPIPE, TOKEN_EOF, TOKEN_EXPRESSION, TOKEN_OUTPUT, TOKEN_PIPE, TOKEN_TAG

from etl.transform.javascript import double, text_number
from etl.transform.liquid_filters import DISABLED, FILTERS, LiquidRenderError, stringified
from etl.transform.values import UNDEFINED, Value, entries, gets, is_number, text

if TYPE_CHECKING:
    from typing import TextIO

    from liquid import BoundTemplate
    from liquid.expression import Expression
    from liquid.token import Token

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{0,4})|([0-7]{1,3})|(.?))", re.DOTALL)
_LITERAL = re.compile(r"""\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'""", re.DOTALL)
_MARKUP = re.compile(rf"""\{{[{{%]-?(?:{_LITERAL.pattern}|(?![%}}]\}})[^"'])*""", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class _StoppedError(Exception):
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
        with suppress(_StoppedError):
            for node in self.template.nodes:
                node.render(self, buffer)
        return buffer.getvalue()

    def variable(self, name: Value) -> Value:
        """A top-level name."""
        key = text(name)
        return self.locals[key] if key in self.locals else self.fields.get(key, UNDEFINED)

    def increment(self, name: str) -> int:
        """The count before; counts are kept among the root's fields, as liquidjs keeps them."""
        count = self._count(name)
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


def evaluate(expression: Expression, scope: Scope) -> Value:
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


def _property(value: Value, key: Value) -> Value:
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
        return len(value) if isinstance(value, (dict, list)) else gets([value or [0]], ("length",))[0] if value else 0
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
            [argument.name, evaluate(argument.value, scope)] if hasattr(argument, "name") else evaluate(argument.value, scope)
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
    return double(value) if is_number(value) else float("nan") if value is UNDEFINED else text_number(text(value))


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


# -------------------------------------------------------------------------------------------------- tags


def _filtered_value(tag: Tag, tokens: TokenStream) -> FilteredExpression:
    """What comes before the filters may be a comparison; what follows it up to the first filter is ignored."""
    left = logical.parse_boolean_primitive(tag.env, tokens)
    while tokens.current.kind not in (TOKEN_PIPE, TOKEN_EOF):
        if tokens.current.kind in (TOKEN_ASSIGN, TOKEN_DPIPE):
            raise LiquidSyntaxError('expected "|" before filter', token=tokens.current)
        next(tokens)
    filters = Filter.parse(tag.env, tokens, delim=(TOKEN_PIPE,))
    tokens.eat(TOKEN_EOF)
    return FilteredExpression(left.token, left, filters)


class _OutputNode(OutputNode):
    def render_to_output(self, context: Any, buffer: TextIO) -> int:
        return buffer.write(stringified(evaluate(self.expression, context)))


class _Output(Output):
    node_class = _OutputNode

    def parse(self, stream: TokenStream) -> OutputNode:
        token = stream.eat(TOKEN_OUTPUT)
        inner = stream.expect(TOKEN_EXPRESSION)
        if not inner.value.strip():
            raise LiquidSyntaxError('invalid value expression: ""', token=token)
        source = re.sub(r"\|\s*$", "", inner.value)
        return self.node_class(token, _filtered_value(self, TokenStream(tokenize(source, inner))))


class _Echo(EchoTag):
    node_class = _OutputNode

    def parse(self, stream: TokenStream) -> Node:
        token = stream.eat(TOKEN_TAG)
        if stream.current.kind != TOKEN_EXPRESSION:
            return self.node_class(token, primitive.Nil(token))
        return self.node_class(token, _filtered_value(self, stream.into_inner(tag=token, eat=False)))


class _Branches(Node):
    """``if`` and ``unless``: the first branch whose condition holds; None as a condition always does."""

    __slots__ = ("branches", "negated")

    def __init__(self, token: Token, branches: list[tuple[Expression | None, BlockNode]], *, negated: bool) -> None:
        super().__init__(token)
        self.blank = False
        self.branches = branches
        self.negated = negated

    def render_to_output(self, context: Any, buffer: TextIO) -> int:
        for i, (condition, block) in enumerate(self.branches):
            if condition is None or true(condition, context) is not (self.negated and i == 0):
                return block.render(context, buffer)
        return 0


class _If(Tag):
    name = "if"
    end = "endif"
    negated = False

    def parse(self, stream: TokenStream) -> Node:
        token = stream.eat(TOKEN_TAG)
        branches = [(self._condition(stream, token), self._block(stream))]
        while not stream.current.is_tag(self.end):
            branch = stream.eat(TOKEN_TAG)
            if branches[-1][0] is None:
                raise LiquidSyntaxError(f"unexpected {branch.value} after else", token=branch)
            if branch.value == "elsif":
                branches.append((self._condition(stream, branch), self._block(stream)))
            else:
                _skip_expression(stream)
                branches.append((None, self._block(stream)))
        return _Branches(token, branches, negated=self.negated)

    def _condition(self, stream: TokenStream, token: Token) -> Expression | None:
        return _filtered_value(self, stream.into_inner(tag=token))

    def _block(self, stream: TokenStream) -> BlockNode:
        return get_parser(self.env).parse_block(stream, frozenset((self.end, "elsif", "else")))


class _Unless(_If):
    name = "unless"
    end = "endunless"
    negated = True


def _skip_expression(stream: TokenStream) -> None:
    if stream.current.kind == TOKEN_EXPRESSION:
        next(stream)


class _StopNode(Node):
    def render_to_output(self, context: Any, buffer: TextIO) -> int:
        raise _StoppedError


class _Stop(Tag):
    """``break`` and ``continue`` outside of loops, which are disabled, end the template."""

    name = "break"
    block = False

    def parse(self, stream: TokenStream) -> Node:
        token = stream.eat(TOKEN_TAG)
        _skip_expression(stream)
        return _StopNode(token)


class _Continue(_Stop):
    name = "continue"


class _AssignNode(AssignNode):
    def render_to_output(self, context: Any, _: TextIO) -> int:
        context.assign(str(self.name), evaluate(self.expression, context))
        return 0


class _Assign(AssignTag):
    node_class = _AssignNode


class _CycleNode(CycleNode):
    def render_to_output(self, context: Any, buffer: TextIO) -> int:
        group = evaluate(self.group, context) if self.group else UNDEFINED
        key = f"cycle:{text(group)}:{','.join(map(str, self.args))}"
        chosen = self.args[context.cycle(key, len(self.args))]
        return buffer.write(stringified(evaluate(chosen, context)))


class _Cycle(CycleTag):
    node_class = _CycleNode


def _disabled(tag_name: str) -> type[Tag]:
    def parse(_self: Tag, stream: TokenStream) -> NoReturn:
        raise LiquidSyntaxError(f'tag "{tag_name}" is disabled', token=stream.current)

    return type(f"Disabled_{tag_name}", (Tag,), {"name": tag_name, "parse": parse, "block": False})


TAGS: list[type[Tag]] = [
    Literal, _Output, Illegal, _If, _Unless, _Stop, _Continue, CommentTag, CaptureTag, _Cycle, _Assign, IncrementTag, DecrementTag,
    _Echo, LiquidTag, InlineCommentTag,
    *map(_disabled, ("case", "for", "include", "layout", "render", "tablerow")),
]  # fmt: skip
