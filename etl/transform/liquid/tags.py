"""The tags of ``@liquid``, as liquidjs renders them. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from liquid.ast import BlockNode, Node
from liquid.builtin.content import Literal
from liquid.builtin.expressions import FilteredExpression, logical, primitive, tokenize
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.illegal import Illegal
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.assign_tag import AssignNode, AssignTag
from liquid.builtin.tags.capture_tag import CaptureTag
from liquid.builtin.tags.comment_tag import CommentTag
from liquid.builtin.tags.cycle_tag import CycleNode, CycleTag
from liquid.builtin.tags.decrement_tag import DecrementTag
from liquid.builtin.tags.increment_tag import IncrementTag
from liquid.builtin.tags.inline_comment_tag import InlineCommentTag
from liquid.builtin.tags.liquid_tag import LiquidTag
from liquid.exceptions import LiquidSyntaxError
from liquid.parser import get_parser
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import (
    TOKEN_ASSIGN,
    TOKEN_DPIPE,
    TOKEN_EOF,
    TOKEN_EXPRESSION,
    TOKEN_OUTPUT,
    TOKEN_PIPE,
    TOKEN_TAG,
)

from etl.transform.javascript.values import UNDEFINED, text
from etl.transform.liquid.strings import stringified
from etl.transform.liquid.values import StoppedError, evaluate, true

if TYPE_CHECKING:
    from typing import TextIO

    from liquid.expression import Expression
    from liquid.token import Token

DISABLED_TAGS = ("case", "for", "include", "layout", "render", "tablerow")


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


class _Echo(Tag):
    name = "echo"
    block = False
    node_class = _OutputNode

    def parse(self, stream: TokenStream) -> Node:
        token = stream.eat(TOKEN_TAG)
        if stream.current.kind != TOKEN_EXPRESSION:
            return self.node_class(token, primitive.Nil(token))
        return self.node_class(token, _filtered_value(self, stream.into_inner(tag=token, eat=False)))


class _Branches(Node):
    """``if`` and ``unless``: the first branch whose condition holds; None as a condition always does."""

    __slots__ = ("branches", "negated")

    def __init__(
        self, token: Token, branches: list[tuple[Expression | None, BlockNode]], *, negated: bool
    ) -> None:
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
    def render_to_output(self, context: Any, buffer: TextIO) -> int:  # noqa: ARG002 - python-liquid's signature
        raise StoppedError


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
    *map(_disabled, DISABLED_TAGS),
]  # fmt: skip
