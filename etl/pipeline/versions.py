"""Edited subscriptions: which version's time a moment of the cursor's time line is. Pure.

A changed trigger or mapping can make another ``transaction_id`` for the same event, which Metronome would bill a second
time. So a version may only take moments that no other version of its name has touched, and a version that the config
lists no more goes on to bill what was its time: rows that arrive late, and dead letters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from etl.core.errors import ConfigError
from etl.core.subscription import Subscription
from etl.core.windows import ALL_TIME, Window, merge, rfc3339, without

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from etl.core.ports import SubscriptionVersion

# ---------------------------------------------------------------------------------------------- books

_NUMBERS: tuple[Literal["preserve", "string"], ...] = ("preserve", "string")


@dataclass(frozen=True)
class Books:
    """What the state knows of a pipeline's subscriptions for an account; see ``StateStore`` for each."""

    versions: Sequence[SubscriptionVersion] = ()
    touched: Mapping[tuple[str, str], Sequence[Window]] = field(default_factory=dict)
    intervals: Mapping[str, Sequence[Window]] = field(default_factory=dict)
    inputs: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """Every subscription name that has run."""
        return frozenset({*(v.name for v in self.versions), *self.intervals})

    def subscription(self, name: str, version: str) -> Subscription | None:
        """A version as the state keeps it, over all time."""
        found = (v for v in self.versions if (v.name, v.version) == (name, version))
        return next((_subscription(one, ALL_TIME) for one in found), None)

    def pending(self, was: Mapping[str, str]) -> dict[str, str]:
        """Old name → new name of what ``was`` (new name → old) says and no run has recorded yet."""
        told = {old: new for new, old in was.items() if self.inputs.get(("was", new)) != old}
        return {old: new for old, new in told.items() if old in self.names}

    def renamed(self, names: Mapping[str, str]) -> Books:
        """The same with ``names`` (old → new) taken over, all at once; what two have had is joined."""
        touched: dict[tuple[str, str], list[Window]] = {}
        for (name, version), windows in self.touched.items():
            touched.setdefault((names.get(name, name), version), []).extend(windows)
        intervals: dict[str, list[Window]] = {}
        for name, windows in self.intervals.items():
            intervals.setdefault(names.get(name, name), []).extend(windows)
        return replace(
            self,
            versions=[replace(v, name=names.get(v.name, v.name)) for v in self.versions],
            touched={key: merge(windows) for key, windows in touched.items()},
            intervals={name: merge(windows) for name, windows in intervals.items()},
        )


def _subscription(version: SubscriptionVersion, time: Window) -> Subscription | None:
    """A version as the state keeps it, over ``time``; None where its text is no version of ours."""
    since = None if time.since <= ALL_TIME.since else time.since
    until = None if time.until >= ALL_TIME.until else time.until
    try:
        trigger, mapping = json.loads(version.trigger), json.loads(version.mapping)
    except ValueError:
        return None
    candidates = (Subscription(version.name, trigger, mapping, since, until, n) for n in _NUMBERS)
    return next((one for one in candidates if one.version == version.version), None)


# ------------------------------------------------------------------------------------------- timeline


@dataclass(frozen=True, order=True)
class _Stretch:
    """Time of one version: claimed by the config (``listed``), or touched and claimed by nobody."""

    time: Window
    version: str
    listed: bool = False


def unlisted(
    listed: Sequence[Subscription], books: Books, retired: Mapping[str, datetime]
) -> list[Subscription]:
    """Every version that has time of its own and is not in the config, with that time as its ``[from, until)``.

    That is what it touched, and what lies between that and its successor's ``from``. A name that is gone has nothing
    after what it touched, or ends where ``retired`` says.
    """
    names = sorted({name for name, _ in books.touched})
    return [one for name in names for one in _kept(name, listed, books, retired.get(name))]


def _kept(
    name: str, listed: Sequence[Subscription], books: Books, end: datetime | None
) -> Iterator[Subscription]:
    versions = {v.version: v for v in books.versions if v.name == name}
    stretches = _stretches(name, [s for s in listed if s.name == name], books, versions)
    kept: list[_Stretch] = []
    for before, one, after in zip([None, *stretches[:-1]], stretches, [*stretches[1:], None], strict=True):
        if one.listed:
            continue
        time = Window(_edge(before, one, versions), _end(one, after, versions, end)).clamp(None, end)
        kept.append(replace(one, time=time))
    for version, time in _joined(kept):
        subscription = None if time.empty else _subscription(versions[version], time)
        if subscription:
            yield subscription


