"""Whether two triggers can be shown never to match the same event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from etl.transform.fql.match import accepts
from etl.transform.fql.parser import Condition, Group, Node, Throwing, number_of, text_of

if TYPE_CHECKING:
    from etl.transform.fql import Trigger

_TEXT: Final = frozenset(
    {"=", "contains", "not_contains", "starts_with", "not_starts_with", "ends_with", "not_ends_with"}
)
_NUMBER: Final = frozenset({"number_equals", "number_not_equals", "<", "<=", ">", ">="})
_BOOLEAN: Final = frozenset({"is_true", "is_false"})
#: Triggers with more pairs of conditions than this are not compared.
_MOST_PAIRS: Final = 250_000


@dataclass(frozen=True)
class _Range:
    """The numbers a comparison lets through: above ``low``, below ``high``; itself included where not ``open``."""

    low: float = float("-inf")
    high: float = float("inf")
    open: bool = False


def provably_disjoint(a: Trigger, b: Trigger) -> bool:
    """True only when no event can match both; False when that cannot be shown."""
    if a.size * b.size > _MOST_PAIRS:
        return False
    return _disjoint(a.root, b.root)


def _disjoint(a: Node, b: Node) -> bool:
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Group) and one.operator == "or":
            return all(_disjoint(child, other) for child in one.children)
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Group):
            return any(_disjoint(child, other) for child in one.children)
    if isinstance(a, Throwing) or isinstance(b, Throwing):
        return False
    return isinstance(a, Condition) and isinstance(b, Condition) and _contradict(a, b)


def _contradict(a: Condition, b: Condition) -> bool:
    if a.path is None or a.path != b.path:
        return False
    for one, other in ((a, b), (b, a)):
        only = _only_values(one)
        if only is not None:
            return not any(accepts(other, value) for value in only)
    kinds = {_kind(a), _kind(b)}
    if None in kinds:
        return False
    return len(kinds) == 2 or _opposite(a, b) or _apart(a, b) or _different_starts(a, b)


def _only_values(condition: Condition) -> tuple[object, ...] | None:
    """All the values that satisfy the condition, where they are few."""
    if condition.operator == "=":
        return (text_of(condition.expected),)
    if condition.operator == "number_equals":
        return (number_of(condition.expected),)
    return {"is_true": (True,), "is_false": (False,), "not_exists": (None,)}.get(condition.operator)


def _kind(condition: Condition) -> str | None:
    """The kind of value a condition needs; None where it takes several."""
    kinds = {"text": _TEXT, "number": _NUMBER, "boolean": _BOOLEAN}
    return next((kind for kind, operators in kinds.items() if condition.operator in operators), None)


def _opposite(a: Condition, b: Condition) -> bool:
    names = {a.operator, b.operator}
    opposite = any(names == {name, f"not_{name}"} for name in ("contains", "starts_with", "ends_with"))
    return opposite and text_of(a.expected) == text_of(b.expected)


def _apart(a: Condition, b: Condition) -> bool:
    first, second = _range(a), _range(b)
    low, high = max(first.low, second.low), min(first.high, second.high)
    return low > high or (low == high and (first.open or second.open))


def _range(condition: Condition) -> _Range:
    bound = number_of(condition.expected)
    if condition.operator in {"<", "<="}:
        return _Range(high=bound, open=condition.operator == "<")
    if condition.operator in {">", ">="}:
        return _Range(low=bound, open=condition.operator == ">")
    return _Range()


def _different_starts(a: Condition, b: Condition) -> bool:
    if a.operator != b.operator or a.operator not in {"starts_with", "ends_with"}:
        return False
    shorter, longer = sorted((text_of(a.expected), text_of(b.expected)), key=len)
    return not (longer.startswith(shorter) if a.operator == "starts_with" else longer.endswith(shorter))
