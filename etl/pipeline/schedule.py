"""Which window a scheduled run takes, and what each subscription bills of a window. Pure.

State is kept per subscription *name*: its versions share a name and have disjoint ``[from, until)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.core.errors import ConfigError
from etl.core.windows import Window, merge, watermark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from etl.core.subscription import Subscription


@dataclass(frozen=True)
class History:
    """What state knows of a subscription name: where scheduled runs begin, and its complete intervals.

    ``starts`` is None until the first scheduled run; ad-hoc runs may have completed intervals before.
    """

    starts: datetime | None = None
    intervals: Sequence[Window] = ()

    @property
    def watermark(self) -> datetime | None:
        """How far the name is complete without a gap: from ``starts`` on, or else from its first interval on."""
        return watermark(self.intervals) if self.starts is None else self.complete_from(self.starts)

    def complete_from(self, begin: datetime) -> datetime | None:
        """Up to where the name is complete from ``begin`` on without a gap; None if nothing there is."""
        for interval in merge(self.intervals):
            if interval.since <= begin < interval.until:
                return interval.until
        return None


@dataclass(frozen=True)
class Schedule:
    """A scheduled run: its window, and where each subscription name starts to be billed by scheduled runs."""

    window: Window
    starts: Mapping[str, datetime]


def schedule(
    subscriptions: Sequence[Subscription],
    histories: Mapping[str, History],
    start: datetime | None,
    overlap: timedelta,
    now: datetime,
) -> Schedule:
    """From the watermark less the overlap, to now.

    A new name starts at its ``from``, else at the pipeline's watermark, else at ``source.start``. The window
    reaches back to the earliest moment that any unfinished name needs.
    Raises ``ConfigError`` on a first run without a start.
    """
    names = sorted({s.name for s in subscriptions})
    known = {name: histories.get(name, History()) for name in names}
    pipeline_mark = _pipeline_mark(subscriptions, histories, now)
    starts: dict[str, datetime] = {}
    needs: list[datetime] = []
    ended: list[tuple[datetime, datetime]] = []
    for name, history in known.items():
        versions = [s for s in subscriptions if s.name == name]
        begin = history.starts or _first_from(versions) or pipeline_mark or start or _earliest(known)
        starts[name] = begin
        mark = history.complete_from(begin)
        if not _finished(versions, mark or begin):
            needs.append(begin if mark is None else max(mark - overlap, begin))
        else:
            ended.append((begin, max(v.until for v in versions if v.until)))
    # The schedule goes back by the overlap from where it has come, for names that have ended as for the others.
    reach = (pipeline_mark if needs and pipeline_mark else now) - overlap
    needs += [max(reach, begin) for begin, end in ended if reach < end]
    since = min(needs, default=now)
    return Schedule(Window(min(since, now), now), starts)


def billed_part(subscription: Subscription, window: Window, starts: datetime | None) -> Window:
    """The part of ``window`` that ``subscription`` bills: inside its ``[from, until)``, and from ``starts`` on."""
    return window.clamp(subscription.since, subscription.until).clamp(starts, None)


def lifetime(versions: Sequence[Subscription], window: Window) -> Window:
    """The part of ``window`` between a name's first ``from`` and its last ``until``: outside it has nothing to bill.

    Only there a run can complete the name: whoever moves its ``until`` later finds the time since unbilled.
    """
    ends = [v.until for v in versions]
    end = None if None in ends else max(e for e in ends if e)
    return window.clamp(_first_from(versions), end)


def open_names(
    subscriptions: Sequence[Subscription], histories: Mapping[str, History], now: datetime
) -> list[str]:
    """The names that scheduled runs still have to complete: begun, and not complete up to their last ``until``."""
    found = []
    for name in sorted({s.name for s in subscriptions}):
        versions = [s for s in subscriptions if s.name == name]
        history = histories.get(name, History())
        # What ended before scheduled runs begin is left to backfills.
        mark = history.watermark or history.starts
        begun = (_first_from(versions) or now) <= now
        if begun and not (mark and _finished(versions, mark)):
            found.append(name)
    return found


def _pipeline_mark(
    subscriptions: Sequence[Subscription], histories: Mapping[str, History], now: datetime
) -> datetime | None:
    """How far the schedule has come: the slowest open name, or the furthest of those that ended or were renamed."""
    names = open_names(subscriptions, histories, now)
    today = [mark for name in names if (h := histories.get(name)) and h.starts and (mark := h.watermark)]
    before = [mark for h in histories.values() if h.starts and (mark := h.watermark)]
    return min(today, default=None) or max(before, default=None)


def _first_from(versions: Sequence[Subscription]) -> datetime | None:
    begins = [v.since for v in versions]
    return None if None in begins else min((b for b in begins if b), default=None)


def _finished(versions: Sequence[Subscription], mark: datetime) -> bool:
    return all(v.until is not None and v.until <= mark for v in versions)


def _earliest(histories: Mapping[str, History]) -> datetime:
    """Where ad-hoc runs began, for a pipeline that has no other start."""
    begins = [interval.since for history in histories.values() for interval in history.intervals]
    if not begins:
        raise ConfigError(
            "this pipeline has never run for this account and has no start: set source.start in the config to where billing begins, "
            "or name a window with --since and --until"
        )
    return min(begins)
