"""Whether an event matches a parsed trigger."""

from __future__ import annotations

from typing import Any

from tests.reference.parser import Condition, Group
from tests.reference.paths import trigger_get
from tests.reference.values import UNDEFINED, JsError, is_number, text, to_number, units

_NUMERIC = {
    "number_equals": lambda a, b: a == b,
    "number_not_equals": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_TEXTUAL = {
    "contains": lambda a, b: b in a,
    "starts_with": lambda a, b: a.startswith(b),
    "ends_with": lambda a, b: a.endswith(b),
}


def matches(group: Group, event: dict[str, Any]) -> bool:
    """Whether the event satisfies the group.

    Raises:
        JsError: Segment's code throws while looking.
    """
    results = (_holds(member, event) for member in group.members)
    return all(results) if group.operator == "and" else any(results)


def _holds(member: Condition | Group | None, event: dict[str, Any]) -> bool:
    if member is None:
        raise JsError("Cannot read properties of undefined (reading 'type')")
    if isinstance(member, Group):
        return matches(member, event)
    actual = event.get(member.field, UNDEFINED)
    if member.path is not None:
        actual = trigger_get(actual, member.path)
    return _compare(actual, member.operator, member.value)


def _compare(actual: Any, operator: str, expected: Any) -> bool:
    if operator in ("exists", "not_exists"):
        return (actual is not None and actual is not UNDEFINED) == (operator == "exists")
    if operator in ("is_true", "is_false"):
        return actual is (operator == "is_true")
    if operator in ("=", "!="):
        equal = isinstance(actual, str) and actual == text(expected)
        return equal == (operator == "=")
    if operator in _NUMERIC:
        return is_number(actual) and _NUMERIC[operator](to_number(actual), to_number(expected))
    positive = operator.removeprefix("not_")
    if positive in _TEXTUAL and isinstance(actual, str):
        return _TEXTUAL[positive](units(actual), units(text(expected))) == (positive == operator)
    return False
