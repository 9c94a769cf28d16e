"""Tags, compiled once into closures that render a ``Scope`` as text. Pure.

Source: liquidjs 10.30.1, and the list of disabled tags in Segment's mapping kit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from etl.transform.javascript import joined
from etl.transform.javascript.values import UNDEFINED, Value, text, truthy
from etl.transform.json.text import quote
from etl.transform.liquid.expressions import Evaluate, constant, filtered, operand, unquoted
from etl.transform.liquid.scope import Scope, ThrownError
from etl.transform.liquid.tokens import QUOTED_LITERAL, LiquidError, Token, failure, lines, tokens
from etl.transform.liquid.values import Drop, true

Render = Callable[[Scope], str]
Node = tuple[Token, Render]
DISABLED: Final = ("case", "for", "include", "layout", "render", "tablerow")
_BLOCK: Final = Drop("[object Object]")


def template(source: str) -> Render:
    """A whole template; raises ``LiquidError`` where it does not parse; so does rendering where liquidjs throws."""
    return _all(tokens(source))


def _all(rest: list[Token]) -> Render:
    rest.reverse()
    nodes = []
    while rest:
        nodes.append(_node(rest.pop(), rest))
    return _sequence(nodes)


def _sequence(nodes: list[Node]) -> Render:
    """One after the other until one stops; what is thrown gets the place of the part that threw it."""

    def render(scope: Scope) -> str:
        parts: list[str] = []
        for token, one in nodes:
            try:
                parts.append(one(scope))
            except ThrownError as error:
                raise failure(str(error), token.inside.source, token.start) from None
            if scope.stopped:
                break
        return scope.joined("", parts)

    return render


def _node(token: Token, rest: list[Token]) -> Node:
    """One part; a tag with an end takes what it holds from ``rest``, whose last is the next."""
    try:
        if token.kind == "tag":
            return token, _TAGS.get(token.name, _unknown)(token, rest)
        return token, _output(
            constant(joined(token.text)) if token.kind == "text" else filtered(token.inside)
        )
    except ThrownError as error:
        raise failure(str(error), token.inside.source, token.start) from None


def _output(value: Evaluate) -> Render:
    return lambda scope: scope.printed(value(scope))


def _unknown(token: Token, _: list[Token]) -> Render:
    raise ThrownError(f'tag "{token.name}" {"is disabled" if token.name in DISABLED else "not found"}')


def _until(token: Token, rest: list[Token], end: str) -> Iterator[Token]:
    """The tokens before the tag that ends this one; whoever parses one takes what it holds, too."""
    while rest:
        one = rest.pop()
        if one.kind == "tag" and one.name == end:
            return _bare(one) if end == "endif" else None
        yield one
    raise ThrownError(f"tag {token.text} not closed")


def _bare(token: Token) -> None:
    if token.arguments:
        raise ThrownError(f"unexpected {quote(joined(token.arguments))}")


def _held(token: Token, rest: list[Token], end: str) -> Render:
    return _sequence([_node(one, rest) for one in _until(token, rest, end)])


# -------------------------------------------------------------------------------------- if and unless


def _branching(end: str, *, wanted: bool) -> Callable[[Token, list[Token]], Render]:
    """``if`` takes its first branch where the condition is true, ``unless`` where it is not; later ones are alike.

    What comes after ``else`` and belongs to no branch is an error to ``if``; ``unless`` ignores it.
    """

    def parse(token: Token, rest: list[Token]) -> Render:
        branches: list[tuple[Evaluate, list[Node]]] = [(filtered(token.inside), [])]
        otherwise: list[Node] | None = None
        nodes = branches[0][1]
        for one in _until(token, rest, end):
            name = one.name if one.kind == "tag" else ""
            if name not in ("elsif", "else"):
                nodes.append(_node(one, rest))
                continue
            if wanted and name == "else":
                _bare(one)
            if wanted and otherwise is not None:
                raise ThrownError("duplicated else" if name == "else" else "unexpected elsif after else")
            nodes = []
            if name == "else":
                otherwise = nodes if otherwise is None else otherwise
            elif otherwise is None:
                branches.append((filtered(one.inside), nodes))
        return _chosen(
            [(value, _sequence(held)) for value, held in branches], _sequence(otherwise or []), wanted=wanted
        )

    return parse


def _chosen(branches: list[tuple[Evaluate, Render]], otherwise: Render, *, wanted: bool) -> Render:
    (first, then), *others = branches

    def render(scope: Scope) -> str:
        if true(first(scope)) is wanted:
            return then(scope)
        for condition, branch in others:
            if true(condition(scope)):
                return branch(scope)
        return otherwise(scope)

    return render


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
    return _all(lines(token.inside))


def _block(token: Token, rest: list[Token]) -> Render:
    """Without the layouts that Segment disables, what it holds; ``block`` is an object meanwhile."""
    held = _held(token, rest, "endblock")

    def render(scope: Scope) -> str:
        outside = scope.names.get("block", UNDEFINED)
        _set(scope, "block", _BLOCK)
        rendered = held(scope)
        del scope.names["block"]
        return rendered if outside is UNDEFINED else rendered + _set(scope, "block", outside)

    return render


def _stopped(scope: Scope) -> str:
    """``break`` and ``continue`` outside of loops, which are disabled, end the template."""
    scope.stopped = True
    return ""


def _raw(token: Token, rest: list[Token]) -> Render:
    return constant(joined("".join(one.text for one in _until(token, rest, "endraw"))))


def _comment(token: Token, rest: list[Token]) -> Render:
    for _ in _until(token, rest, "endcomment"):
        pass
    return constant("")


def _remark(token: Token, _: list[Token]) -> Render:
    if re.search(r"\n\s*[^#\s]", token.arguments):
        raise ThrownError("every line of an inline comment must start with a '#' character")
    return constant("")


_TAGS: Final[dict[str, Callable[[Token, list[Token]], Render]]] = {
    "assign": _assign, "capture": _capture, "comment": _comment, "increment": _counter(1, 0),
    "decrement": _counter(-1, 1), "cycle": _cycle, "if": _branching("endif", wanted=True),
    "unless": _branching("endunless", wanted=False), "block": _block, "raw": _raw, "break": lambda *_: _stopped,
    "continue": lambda *_: _stopped,
    "echo": _echo, "liquid": _liquid, "#": _remark,
}  # fmt: skip

__all__ = ["LiquidError", "template"]
