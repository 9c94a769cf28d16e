"""Surprises in triggers: what Segment's FQL does with a text, where that is hardly what its author meant.

Source of every rule: ``@segment/fql-ts`` and ``@segment/destination-subscriptions``, as ``transform.fql`` has them.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

from etl.authoring.lints.finding import Finding
from etl.transform.fql import Condition, Group, Node, Throwing, conditions
from etl.transform.fql.parser import number_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from etl.core.layouts import Path
    from etl.transform.fql import Token, Trigger

_ORDER = frozenset({"<", "<=", ">", ">="})
_TEXT_FIELDS = frozenset({"type", "event", "name", "userId"})
#: Always there on a track event, so that negations hold.
_ALWAYS_THERE = frozenset({("type",), ("event",)})
_DEEP = frozenset({"properties", "traits", "context"})
_FUNCTIONS = frozenset({"contains", "match"})
_JOINERS = frozenset({"and", "or", "not"})
#: These say already why something after them is passed over.
_LEAVE_TEXT_BEHIND = frozenset({"fql-operator-spacing", "fql-path-segment", "fql-function-in-parentheses"})


def trigger_findings(trigger: Trigger, tested: Collection[Path] = ()) -> Iterator[Finding]:
    """Everything surprising about one trigger.

    ``tested``: paths whose absence some trigger of the config asks about, so that it was thought of.
    """
    yield from _nodes(trigger.root)
    in_parentheses = list(_functions_in_parentheses(trigger))
    yield from in_parentheses
    compared = list(_compared(trigger, tested))
    yield from compared
    explained = {finding.code for finding in (*in_parentheses, *compared)} & _LEAVE_TEXT_BEHIND
    yield from _ignored(trigger, explained=bool(explained))
    yield from _cut_at_end(trigger)


def tested_paths(trigger: Trigger) -> Iterator[Path]:
    """The paths that a trigger asks about being there at all."""
    for condition in conditions(trigger.root):
        if condition.operator in {"exists", "not_exists"} and condition.path is not None:
            yield condition.path


def _compared(trigger: Trigger, tested: Collection[Path]) -> Iterator[Finding]:
    ignored, places = set(trigger.ignored), {token.at: n for n, token in enumerate(trigger.tokens)}
    for number, token in enumerate(trigger.tokens):
        if token.kind == "ident" and token.value in _FUNCTIONS and token not in ignored:
            yield from function_findings(trigger.tokens[number : number + 5])
    for condition in conditions(trigger.root):
        if condition.path not in tested:
            yield from negation_findings(condition)
        at = places.get(condition.at, len(trigger.tokens))
        words = trigger.tokens[at : at + 3]
        yield from comparison_findings(trigger.text, condition, words)


def _nodes(node: Node) -> Iterator[Finding]:
    if isinstance(node, Throwing):
        yield Finding(
            "fql-empty-parentheses",
            f"the parentheses at character {node.at} hold no condition: Segment fails on every event that gets there",
            "Take them out, or put a condition inside.",
        )
    elif isinstance(node, Group):
        yield from _mixed(node)
        yield from _contradiction(node)
        for child in node.children:
            yield from _nodes(child)


def _mixed(group: Group) -> Iterator[Finding]:
    if {"and", "or"} <= set(group.written):
        yield Finding(
            "fql-mixed-and-or",
            f'"and" and "or" are mixed in one group: Segment takes the last one, "{group.operator}", for all of it',
            "Put the conditions that belong together in parentheses of their own.",
        )


def _contradiction(group: Group) -> Iterator[Finding]:
    equal: dict[object, object] = {}
    for child in group.children if group.operator == "and" else ():
        if not isinstance(child, Condition) or child.operator not in {"=", "number_equals"}:
            continue
        if equal.setdefault(child.path, child.expected) != child.expected:
            yield Finding(
                "fql-never-matches",
                f"{'.'.join(child.path or ())} cannot equal two values at once, so no event matches",
                'Join alternatives with "or".',
            )


def _functions_in_parentheses(trigger: Trigger) -> Iterator[Finding]:
    open_groups = 0
    tokens = iter(enumerate(trigger.tokens))
    for number, token in tokens:
        if token.kind == "open":
            open_groups += 1
        elif token.kind == "close":
            open_groups = max(0, open_groups - 1)
        elif _is_call(trigger.tokens, number):
            if open_groups:
                yield _function_in_parentheses(token)
                open_groups -= 1
            for _, passed in tokens:
                if passed.kind == "close":
                    break


def _is_call(tokens: Sequence[Token], number: int) -> bool:
    token, after = tokens[number], tokens[min(number + 1, len(tokens) - 1)]
    return token.kind == "ident" and token.value in _FUNCTIONS and after.kind == "open"


def _function_in_parentheses(token: Token) -> Finding:
    return Finding(
        "fql-function-in-parentheses",
        f"the {token.value}() at character {token.at} is inside parentheses, and Segment ends the group at its "
        '")": what follows, and the "and"/"or" before it, belong to the outer group',
        f"Keep {token.value}() outside of parentheses, or split the trigger into two subscriptions.",
    )


def _ignored(trigger: Trigger, *, explained: bool) -> Iterator[Finding]:
    """What Segment passes over, one finding for each run of it."""
    places = _passed_places(trigger)
    for passed, run in groupby(enumerate(trigger.tokens), key=lambda numbered: numbered[1].at in places):
        numbers = [number for number, _ in run]
        if passed and not (explained and trigger.tokens[numbers[0]].kind != "ident"):
            yield _passed_over(trigger, numbers[0], numbers[-1])


def _passed_places(trigger: Trigger) -> set[int]:
    """Where the tokens begin that have no effect, an ignored function's punctuation included."""
    ignored = set(trigger.ignored)
    places = {token.at for token in ignored}
    for number, token in enumerate(trigger.tokens):
        if token in ignored and token.kind == "ident" and _is_call(trigger.tokens, number):
            places.update(passed.at for passed in trigger.tokens[number + 1 : number + 6])
    return places


