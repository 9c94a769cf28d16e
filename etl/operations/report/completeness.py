"""How far each subscription is complete within the scope, and what is missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.core.windows import ALL_TIME, Window, merge, without
from etl.pipeline.schedule import lifetime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from etl.core.subscription import Subscription
    from etl.operations.report.scope import Scope
    from etl.pipeline.schedule import History


@dataclass(frozen=True)
class Completeness:
    """Of one subscription. ``parts`` are complete, ``missing`` are not but should be; both lie within the scope.

    ``scheduled``: the next scheduled run takes up what is missing.
    ``up_to``: complete without a gap up to there; None if nothing is. ``ended``: complete up to the subscription's
    own end. What lies between ``up_to`` and the moment the report was made is lag, not a gap.
    """

    name: str
    parts: Sequence[Window]
    missing: Sequence[Window]
    up_to: datetime | None
    ended: bool
    scheduled: bool


def completeness(
    subscriptions: Sequence[Subscription], histories: Mapping[str, History], scope: Scope
) -> list[Completeness]:
    """One for each subscription name of the config that has to do with the scope, in the order of the names."""
    if scope.window.empty:
        return []
    names = sorted({s.name for s in subscriptions})
    each = (_of([s for s in subscriptions if s.name == name], histories.get(name), scope) for name in names)
    return [one for one in each if one is not None]


def _of(versions: Sequence[Subscription], history: History | None, scope: Scope) -> Completeness | None:
    """None where the subscription was not to bill anything within the scope."""
    lives = lifetime(versions, scope.window)
    parts = merge(w.clamp(lives.since, lives.until) for w in (history.intervals if history else ()))
    start = history.starts if history else None
    if start is None and not parts:
        return None
    # Where no schedule began, nobody promised anything before the first window that was run.
    expected = lives.clamp(start or parts[0].since, scope.at)
    if expected.empty and not parts:
        return None
    missing = without([expected], parts)
    up_to = missing[0].since if missing and missing[0].since > expected.since else None
    if not missing:
        up_to = parts[-1].until if parts else None
    late = missing.pop() if missing and scope.open and missing[-1].until == scope.at else None
    ended = (
        not missing and late is None and bool(parts) and parts[-1].until == lifetime(versions, ALL_TIME).until
    )
    return Completeness(versions[0].name, parts, missing, up_to, ended, start is not None)


def up_to(found: Sequence[Completeness]) -> datetime | None:
    """Up to where every subscription is complete; those that have ended do not hold it back."""
    going = [one.up_to for one in found if not one.ended] or [one.up_to for one in found]
    return None if not going or None in going else min(moment for moment in going if moment)
