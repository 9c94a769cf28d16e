"""From a config, and what the state knows of its pipeline, to the plan of a run: who bills which part of which window."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from etl.core.errors import ConfigError
from etl.core.ports import LatePlan, RunPlan, SubscriptionVersion
from etl.core.windows import Window, rfc3339
from etl.pipeline import inputs
from etl.pipeline.newcomers import Earlier, Newcomers
from etl.pipeline.schedule import History, billed_part, lifetime, schedule
from etl.pipeline.versions import Books, refuse_edits, unlisted
from etl.pipeline.versions import notes as notes_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from etl.config import Config
    from etl.core.ports import RunKind
    from etl.core.subscription import Subscription
    from etl.state import StateStore


@dataclass(frozen=True)
class Outlook:
    """A config, and what the state knows of its pipeline for its account.

    ``books``: with the config's renames taken over. ``renames``: those of them that no run has recorded (old → new).
    ``takes_over``: the pipeline's name of before, where no run has recorded that. ``unlisted``: versions that the config
    has no more, each with the time that it goes on to bill. ``neighbours``: books of the account's other pipelines, as
    far as they matter.
    """

    config: Config
    books: Books
    renames: Mapping[str, str]
    takes_over: str | None
    unlisted: Sequence[Subscription]
    neighbours: Mapping[str, Books]

    @property
    def everything(self) -> list[Subscription]:
        """The config's subscriptions, then those that are not listed."""
        return [*self.config.subscriptions, *self.unlisted]

    @property
    def names(self) -> frozenset[str]:
        """Of the config's subscriptions."""
        return frozenset(s.name for s in self.config.subscriptions)

    @property
    def histories(self) -> dict[str, History]:
        """What state knows of each subscription name that has run for the config's account.

        An account has a history of its own: what was billed to a sandbox is still to be billed in production.
        """
        starts: dict[str, datetime] = {}
        for version in self.books.versions:
            if version.starts is not None:
                starts[version.name] = min(version.starts, starts.get(version.name, version.starts))
        intervals = self.books.intervals
        return {name: History(starts.get(name), intervals.get(name, [])) for name in {*starts, *intervals}}

    def scheduled(self) -> list[Subscription]:
        """Those that a scheduled run bills: of names that are gone only what the schedule billed before."""
        histories, names = self.histories, self.names
        begun = {name for name, history in histories.items() if history.starts}
        return [*self.config.subscriptions, *(s for s in self.unlisted if s.name in names | begun)]

    @property
    def reach(self) -> timedelta:
        """How long after its time a row can still be billed."""
        return max(self.config.destination.max_age, self.config.source.overlap)

    def removed(self, now: datetime) -> dict[str, datetime]:
        """Name that the config has no more → the end of its time, as long as late rows of that can be billed."""
        ends: dict[str, datetime] = {}
        for s in self.unlisted:
            if s.name not in self.names and s.until is not None and s.until > now - self.reach:
                ends[s.name] = max(s.until, ends.get(s.name, s.until))
        return ends

    def refuse(self, chosen: Sequence[Subscription], now: datetime) -> None:
        """Raise ``ConfigError`` for what of ``chosen`` would be billed twice, and for changes that others must follow."""
        inputs.refuse_changes(self.config, self.books.inputs)
        listed = [s for s in chosen if s in self.config.subscriptions]
        refuse_edits(listed, self.books.touched)
        self.newcomers(now).refuse(listed)

    def newcomers(self, now: datetime) -> Newcomers:
        """What may have billed the events of a subscription that is new, and can be billed still."""
        recorded = self.books.inputs.items()
        return Newcomers(
            earlier=list(self._earlier(now)),
            known={name for name, _ in self.books.touched},
            beside=self.config.beside,
            followed={name: json.loads(keys) for (what, name), keys in recorded if what == "follows"},
        )

    def _earlier(self, now: datetime) -> Iterator[Earlier]:
        for pipeline, books in ((None, self.books), *self.neighbours.items()):
            for (name, version), windows in books.touched.items():
                subscription = books.subscription(name, version)
                touched = [window for window in windows if window.until > now - self.reach]
                if touched and subscription and not (pipeline is None and name in self.names):
                    yield Earlier(subscription, touched, pipeline)


