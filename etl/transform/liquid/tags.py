"""Tags, compiled once into closures that render a ``Scope`` as text. Pure.

Source: liquidjs 10.30.1, and the list of disabled tags in Segment's mapping kit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from etl.transform.javascript import joined
from etl.transform.javascript.values import UNDEFINED, Value, text, truthy
from etl.transform.json.text import quote
from etl.transform.liquid.expressions import Evaluate, constant, filtered, operand, unquoted
from etl.transform.liquid.scope import Scope, ThrownError
from etl.transform.liquid.tokens import QUOTED_LITERAL, LiquidError, Token, failure, lines, tokens
from etl.transform.liquid.values import Drop, true

Render = Callable[[Scope], str]
DISABLED: Final = ("case", "for", "include", "layout", "render", "tablerow")
_BLOCK: Final = Drop("[object Object]")


def template(source: str) -> Render:
    """A whole template; raises ``LiquidError`` where it does not parse; so does rendering where liquidjs throws."""
    return _sequence(tokens(source))


def _sequence(rest: list[Token]) -> Render:
    """All tokens that are left."""
    rest.reverse()
    nodes = []
    while rest:
        token = rest.pop()
        nodes.append((token, _node(token, rest)))
    return _together(nodes)


def _together(nodes: list[tuple[Token, Render]]) -> Render:
    """One after the other until one stops; what is thrown gets the place of the part that threw it."""
    renders = [render for _, render in nodes]

    def render(scope: Scope) -> str:
        parts: list[str] = []
        try:
            for one in renders:
                parts.append(one(scope))
                if scope.stopped:
                    break
            return scope.joined("", parts)
        except ThrownError as error:
            token = nodes[min(len(parts), len(nodes) - 1)][0]
            raise failure(str(error), token.inside.source, token.start) from None

    return renders[0] if len(renders) == 1 and nodes[0][0].kind == "text" else render


def _node(token: Token, rest: list[Token]) -> Render:
    """One part; a tag with an end takes what it holds from ``rest``, whose next is its last."""
    try:
        if token.kind == "text":
            return constant(joined(token.text))
        if token.kind == "output":
            return _output(filtered(token.inside))
        if token.name in DISABLED:
            raise ThrownError(f'tag "{token.name}" is disabled')
        if token.name not in _TAGS:
            raise ThrownError(f'tag "{token.name}" not found')
        return _TAGS[token.name](token, rest)
    except ThrownError as error:
        raise failure(str(error), token.inside.source, token.start) from None


def _output(value: Evaluate) -> Render:
    return lambda scope: scope.printed(value(scope))


def _held(token: Token, rest: list[Token], end: str) -> Render:
    """What stands between a tag and its end."""
    nodes = []
    while rest:
        one = rest.pop()
        if one.kind == "tag" and one.name == end:
            return _together(nodes)
        nodes.append((one, _node(one, rest)))
    raise _not_closed(token)


def _not_closed(token: Token) -> ThrownError:
    return ThrownError(f"tag {token.text} not closed")


# -------------------------------------------------------------------------------------- if and unless


class _Branches:
    """The branches of ``if`` and ``unless`` as they are read: a condition, None for ``else``, and what they hold."""

    def __init__(self, token: Token, *, strict: bool) -> None:
        self.strict = strict
        self.nodes: list[tuple[Token, Render]] = []
        self.found = [(filtered(token.inside), self.nodes)]
        self.otherwise: list[tuple[Token, Render]] | None = None

    def elsif(self, token: Token) -> None:
        """Behind ``else``, an error to ``if``; ``unless`` ignores it and what it holds."""
        self.nodes = []
        if self.otherwise is None:
            self.found.append((filtered(token.inside), self.nodes))
        elif self.strict:
            raise ThrownError("unexpected elsif after else")

    def otherwise_(self, token: Token) -> None:
        """A second ``else`` likewise."""
        if self.strict:
            _without_arguments(token)
        if self.otherwise is None:
            self.otherwise = self.nodes = []
        elif self.strict:
            raise ThrownError("duplicated else")
        else:
            self.nodes = []

    def read(self, token: Token, rest: list[Token], end: str) -> None:
        """Everything up to the end."""
        while rest:
            one = rest.pop()
            name = one.name if one.kind == "tag" else ""
            if name == end:
                if self.strict:
                    _without_arguments(one)
                return
            if name == "elsif":
                self.elsif(one)
            elif name == "else":
                self.otherwise_(one)
            else:
                self.nodes.append((one, _node(one, rest)))
        raise _not_closed(token)


def _without_arguments(token: Token) -> None:
    if token.arguments:
        raise ThrownError(f"unexpected {quote(joined(token.arguments))}")


def _branching(end: str, *, wanted: bool) -> Callable[[Token, list[Token]], Render]:
    """``if`` takes its first branch where the condition is true, ``unless`` where it is not; later ones are alike."""

    def parse(token: Token, rest: list[Token]) -> Render:
        branches = _Branches(token, strict=wanted)
        branches.read(token, rest, end)
        (first, then), *others = [(condition, _together(nodes)) for condition, nodes in branches.found]
        otherwise = _together(branches.otherwise or [])

        def render(scope: Scope) -> str:
            if true(first(scope)) is wanted:
                return then(scope)
            for condition, branch in others:
                if true(condition(scope)):
                    return branch(scope)
            return otherwise(scope)

        return render

    return parse


# --------------------------------------------------------------------------------------- other tags


def _assign(token: Token, _: list[Token]) -> Render:
    cursor = token.inside
    name = cursor.name()
    if not name:
        cursor.fail("expected variable name")
    cursor.blanks()
    if cursor.peek() != "=":
        cursor.fail('expected "="')
    cursor.at += 1
    value = filtered(cursor)
    return lambda scope: _set(scope, name, value(scope))


def _set(scope: Scope, name: str, value: Value) -> str:
    scope.names[name] = value
    return ""


def _capture(token: Token, rest: list[Token]) -> Render:
    cursor = token.inside
    name = cursor.name()
    if not name:
        quoted = cursor.take(QUOTED_LITERAL)
        if not quoted:
            cursor.fail("invalid capture name")
        name = unquoted(quoted)
    held = _held(token, rest, "endcapture")
    return lambda scope: _set(scope, name, held(scope))


def _counter(step: int, shown: int) -> Callable[[Token, list[Token]], Render]:
    """``increment`` shows the count before, ``decrement`` the one after."""

    def parse(token: Token, _: list[Token]) -> Render:
        name = token.inside.name()
        return lambda scope: text(scope.count(name, step)[shown])

    return parse


def _cycle(token: Token, _: list[Token]) -> Render:
    cursor = token.inside
    start = cursor.at
    group = operand(cursor)
    cursor.blanks()
    if group and cursor.peek() == ":":
        cursor.at += 1
    elif group:
        group, cursor.at = None, start
    written, candidates = [], []
    while not cursor.done():
        start = cursor.at
        candidates.append(filtered(cursor))
        written.append(cursor.source[start : cursor.at])
        cursor.past(",")
    if not candidates:
        cursor.fail(f'empty candidates: "{token.text}"')

    def render(scope: Scope) -> str:
        key = f"cycle:{text(group.value(scope) if group else UNDEFINED)}:{','.join(written)}"
        turn = scope.cycles.get(key, 0)
        scope.cycles[key] = (turn + 1) % len(candidates)
        chosen = candidates[turn](scope)
        return scope.printed(chosen) if truthy(chosen) else ""

    return render


def _echo(token: Token, _: list[Token]) -> Render:
    return _output(constant("") if token.inside.done() else filtered(token.inside))


def _liquid(token: Token, _: list[Token]) -> Render:
    return _sequence(lines(token.inside))


def _block(token: Token, rest: list[Token]) -> Render:
    """Without the layouts that Segment disables, what it holds; ``block`` is an object meanwhile."""
    held = _held(token, rest, "endblock")

    def render(scope: Scope) -> str:
        outside = dict(scope.names)
        scope.names["block"] = _BLOCK
        rendered = held(scope)
        scope.names.pop("block")
        scope.names = {**({"block": outside["block"]} if "block" in outside else {}), **scope.names}
        return rendered

    return render


def _stop(_: Token, __: list[Token]) -> Render:
    """``break`` and ``continue`` outside of loops, which are disabled, end the template."""

    def render(scope: Scope) -> str:
        scope.stopped = True
        return ""

    return render


def _raw(token: Token, rest: list[Token]) -> Render:
    return constant(joined("".join(one.text for one in _until(token, rest, "endraw"))))


def _comment(token: Token, rest: list[Token]) -> Render:
    _until(token, rest, "endcomment")
    return constant("")


def _until(token: Token, rest: list[Token], end: str) -> list[Token]:
    """The tokens before the tag that ends this one, as they are."""
    found = []
    while rest:
        one = rest.pop()
        if one.kind == "tag" and one.name == end:
            return found
        found.append(one)
    raise _not_closed(token)


def _remark(token: Token, _: list[Token]) -> Render:
    if re.search(r"\n\s*[^#\s]", token.arguments):
        raise ThrownError("every line of an inline comment must start with a '#' character")
    return constant("")


_TAGS: Final[dict[str, Callable[[Token, list[Token]], Render]]] = {
    "assign": _assign, "capture": _capture, "comment": _comment, "increment": _counter(1, 0),
    "decrement": _counter(-1, 1), "cycle": _cycle, "if": _branching("endif", wanted=True),
    "unless": _branching("endunless", wanted=False), "block": _block, "raw": _raw, "break": _stop, "continue": _stop,
    "echo": _echo, "liquid": _liquid, "#": _remark,
}  # fmt: skip

__all__ = ["LiquidError", "template"]