def _stretches(
    name: str, own: Sequence[Subscription], books: Books, versions: Mapping[str, SubscriptionVersion]
) -> list[_Stretch]:
    """In order, and disjoint as far as no edit is refused."""
    claims = [_Stretch(ALL_TIME.clamp(s.since, s.until), s.version, listed=True) for s in own]
    touched = [
        _Stretch(part, version)
        for (of, version), windows in books.touched.items()
        if of == name and version in versions
        for part in without(windows, [claim.time for claim in claims])
    ]
    found = sorted([*claims, *touched])
    return [one for n, one in enumerate(found) if one.listed or not _given_up(found, n)]


def _given_up(stretches: Sequence[_Stretch], position: int) -> bool:
    """Whether the config lists the version and leaves this out by its ``from`` or ``until``: no other came between."""
    version = stretches[position].version
    beside = (*stretches[max(0, position - 1) : position], *stretches[position + 1 : position + 2])
    return any(other.listed and other.version == version for other in beside)


def _edge(before: _Stretch | None, after: _Stretch, versions: Mapping[str, SubscriptionVersion]) -> datetime:
    """Where the time of ``after`` begins: at its ``from`` if that lies between the two, else where it was billed."""
    if after.listed:
        return after.time.since
    since = versions[after.version].since or ALL_TIME.since
    earliest = before.time.until if before else ALL_TIME.since
    return since if earliest <= since <= after.time.since else after.time.since


def _end(
    one: _Stretch,
    after: _Stretch | None,
    versions: Mapping[str, SubscriptionVersion],
    retired: datetime | None,
) -> datetime:
    """Where the next version begins, or the name ends; no later than the ``until`` it had itself."""
    last = one.time.until if retired is None else max(retired, one.time.until)
    end = last if after is None else _edge(one, after, versions)
    own = versions[one.version].until
    return min(end, own) if own and own > one.time.since else end


def _joined(stretches: Sequence[_Stretch]) -> list[tuple[str, Window]]:
    """(version, its time); stretches of one version that meet are one."""
    found: list[tuple[str, Window]] = []
    for one in stretches:
        if found and found[-1][0] == one.version and found[-1][1].until >= one.time.since:
            since = found.pop()[1].since
            found.append((one.version, Window(since, one.time.until)))
        else:
            found.append((one.version, one.time))
    return found


# ---------------------------------------------------------------------------------------------- edits


def refuse_edits(
    subscriptions: Sequence[Subscription], touched: Mapping[tuple[str, str], Sequence[Window]]
) -> None:
    """Raise ``ConfigError`` for every version that would bill moments another version of its name has touched."""
    clashes = ((subscription, latest_clash(subscription, touched)) for subscription in subscriptions)
    problems = [_message(subscription, until) for subscription, until in clashes if until]
    if problems:
        raise ConfigError(problems)


def latest_clash(
    subscription: Subscription, touched: Mapping[tuple[str, str], Sequence[Window]]
) -> datetime | None:
    """Where the last window ends that another version has touched and this one would bill."""
    ends = (
        window.until
        for (name, version), windows in touched.items()
        if name == subscription.name and version != subscription.version
        for window in windows
        if not window.clamp(subscription.since, subscription.until).empty
    )
    return max(ends, default=None)


def _message(subscription: Subscription, until: datetime) -> str:
    name, when = subscription.name, rfc3339(until)
    if subscription.since is None:
        what = f"the trigger or mapping of subscription {name!r} has changed since it was last run"
    else:
        what = (
            f"subscription {name!r} is from {rfc3339(subscription.since)}, but another version of it has run up to "
            f"{when}"
        )
    return (
        f"{what}. To bill nothing twice, say from when the new version applies; the version before goes on to bill "
        "what came before that, and need not be listed. `etl amend` writes it into the config:\n"
        "  subscriptions:\n"
        f"    - name: {json.dumps(name, ensure_ascii=False)}\n"
        f"      from: {when}"
    )


def notes(
    names: Collection[str], kept: Iterable[Subscription], earliest: datetime
) -> dict[tuple[str, str], tuple[str, str]]:
    """What to say once of ``kept`` versions that have time after ``earliest``; ``names``: those of the config.

    (input, name) → value and text; see ``StateStore.inputs``.
    """
    found = {}
    for one in kept:
        if one.until is not None and one.until > earliest:
            until = rfc3339(one.until)
            found["kept", f"{one.name}\n{one.version}"] = (
                until,
                _note(one, until, gone=one.name not in names),
            )
    return found


def _note(one: Subscription, until: str, *, gone: bool) -> str:
    if gone:
        return (
            f"subscription {one.name!r} is not in the config any more: rows of its time, before {until}, that arrive "
            f"late are still billed by its last version. `retired` ends it at another time, and a subscription that "
            f"takes its place says was: {one.name}"
        )
    return (
        f"subscription {one.name!r}: an earlier version, which the config does not list, bills the rows of before "
        f"{until} that arrive late"
    )