def outlook_of(config: Config, state: StateStore) -> Outlook:
    """What ``state`` knows of the pipeline and account of ``config``."""
    account = config.destination.account
    new = bool(config.was) and not state.versions(config.pipeline, account)
    takes_over = config.was if new and config.was and state.versions(config.was, account) else None
    books = _books(state, takes_over or config.pipeline, account)
    renames = books.pending(config.renamed)
    books = books.renamed(renames)
    return Outlook(
        config=config,
        books=books,
        renames=renames,
        takes_over=takes_over,
        unlisted=unlisted(config.subscriptions, books, config.retired),
        neighbours=_neighbours(config, state, books, takes_over),
    )


def _books(state: StateStore, pipeline: str, account: str) -> Books:
    of = (pipeline, account)
    return Books(state.versions(*of), state.touched(*of), state.intervals(*of), state.inputs(*of))


def _neighbours(config: Config, state: StateStore, books: Books, takes_over: str | None) -> dict[str, Books]:
    """Of pipelines that may read the same events; nobody asks for them where no subscription is new."""
    followed = any(what == "follows" for what, _ in books.inputs)
    if not followed and {s.name for s in config.subscriptions} <= {name for name, _ in books.touched}:
        return {}
    account = config.destination.account
    others = set(state.pipelines(account)) - {config.pipeline, takes_over}
    found = {pipeline: _books(state, pipeline, account) for pipeline in sorted(others)}
    return {pipeline: of for pipeline, of in found.items() if inputs.same_source(config, of.inputs)}


@dataclass(frozen=True)
class Planned:
    """``parts``: of each subscription the part of the window that it bills. ``notes``: what the run is to say once."""

    plan: RunPlan
    parts: Sequence[tuple[Subscription, Window]]
    notes: Sequence[str]


def planned(
    outlook: Outlook,
    kind: RunKind,
    window: tuple[datetime, datetime] | None,
    names: Sequence[str] | None,
    token: str | None,
    now: datetime,
) -> Planned:
    """A run over ``window``, or (None) the scheduled one, for the subscriptions called ``names``, or (None) all.

    Raises ``ConfigError`` for an unknown name, an edited subscription, a first run without a start.
    """
    chosen = _chosen(outlook.everything if window else outlook.scheduled(), names)
    outlook.refuse(chosen, now)
    whole, starts = _window(outlook, chosen, window, now)
    notes = _notes(outlook, now)
    late = _late(outlook, whole, starts, now) if window is None and names is None else None
    plan = plan_of(outlook, kind, whole, chosen, starts, token)
    listed = [s for s in chosen if s in outlook.config.subscriptions]
    follows = {("follows", name): keys for name, keys in outlook.newcomers(now).follows(listed).items()}
    said = {key: value for key, (value, _) in notes.items()}
    plan = replace(
        plan,
        inputs={**plan.inputs, **inputs.inputs_of(outlook.config), **follows, **said},
        late=late,
        known_scope=_known_scope(outlook.config) if names is None else None,
    )
    reached = Window(min(late.begin, whole.since), whole.until) if late else whole
    parts = [(s, billed_part(s, reached, starts.get(s.name))) for s in chosen]
    own = [(s, part) for s, part in parts if s in outlook.config.subscriptions or not part.empty]
    begun = min((h.starts for h in outlook.histories.values() if h.starts), default=None)
    texts = [
        *inputs.changes(outlook.config, outlook.books.inputs, begun),
        *(text for _, text in notes.values()),
    ]
    return Planned(plan, own, texts)


def _chosen(subscriptions: Sequence[Subscription], names: Sequence[str] | None) -> list[Subscription]:
    if names is None:
        return list(subscriptions)
    known = {s.name for s in subscriptions}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"no subscription is named {unknown[0]!r}; there are {', '.join(map(repr, sorted(known)))}"
        )
    return [s for s in subscriptions if s.name in names]


def _window(
    outlook: Outlook, chosen: Sequence[Subscription], window: tuple[datetime, datetime] | None, now: datetime
) -> tuple[Window, Mapping[str, datetime]]:
    if window is not None:
        since, until = window
        if since >= until:
            raise ConfigError(f"--since {rfc3339(since)} is not before --until {rfc3339(until)}")
        if since >= now:
            raise ConfigError(f"the window {Window(since, until)} is still to come: it is {rfc3339(now)} now")
        return Window(since, min(until, now)), {}
    source = outlook.config.source
    found = schedule(chosen, outlook.histories, source.start, source.overlap, now)
    return found.window, found.starts


