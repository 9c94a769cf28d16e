"""Surprises in triggers: what Segment's FQL does with a text, where that is hardly what its author meant.

Source of every rule: SEGMENT_SEMANTICS §7 to §9.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from etl.lints.comparison import comparison_findings, function_findings, negation_findings
from etl.lints.finding import Finding
from etl.transform.fql import Condition, Group, Node, Throwing, conditions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from etl.events import Path
    from etl.transform.fql import Token, Trigger

FUNCTIONS = frozenset({"contains", "match"})
_JOINERS = frozenset({"and", "or", "not"})
#: These tell already why something after them is passed over.
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
        if token.kind == "ident" and token.value in FUNCTIONS and token not in ignored:
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
    return token.kind == "ident" and token.value in FUNCTIONS and after.kind == "open"


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
