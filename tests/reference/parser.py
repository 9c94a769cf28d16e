"""Segment's FQL parser: one operator per group, unknown things skipped."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Any

from tests.reference.lexer import EOS, LexerError, Token, lex
from tests.reference.paths import OBJECT
from tests.reference.values import JsError, joined, number_text, text, to_number

_FIELDS = {"type", "event", "name", "userId", "properties", "traits", "context"}
_NESTED = ("properties", "traits", "context")
_NUMBER_OPERATORS = {"=": "number_equals", "!=": "number_not_equals"}
_FUNCTION_FIELDS = ("event", "name", "userId")
# Segment finds these in its table of fields too, because every object inherits them.
_INHERITED = {"constructor", "__proto__", *OBJECT}

Tokens = deque[Token]


@dataclass(frozen=True)
class Condition:
    """A comparison: of an event's ``field``, or of ``path`` inside it.

    The operator may be any word: the lexer's symbols, and also Segment's own names (``event contains "x"``).
    """

    field: str
    path: str | None
    operator: str
    value: Any = None


@dataclass(frozen=True)
class Group:
    """Members under one operator; None is an empty pair of parentheses."""

    operator: str
    members: list[Condition | Group | None]


class InvalidSubscriptionError(Exception):
    """The trigger does not parse: nothing is sent."""


def parse(trigger: Any) -> Group:
    """The trigger's conditions.

    Raises:
        InvalidSubscriptionError: Segment refuses the subscription.
    """
    if not isinstance(trigger, str) or not trigger:
        raise InvalidSubscriptionError("Failed to validate subscription")
    try:
        node = _group(deque(_normalised(lex(trigger))))
    except LexerError:
        node = None
    except JsError as error:
        raise InvalidSubscriptionError(f"Invalid subscription : {error}") from error
    if node is None:
        raise InvalidSubscriptionError(
            "Invalid subscription : Cannot read properties of undefined (reading 'type')"
        )
    return node if isinstance(node, Group) else Group("and", [node])


def _normalised(tokens: list[Token]) -> list[Token]:
    """Identifiers joined where a dot stands between two of them."""
    done: list[Token] = []
    index = 0
    while index < len(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else EOS
        if done and done[-1].type == "ident" and tokens[index].type == "dot" and following.type == "ident":
            done.append(Token("ident", f"{done.pop().value}.{following.value}"))
            index += 1
        else:
            done.append(tokens[index])
        index += 1
    return done


def _shift(tokens: Tokens) -> Token | None:
    return tokens.popleft() if tokens else None


def _required(tokens: Tokens, message: str) -> Token:
    token = _shift(tokens)
    if token is None:
        raise JsError(message)
    return token


def _group(tokens: Tokens) -> Condition | Group | None:
    members: list[Condition | Group | None] = []
    operator = "and"
    token = _shift(tokens)
    while token is not None and token.type != "eos":
        if token.type == "ident":
            members += _conditions(token, tokens)
        elif token.type == "operator" and token.value == "!":
            members += _negated(tokens)
        elif token.type == "parenleft":
            members.append(_parenthesis(tokens))
        elif token.type == "conditional":
            operator = token.value
        token = _shift(tokens)
    if len(members) > 1:
        return Group(operator, members)
    return members[0] if members else None


def _parenthesis(tokens: Tokens) -> Condition | Group | None:
    inside: Tokens = deque()
    token = _required(tokens, "Cannot read properties of undefined (reading 'type')")
    while token.type != "parenright":
        inside.append(token)
        token = _required(tokens, "Cannot read properties of undefined (reading 'type')")
    inside.append(EOS)
    return _group(inside)


def _conditions(token: Token, tokens: Tokens) -> list[Condition | Group | None]:
    field = token.value.split(".")[0]
    if field in _FIELDS or field in _INHERITED:
        operator = _required(tokens, "Operator token is missing")
        value = _required(tokens, "Value token is missing")
        return [_comparison(field, token.value, operator, value)] if field in _FIELDS else []
    if token.value in ("contains", "match"):
        return _call(token.value, tokens, negate=False)
    return []


def _negated(tokens: Tokens) -> list[Condition | Group | None]:
    if not tokens:
        raise JsError("Cannot read properties of undefined (reading 'type')")
    if tokens[0].type == "ident" and tokens[0].value in ("contains", "match"):
        return _call(tokens.popleft().value, tokens, negate=True)
    return []


def _value(token: Token) -> Any:
    if token.type == "string":
        return joined(re.sub(r'^"|"\Z', "", token.value))
    if token.type == "number":
        return to_number(token.value)
    if token.type == "ident" and token.value in ("true", "false"):
        return token.value == "true"
    return joined(token.value)


def _path(field: str, name: str) -> str | None:
    return joined(name.removeprefix(f"{field}.")) if field in _NESTED else None


def _comparison(field: str, name: str, operator: Token, value: Token) -> Condition:
    path = _path(field, name)
    exists = {("=", "null"): "not_exists", ("!=", "null"): "exists"}
    truth = {("=", "true"): "is_true", ("=", "false"): "is_false"}
    key = (operator.value, value.value)
    if key in exists and field not in ("event", "type"):
        return Condition(field, path, exists[key])
    if key in truth and field not in ("event", "type", "name"):
        return Condition(field, path, truth[key])
    if path is None:
        return Condition(field, None, operator.value, text(_value(value)))
    if value.type == "number" and operator.value in _NUMBER_OPERATORS:
        return Condition(field, path, _NUMBER_OPERATORS[operator.value], _value(value))
    return Condition(field, path, operator.value, _value(value))


def _call(name: str, tokens: Tokens, *, negate: bool) -> list[Condition | Group | None]:
    """``contains(field, value)`` or ``match(field, value)``: five tokens, two of them looked at."""
    _shift(tokens)
    field = _required(tokens, f"{name}() is missing a 1st argument").value
    _shift(tokens)
    value = _required(tokens, f"{name}() is missing a 2nd argument")
    _shift(tokens)
    operator, operand = _function(name, value)
    operator = f"not_{operator}" if negate else operator
    if field in _FUNCTION_FIELDS:
        return [Condition(field, None, operator, operand)]
    return [
        Condition(start, _path(start, field), operator, operand)
        for start in _NESTED
        if field.startswith(start)
    ]


def _function(name: str, token: Token) -> tuple[str, str]:
    value = _value(token)
    operand = number_text(value) if isinstance(value, float) else text(value)
    if name == "contains":
        return "contains", operand
    if token.value.endswith('*"'):
        return "starts_with", operand[:-1]
    return "ends_with", _without_first_unit(operand)


def _without_first_unit(operand: str) -> str:
    raw = operand.encode("utf-16-le", "surrogatepass")[2:]
    return raw.decode("utf-16-le", "surrogatepass")