def plan_of(
    outlook: Outlook,
    kind: RunKind,
    window: Window,
    chosen: Sequence[Subscription],
    starts: Mapping[str, datetime],
    token: str | None,
) -> RunPlan:
    """What a run of ``chosen`` over ``window`` is about to do; ``starts``: where the schedule begins to bill a name."""
    config = outlook.config
    listed = [s for s in chosen if s in config.subscriptions]
    return RunPlan(
        pipeline=config.pipeline,
        account=config.destination.account,
        kind=kind,
        window=window,
        subscriptions=[_kept(s, starts.get(s.name)) for s in listed],
        intervals=_intervals(chosen, window, starts),
        touches=_touches(chosen, window, starts),
        scope=_scope(config, chosen, starts),
        fingerprint=None if token is None else hashlib.sha256(token.encode()).hexdigest(),
        renames=outlook.renames,
        takes_over=outlook.takes_over,
        inputs=_inputs(outlook),
    )


def _kept(s: Subscription, starts: datetime | None) -> SubscriptionVersion:
    """What the state keeps of a subscription that the config lists."""
    texts = {"trigger": json.dumps(s.trigger), "mapping": json.dumps(s.mapping)}
    return SubscriptionVersion(s.name, s.version, s.since, s.until, starts, **texts)


def _intervals(
    chosen: Sequence[Subscription], window: Window, starts: Mapping[str, datetime]
) -> dict[str, Window]:
    """What the run completes, by name."""
    names = {s.name for s in chosen}
    parts = {name: lifetime([s for s in chosen if s.name == name], window) for name in names}
    parts = {name: part.clamp(starts.get(name), None) for name, part in parts.items()}
    return {name: part for name, part in parts.items() if not part.empty}


def _touches(
    chosen: Sequence[Subscription], window: Window, starts: Mapping[str, datetime]
) -> dict[tuple[str, str], list[Window]]:
    """What each version bills; one that came back has several parts."""
    found: dict[tuple[str, str], list[Window]] = {}
    for s in chosen:
        part = billed_part(s, window, starts.get(s.name))
        if not part.empty:
            found.setdefault((s.name, s.version), []).append(part)
    return found


def _scope(config: Config, chosen: Sequence[Subscription], starts: Mapping[str, datetime]) -> str:
    """Names everything that decides which pairs a part of the source yields, so that a mark holds only for it."""
    parts = [(s.name, s.version, s.since, s.until, starts.get(s.name)) for s in chosen]
    read = [config.source.cursor, getattr(config.source, "layout", None)]
    limits = config.limits.model_dump(mode="json")
    content = [config.destination.account, read, limits, sorted(map(str, parts))]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


def _late(outlook: Outlook, window: Window, starts: Mapping[str, datetime], now: datetime) -> LatePlan | None:
    """What a scheduled run does behind its window: back as far as events can be billed, and no further than it began.

    Rows of twice that age are not even looked at: of so long ago the sent log is sure to say what was billed.
    """
    every = outlook.config.source.late
    if every is None:
        return None
    first = min(starts.values(), default=window.since)
    since = max(first, (now - outlook.reach).replace(minute=0, second=0, microsecond=0))
    begin = max(first, now - 2 * outlook.config.destination.max_age)
    begun = any(history.starts and history.intervals for history in outlook.histories.values())
    return LatePlan(since, min(begin, since), every, begun)


def _known_scope(config: Config) -> str:
    """Names what decides which rows a part of the source has, whatever is billed of them."""
    read = [config.source.type, config.source.cursor, getattr(config.source, "layout", None)]
    return hashlib.sha256(orjson.dumps(["late", config.destination.account, read])).hexdigest()


def _inputs(outlook: Outlook) -> dict[tuple[str, str], str | None]:
    """What the config says of names that changed, so that it is done once; what it says no more is forgotten."""
    was = outlook.config.renamed
    gone = [key for key in outlook.books.inputs if key[0] == "was" and key[1] not in was]
    return {("was", new): old for new, old in was.items()} | dict.fromkeys(gone)


def _notes(outlook: Outlook, now: datetime) -> dict[tuple[str, str], tuple[str, str]]:
    """(input, name) → value and text of what no run has said yet."""
    found = notes_on(outlook.names, outlook.unlisted, now - outlook.reach)
    return {key: told for key, told in found.items() if outlook.books.inputs.get(key) != told[0]}
