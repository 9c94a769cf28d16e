"""Edited subscriptions: an event that one version may have billed is never billed by another. Pure.

A changed trigger or mapping can make another ``transaction_id`` for the same event, which Metronome would bill a
second time. So a version may only take moments of the cursor's time line that no other version of its name has
touched; the message gives the lines to paste.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from etl.core.errors import ConfigError
from etl.core.windows import Window, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from etl.core.ports import SubscriptionVersion
    from etl.core.subscription import Subscription


def refuse_edits(
    subscriptions: Sequence[Subscription],
    known: Iterable[SubscriptionVersion],
    touched: Mapping[tuple[str, str], Sequence[Window]],
) -> None:
    """Raise ``ConfigError`` for every version that would bill moments another version of its name has touched."""
    versions = {(v.name, v.version): v for v in known}
    problems = []
    for subscription in subscriptions:
        clash = _latest_clash(subscription, touched)
        if clash:
            other, until = clash
            problems.append(_message(subscription, versions.get((subscription.name, other)), until))
    if problems:
        raise ConfigError(problems)


def _latest_clash(
    subscription: Subscription, touched: Mapping[tuple[str, str], Sequence[Window]]
) -> tuple[str, datetime] | None:
    """The other version that reaches furthest into this one's time, and where its last window ends."""
    ends = [
        (window.until, version)
        for (name, version), windows in touched.items()
        if name == subscription.name and version != subscription.version
        for window in windows
        if not window.clamp(subscription.since, subscription.until).empty
    ]
    if not ends:
        return None
    until, version = max(ends)
    return version, until


def _message(subscription: Subscription, other: SubscriptionVersion | None, until: datetime) -> str:
    when = rfc3339(until)
    if subscription.since is None:
        what = (
            f"the trigger or mapping of subscription {subscription.name!r} has changed since it was last run"
        )
    else:
        what = (
            f"subscription {subscription.name!r} is from {rfc3339(subscription.since)}, but another version of it "
            f"has run up to {when}"
        )
    return (
        f"{what}. To bill nothing twice, say from when the new version applies, and keep the old one until then:\n"
        f"{_lines(subscription, other, when)}"
    )


def _lines(subscription: Subscription, other: SubscriptionVersion | None, when: str) -> str:
    old: list[str] = []
    if other is not None:
        begin = {} if other.since is None else {"from": rfc3339(other.since)}
        old = _block(subscription.name, {**begin, "until": when}, other.trigger, other.mapping)
    end = {} if subscription.until is None else {"until": rfc3339(subscription.until)}
    trigger, mapping = (
        json.dumps(value, ensure_ascii=False) for value in (subscription.trigger, subscription.mapping)
    )
    return "\n".join(
        ["  subscriptions:", *old, *_block(subscription.name, {"from": when, **end}, trigger, mapping)]
    )


def _block(name: str, edges: Mapping[str, str], trigger: str, mapping: str) -> list[str]:
    return [
        f"    - name: {json.dumps(name, ensure_ascii=False)}",
        *(f"      {key}: {when}" for key, when in edges.items()),
        f"      trigger: {trigger}",
        f"      mapping: {mapping}",
    ]
