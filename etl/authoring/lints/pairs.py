"""Two subscriptions that can match one event and give it one id: Metronome would keep only the first."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from etl.authoring.lints.finding import Finding
from etl.authoring.lints.mapping import directive_of
from etl.config.versions import span
from etl.transform.fql.disjoint import provably_disjoint
from etl.transform.javascript.values import strip_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.core.subscription import Subscription
    from etl.transform.fql import Trigger


@dataclass(frozen=True)
class Numbered:
    """A subscription whose trigger parses; ``position``: its place in the config."""

    position: int
    subscription: Subscription
    trigger: Trigger

    @property
    def transaction_id(self) -> Any:
        """The expression its ids are made with; None where the mapping names none."""
        mapping = self.subscription.mapping
        return mapping.get("transaction_id") if isinstance(mapping, dict) else None


def same_ids(compiled: Sequence[Numbered]) -> Iterator[tuple[int, str]]:
    """Position and problem of each subscription that shares an earlier one's expression and may share its events."""
    for one, other in _may_meet(compiled):
        if same_expression(one.transaction_id, other.transaction_id):
            yield other.position, _same(one)


def alike_ids(compiled: Sequence[Numbered]) -> Iterator[tuple[int, Finding]]:
    """The same for expressions that differ and can yield one id all the same."""
    for one, other in _may_meet(compiled):
        differ = not same_expression(one.transaction_id, other.transaction_id)
        shared = _shapes(one.transaction_id) & _shapes(other.transaction_id)
        if differ and shared:
            yield other.position, _alike(one, min(shared))


def _may_meet(compiled: Sequence[Numbered]) -> Iterator[tuple[Numbered, Numbered]]:
    """Pairs that one event may match both of."""
    for one, other in combinations(compiled, 2):
        if one.transaction_id is None or other.transaction_id is None:
            continue
        at_once = span(one.subscription).overlaps(span(other.subscription))
        if at_once and not provably_disjoint(one.trigger, other.trigger):
            yield one, other


def _same(one: Numbered) -> str:
    return (
        f'is the same as that of subscriptions[{one.position}] ("{one.subscription.name}"), and one event can match '
        "both triggers: Metronome would keep only the first of the two. Give each its own ids, as in "
        '{"@template": "{{messageId}}-2"}, or triggers that exclude each other'
    )


def _alike(one: Numbered, shape: str) -> Finding:
    return Finding(
        "transaction-id-shared",
        f'transaction_id can be the same as that of subscriptions[{one.position}] ("{one.subscription.name}"), both '
        f"being made as {shape}, and one event can match both triggers: Metronome would keep only the first",
        'Give each its own ids, as in {"@template": "{{messageId}}-2"}, or triggers that exclude each other.',
        ("transaction_id",),
    )


def same_expression(one: Any, other: Any) -> bool:
    """Whether two expressions of a mapping are one; ``_metadata`` is for Segment's app only."""
    return _text(one) == _text(other)


def _text(expression: Any) -> str:
    """One text for what is one expression; ``_metadata`` is for Segment's app only."""
    return json.dumps(_without_metadata(expression), sort_keys=True)


def _without_metadata(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_metadata(item) for key, item in value.items() if key != "_metadata"}
    return [_without_metadata(item) for item in value] if isinstance(value, list) else value


def _shapes(expression: Any) -> frozenset[str]:
    """What an id can look like, with ``{path}`` for what comes from the event."""
    name, argument = directive_of(expression) or ("", None)
    if name in {"@path", "@template"} and isinstance(argument, str):
        return frozenset({f"{{{strip_root(argument)}}}" if name == "@path" else _filled(argument)})
    if name == "@literal":
        return _shapes(argument)
    if name == "@if" and isinstance(argument, dict):
        branches = [argument[branch] for branch in ("then", "else") if branch in argument]
        return frozenset().union(*map(_shapes, branches))
    return frozenset({_text(expression) if name or isinstance(expression, dict | list) else str(expression)})


def _filled(template: str) -> str:
    return re.sub(r"\{\{\{?\s*([^{}]+?)\s*\}?\}\}", r"{\1}", template)
