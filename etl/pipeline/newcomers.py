"""Edits under a new name: a subscription or pipeline that is new must not bill once more what another has billed. Pure.

What keeps an edit from billing twice is kept under a name, and names are edited too. So where a name is new to the state,
and one that is gone (or another pipeline of the account) has billed events of the same source under ids of another
expression, the config must say what the new one is: a successor (``was``), or a further charge (``beside``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.authoring.lints.pairs import same_expression
from etl.core.errors import ConfigError
from etl.core.windows import rfc3339
from etl.transform.fql import FqlError, compile_trigger
from etl.transform.fql.disjoint import provably_disjoint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from etl.core.subscription import Subscription
    from etl.core.windows import Window


@dataclass(frozen=True)
class Earlier:
    """A version that has billed ``touched``; ``pipeline``: another one of the account, or None = the config's own."""

    subscription: Subscription
    touched: Sequence[Window]
    pipeline: str | None = None

    @property
    def key(self) -> str:
        """What names it in the state."""
        name = self.subscription.name
        return name if self.pipeline is None else f"{self.pipeline}/{name}"


@dataclass(frozen=True)
class Newcomers:
    """``earlier``: what may have billed the same events. ``known``: names that have billed something before.

    ``beside``: name → the names, or pipelines, whose events it bills once more on purpose. ``followed``: name → keys of
    those that it was let run after, as its time began where theirs ended.
    """

    earlier: Sequence[Earlier]
    known: Collection[str]
    beside: Mapping[str, Collection[str]]
    followed: Mapping[str, Collection[str]]

    def rivals(self, one: Subscription) -> list[Earlier]:
        """Those whose events ``one`` may match too, and would give other ids."""
        said = set(self.beside.get(one.name, ()))
        followed = self.followed.get(one.name, ())
        return [
            other
            for other in self.earlier
            if (one.name not in self.known or other.key in followed)
            and not said & {other.subscription.name, other.pipeline}
            and _other_ids(one, other.subscription)
            and not _disjoint(one, other.subscription)
        ]

    def refuse(self, subscriptions: Iterable[Subscription]) -> None:
        """Raise ``ConfigError`` for each that would bill moments which one of its rivals has billed."""
        problems = []
        for one in subscriptions:
            met = ((_billed_to(one, other), other) for other in self.rivals(one))
            problems += [_message(one, other, until) for until, other in met if until]
        if problems:
            raise ConfigError(problems)

    def follows(self, subscriptions: Iterable[Subscription]) -> dict[str, str]:
        """Name → JSON of the keys of its rivals, for those that run the first time."""
        found: dict[str, set[str]] = {}
        for one in subscriptions:
            if one.name not in self.known:
                found.setdefault(one.name, set()).update(other.key for other in self.rivals(one))
        return {name: json.dumps(sorted(keys)) for name, keys in found.items() if keys}


def _billed_to(one: Subscription, other: Earlier) -> datetime | None:
    """Where what ``other`` billed of the time of ``one`` ends."""
    parts = (window.clamp(one.since, one.until) for window in other.touched)
    return max((part.until for part in parts if not part.empty), default=None)


def _other_ids(one: Subscription, other: Subscription) -> bool:
    """Whether the two may give one event different ids."""
    return not same_expression(_id_expression(one.mapping), _id_expression(other.mapping))


def _id_expression(mapping: Any) -> Any:
    """Of a mapping that is a directive as a whole, all of it."""
    return mapping.get("transaction_id", mapping) if isinstance(mapping, dict) else mapping


def _disjoint(one: Subscription, other: Subscription) -> bool:
    try:
        return provably_disjoint(compile_trigger(one.trigger), compile_trigger(other.trigger))
    except FqlError:
        return False


def _message(one: Subscription, other: Earlier, until: datetime) -> str:
    new, old, when = one.name, other.subscription.name, rfc3339(until)
    if other.pipeline is None:
        return (
            f"subscription {new!r} is new, and {old!r}, which the config no longer has, has billed events of the same "
            f"source up to {when} under other ids: what both match would be billed twice. Say what it is: `was: {old}` "
            f"(it takes its place; then its from says since when), `beside: [{old}]` (a further charge for the same "
            f"events, on purpose), or a from that is no earlier than {when}"
        )
    return (
        f"subscription {new!r} is new, and {old!r} of pipeline {other.pipeline!r} has billed events of the same source up "
        f"to {when} under other ids: what both match would be billed twice. Say what it is: `was: {other.pipeline}` at the "
        f"top (it takes its place; then its from says since when), `beside: [{other.pipeline}]` (a further charge for the "
        f"same events, on purpose), or a from that is no earlier than {when}"
    )
