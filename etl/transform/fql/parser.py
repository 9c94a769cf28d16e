"""Tokens of a trigger → its conditions, grouped as Segment groups them.

Source: ``@segment/destination-subscriptions`` 3.37.0, checked against the published package.
Segment's parser checks little: what follows a field is its operator, what follows that is its value, whatever
they are; what it does not know it passes over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from etl.transform.fql.lexer import FqlError, Token, lex
from etl.transform.javascript import joined, number_text, text_number, units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.core.layouts import Path

Expected = str | float | bool | None

_PLAIN_FIELDS: Final = frozenset({"type", "event", "name", "userId"})
_DEEP_FIELDS: Final = frozenset({"properties", "traits", "context"})
_SEARCHED_FIELDS: Final = frozenset({"event", "name", "userId"})
_FUNCTIONS: Final = frozenset({"contains", "match"})
#: JavaScript objects inherit these names: used as a field they swallow an operator and a value, and vanish.
_INHERITED: Final = frozenset(
    {
        *(
            "constructor",
            "hasOwnProperty",
            "isPrototypeOf",
            "propertyIsEnumerable",
            "toLocaleString",
            "toString",
        ),
        *(
            "valueOf",
            "__proto__",
            "__defineGetter__",
            "__defineSetter__",
            "__lookupGetter__",
            "__lookupSetter__",
        ),
    }
)
_NO_MEMBER: Final = "Cannot read properties of undefined (reading 'type')"
_NO_PATH: Final = "Cannot read properties of null (reading 'reduce')"
_SEGMENT = re.compile(r"[^\[.\]]+")


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. ``path`` None: looks at nothing, as though the field were absent.

    ``operator``: FQL's own (``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``), or one of ``number_equals``,
    ``number_not_equals``, ``contains``, ``not_contains``, ``starts_with``, ``not_starts_with``, ``ends_with``,
    ``not_ends_with``, ``exists``, ``not_exists``, ``is_true``, ``is_false``; any other is never met.
    ``at``: its first character in the trigger, from 1.
    """

    path: Path | None
    operator: str
    expected: Expected
    at: int


@dataclass(frozen=True, slots=True)
class Throwing:
    """A member that makes Segment throw when it is reached, such as ``()``."""

    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by the last ``and`` or ``or`` of their group; ``written``: all of those, in order."""

    operator: Literal["and", "or"]
    children: tuple[Node, ...]
    written: tuple[str, ...]
    at: int


Node = Condition | Throwing | Group


@dataclass(frozen=True, slots=True)
class Parsed:
    """A trigger's conditions; its tokens, paths joined; and the tokens Segment passes over without effect."""

    root: Group
    tokens: tuple[Token, ...]
    ignored: tuple[Token, ...]


def parse(text: str) -> Parsed:
    """Raises ``FqlError`` where Segment calls the subscription invalid."""
    tokens = _with_paths(lex(text))
    ignored: list[Token] = []
    root = _Parser(tokens, ignored).group()
    if root is None or (isinstance(root, Throwing) and root.reason == _NO_MEMBER):
        raise FqlError("it holds no condition on type, event, name, userId, properties, traits or context", 1)
    if not isinstance(root, Group):
        root = Group("and", (root,), (), root.at)
    return Parsed(root, tokens, tuple(ignored))