def _passed_over(trigger: Trigger, start: int, stop: int) -> Finding:
    first, text = trigger.tokens[start], _text(trigger, start, stop)
    if first.value.lower() in _JOINERS:
        return Finding(
            "fql-ignored-word",
            f'"{first.value}" is no operator in FQL and is passed over',
            'Use lower-case "and"/"or" between conditions, "!=" or "!contains(…)" to negate.',
        )
    if first.value == "!":
        return Finding(
            "fql-negated-parentheses",
            f'the "!" at character {first.at} has no effect: Segment negates functions only, not parentheses',
            "Negate each condition inside instead.",
        )
    if first.kind == "ident":
        return Finding(
            "fql-ignored-condition",
            f"Segment passes over `{text}`, as though it were not there: only type, event, name, userId, "
            "properties.*, traits.* and context.* can be compared (and type not by functions)",
            "Test a field that can be compared, or take the condition out.",
        )
    return Finding(
        "fql-ignored-text",
        f"Segment passes over `{text}` at character {first.at}",
        "Take it out, or write what was meant.",
    )


def _text(trigger: Trigger, start: int, stop: int) -> str:
    tokens = trigger.tokens
    end = tokens[stop + 1].at - 1 if stop + 1 < len(tokens) else len(trigger.text)
    return trigger.text[tokens[start].at - 1 : end].strip()


def _cut_at_end(trigger: Trigger) -> Iterator[Finding]:
    """Segment loses the end of a last word that begins like ``and``, ``or`` or ``null``."""
    last = trigger.tokens[-2]
    written = trigger.text[last.at - 1 :].rstrip(" \t\n")
    if last.kind == "ident" and "\\" not in written and written != last.value:
        yield Finding(
            "fql-cut-at-end",
            f'Segment reads the last word, "{written}", as "{last.value}"',
            "Put the value in double quotes.",
        )


# ------------------------------------------------------------------------------------- single conditions


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
