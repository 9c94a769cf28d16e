"""Surprises in single conditions of a trigger: comparisons that never match, or match more than they say.

Source of every rule: SEGMENT_SEMANTICS §7 to §9.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from etl.lints.finding import Finding
from etl.transform.fql_parser import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.transform.fql import Condition, Token

_ORDER = frozenset({"<", "<=", ">", ">="})
_TEXT_FIELDS = frozenset({"type", "event", "name", "userId"})
#: Always there on a track event, so that negations hold.
_ALWAYS_THERE = frozenset({("type",), ("event",)})
_DEEP = frozenset({"properties", "traits", "context"})


def comparison_findings(text: str, condition: Condition, words: Sequence[Token]) -> Iterator[Finding]:
    """What is surprising about ``field operator value``.

    ``words``: the three tokens from where the condition begins, in the trigger's ``text``.
    """
    if not words or words[0].kind != "ident" or words[0].value in {"contains", "match"}:
        return
    name, operator, value = (*words, words[-1], words[-1])[:3]
    broken = _broken(_snippet(text, name, value), name, operator, value)
    if broken:
        yield broken
        return
    if name.value in _DEEP:
        yield _bare_object(name)
    yield from _values(condition, operator, value)


def _broken(text: str, name: Token, operator: Token, value: Token) -> Finding | None:
    """Conditions that are not what they look like, because an operator or a value is not one."""
    if operator.kind == "dot":
        return Finding(
            "fql-path-segment",
            f"the path that begins with `{name.value}.` goes on with a number, a string or a reserved word: "
            "Segment does not join it, and the condition never matches",
            r"Escape the first character of that part, as in properties.\0.",
        )
    if operator.kind != "operator" or operator.value == "!":
        return Finding(
            "fql-unknown-operator",
            f"no operator follows {name.value} in `{text}`, so the condition never matches",
            "Use =, !=, <, <=, > or >=, with a space after it.",
        )
    if value.kind == "operator":
        return _operator_spacing(name, operator, value)
    if value.kind in {"end", "close"}:
        return Finding(
            "fql-missing-value",
            f'there is no value after `{name.value} {operator.value}`: Segment compares with the word "eos"',
            "Write the value, in double quotes if it is text.",
        )
    return None


def _operator_spacing(name: Token, operator: Token, value: Token) -> Finding:
    pair = operator.value + value.value
    meant = "=" if pair == "==" else pair
    return Finding(
        "fql-operator-spacing",
        f'Segment reads `{name.value} {pair}` as the operator "{operator.value}" and the value "{value.value}", '
        "so the condition never matches what stands after it",
        f"Write `{name.value} {meant} value`, with a space before the value.",
    )


def _bare_object(name: Token) -> Finding:
    return Finding(
        "fql-bare-object",
        f"`{name.value}` alone looks at {name.value}.{name.value}",
        f"Name the key, as in {name.value}.key.",
    )


def _values(condition: Condition, operator: Token, value: Token) -> Iterator[Finding]:
    field = (condition.path or ("",))[0]
    if value.value.startswith("'"):
        yield _single_quotes(value)
    elif operator.value in _ORDER:
        yield from _order(condition, field)
    elif value.kind == "null" and field in {"type", "event"}:
        yield _null_text(field, operator)
    elif value.kind == "ident" and value.value in {"true", "false"}:
        yield from _boolean(field, operator, value)
    elif value.kind == "string" and field in _DEEP and not math.isnan(_number(value)):
        yield _number_quoted(condition, value)


def _single_quotes(value: Token) -> Finding:
    return Finding(
        "fql-single-quotes",
        f"Segment strips double quotes only: {value.value} is compared with its quotes included",
        f'Write "{value.value[1:-1]}".',
    )


def _order(condition: Condition, field: str) -> Iterator[Finding]:
    name = ".".join(condition.path or ())
    if field in _TEXT_FIELDS:
        yield Finding(
            "fql-never-matches",
            f"{name} is text and `{condition.operator}` compares numbers only, so the condition never matches",
            "Compare a number, or use = or contains().",
        )
    elif math.isnan(number_of(condition.expected)):
        yield Finding(
            "fql-never-matches",
            f"`{name} {condition.operator}` is compared with something that is no number, so it never matches",
            "Compare with a number, without quotes.",
        )


def _null_text(field: str, operator: Token) -> Finding:
    outcome = "never" if operator.value == "=" else "always"
    return Finding(
        "fql-null-text",
        f'`{field} {operator.value} null` compares with the word "null", so it is {outcome} true',
        f"Take it out: whether {field} is there cannot be tested.",
    )


def _boolean(field: str, operator: Token, value: Token) -> Iterator[Finding]:
    if field in {"type", "event", "name"} and operator.value == "=":
        yield Finding(
            "fql-never-matches",
            f'`{field} = {value.value}` compares with the word "{value.value}"',
            "Compare with the text that was meant, in double quotes.",
        )
    elif field in _DEEP and operator.value == "!=":
        other = "false" if value.value == "true" else "true"
        yield Finding(
            "fql-always-matches",
            f'`!= {value.value}` compares with the word "{value.value}", so it is true for every boolean',
            f"Write `= {other}`.",
        )


def _number_quoted(condition: Condition, value: Token) -> Finding:
    path = ".".join(condition.path or ())
    outcome = "false" if condition.operator == "=" else "true"
    return Finding(
        "fql-number-quoted",
        f"`{path} {condition.operator} {value.value}` compares text: for a number it is always {outcome}",
        f"Write {value.value[1:-1]} without quotes if {path} is a number.",
    )


def negation_findings(condition: Condition) -> Iterator[Finding]:
    """A negated condition that is false where its field is missing."""
    negated = condition.operator.startswith("not_") and condition.operator != "not_exists"
    if (negated or condition.operator == "number_not_equals") and condition.path not in _ALWAYS_THERE:
        path = ".".join(condition.path or ())
        yield Finding(
            "fql-negation-missing",
            f"the negated condition on {path} is false for an event that has no {path}, so that event is not billed",
            f"If such events count, give them a subscription of their own with `{path} = null`.",
        )


def function_findings(words: Sequence[Token]) -> Iterator[Finding]:
    """What is surprising about a call; ``words``: its name and the four tokens after it."""
    if len(words) < 5:
        return
    function, value = words[0], words[4]
    if value.value.startswith("'"):
        yield _single_quotes(value)
    elif function.value == "match":
        yield from _pattern(value)


def _pattern(value: Token) -> Iterator[Finding]:
    text = value.value.strip('"')
    if text.count("*") == 1 and text != "*" and (text.startswith("*") or text.endswith("*")):
        return
    does = f'begin with "{text[:-1]}"' if value.value.endswith('*"') else f'end with "{text[1:]}"'
    yield Finding(
        "fql-match-pattern",
        f"match() knows one * at the end or the beginning: {value.value} asks for texts that {does}",
        'Write "text*" or "*text", or use contains().',
    )


def _number(value: Token) -> float:
    text = value.value.strip('"')
    return number_of(text) if text.strip() else math.nan


def _snippet(text: str, first: Token, last: Token) -> str:
    return text[first.at - 1 : last.at - 1 + len(last.value)].strip()