def _with_paths(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """Join each run of ident, dot, ident, … into one ident."""
    joined_tokens: list[Token] = []
    index = 0
    while index < len(tokens):
        end = _run_end(tokens, index)
        joined_tokens.append(tokens[index] if end == index + 1 else _path(tokens[index:end]))
        index = end
    return tuple(joined_tokens)


def _path(run: Sequence[Token]) -> Token:
    return Token("ident", joined("".join(token.value for token in run)), run[0].at)


def _run_end(tokens: Sequence[Token], index: int) -> int:
    end = index + 1
    if tokens[index].kind != "ident":
        return end
    while end + 1 < len(tokens) and tokens[end].kind == "dot" and tokens[end + 1].kind == "ident":
        end += 2
    return end


class _Parser:
    """Reads one group: the whole trigger, or what stands between a ``(`` and the first ``)``."""

    def __init__(self, tokens: Sequence[Token], ignored: list[Token], *, inner: bool = False) -> None:
        self.tokens = tokens
        self.inner = inner
        self.ignored = ignored
        self.index = 0
        self.nodes: list[Node] = []
        self.written: list[Literal["and", "or"]] = []

    def group(self) -> Node | None:
        """The group; its member where it has one; None where it has none."""
        start = self.tokens[0].at
        while (token := self.shift()) is not None and token.kind != "end":
            self.read(token)
        if len(self.nodes) < 2:
            return self.nodes[0] if self.nodes else None
        return Group(
            self.written[-1] if self.written else "and", tuple(self.nodes), tuple(self.written), start
        )

    def read(self, token: Token) -> None:
        if token.kind == "ident":
            self.read_word(token)
        elif token.kind == "operator" and token.value == "!" and self.next_is_function():
            self.read_function(self.need("a function"), token.at, negate=True)
        elif token.kind == "open":
            self.read_parentheses(token)
        elif token.kind == "conditional":
            self.written.append("or" if token.value == "or" else "and")
        else:
            self.ignored.append(token)

    def read_word(self, token: Token) -> None:
        field = token.value.split(".", 1)[0]
        if field in _PLAIN_FIELDS or field in _DEEP_FIELDS or field in _INHERITED:
            operator, value = self.need("an operator"), self.need("a value")
            if field in _INHERITED:
                self.ignored += (token, operator, value)
            else:
                self.nodes.append(_condition(field, token, operator, value))
        elif token.value in _FUNCTIONS:
            self.read_function(token, token.at, negate=False)
        else:
            self.ignored.append(token)

    def read_function(self, function: Token, at: int, *, negate: bool) -> None:
        """``contains``/``match``: only their places say what is argument, value and punctuation."""
        self.shift()
        name = self.need(f"the first argument of {function.value}()")
        self.shift()
        value = self.need(f"the second argument of {function.value}()")
        self.shift()
        field = _searched_field(name.value)
        if field is None:
            self.ignored += (function, name, value)
            return
        operator, expected = _search(function.value, value)
        self.nodes.append(_node(field, name.value, f"not_{operator}" if negate else operator, expected, at))

    def read_parentheses(self, opening: Token) -> None:
        start = self.index
        while (token := self.shift()) is None or token.kind != "close":
            if token is None:
                nested = "parentheses cannot be nested"
                raise FqlError(nested if self.inner else "this parenthesis is never closed", opening.at)
        tokens = (*self.tokens[start : self.index - 1], Token("end", "eos", token.at))
        member = _Parser(tokens, self.ignored, inner=True).group()
        self.nodes.append(member or Throwing(_NO_MEMBER, opening.at))

    def next_is_function(self) -> bool:
        token = self.tokens[self.index]
        return token.kind == "ident" and token.value in _FUNCTIONS

    def shift(self) -> Token | None:
        self.index += 1
        return self.tokens[self.index - 1] if self.index <= len(self.tokens) else None

    def need(self, what: str) -> Token:
        token = self.shift()
        if token is None:
            raise FqlError(f"the trigger, or the parenthesis, ends before {what}", self.tokens[-1].at)
        return token


def _condition(field: str, name: Token, operator: Token, value: Token) -> Node:
    expected = _value(value)
    special = _special(field, operator.value, value)
    if special is not None:
        kept = expected if special.startswith("number") else None
        return _node(field, name.value, special, kept, name.at)
    if field in _PLAIN_FIELDS:
        expected = text_of(expected)
    return _node(field, name.value, operator.value, expected, name.at)


def _special(field: str, operator: str, value: Token) -> str | None:
    """The operator that an unquoted ``null``, ``true``, ``false`` or number makes of ``=`` and ``!=``."""
    if field in {"type", "event"} or operator not in {"=", "!="}:
        return None
    equal = operator == "="
    if value.value == "null":
        return "not_exists" if equal else "exists"
    if value.value in {"true", "false"} and equal and field != "name":
        return f"is_{value.value}"
    if value.kind == "number" and field in _DEEP_FIELDS:
        return "number_equals" if equal else "number_not_equals"
    return None


def _node(field: str, name: str, operator: str, expected: Expected, at: int) -> Node:
    if field in _PLAIN_FIELDS:
        return Condition((field,), operator, expected, at)
    rest = name.removeprefix(f"{field}.")
    if not rest:
        return Condition(None, operator, expected, at)
    segments = _SEGMENT.findall(rest)
    if not segments:
        return Throwing(_NO_PATH, at)
    return Condition((field, *segments), operator, expected, at)


def _searched_field(name: str) -> str | None:
    if name in _SEARCHED_FIELDS:
        return name
    return next((field for field in _DEEP_FIELDS if name.startswith(field)), None)


def _search(function: str, value: Token) -> tuple[str, str]:
    text = text_of(_value(value))
    if function == "contains":
        return "contains", text
    if value.value.endswith('*"'):
        return "starts_with", joined(units(text)[:-1])
    return "ends_with", joined(units(text)[1:])


def _value(token: Token) -> str | float | bool:
    if token.kind == "string":
        return token.value[1:-1] if token.value.startswith('"') else token.value
    if token.kind == "number":
        return text_number(token.value)
    if token.kind == "ident" and token.value in {"true", "false"}:
        return token.value == "true"
    return token.value


def text_of(expected: Expected) -> str:
    """``String(expected)``."""
    if isinstance(expected, bool):
        return "true" if expected else "false"
    if isinstance(expected, str):
        return expected
    return "undefined" if expected is None else number_text(expected)


def number_of(expected: Expected) -> float:
    """``Number(expected)``."""
    if isinstance(expected, str):
        return text_number(expected)
    return float("nan") if expected is None else float(expected)
