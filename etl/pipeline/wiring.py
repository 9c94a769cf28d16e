"""From a config to the parts of a run: the only place that names concrete sources, destinations and states."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING

import orjson

from etl.core.errors import ConfigError
from etl.core.ports import RunPlan, SubscriptionVersion
from etl.core.windows import ALL_TIME, Window, rfc3339
from etl.pipeline.limits import Limits
from etl.pipeline.pairs import Billing
from etl.pipeline.recorder import CircuitBreaker
from etl.pipeline.run import Job
from etl.pipeline.schedule import History, billed_part, lifetime, schedule
from etl.pipeline.versions import refuse_edits
from etl.transform import compile_subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from etl.config import Config
    from etl.core.ports import Destination, Progress, RunKind, Source
    from etl.core.subscription import Subscription
    from etl.state import StateStore


#: Between a cursor and the next there can be.
_TICK = timedelta(microseconds=1)


def source_of(config: Config) -> Source:
    """The source that ``config.source`` names; nothing is opened yet."""
    source = config.source
    match source.type:
        case "parquet":
            from etl.sources.parquet import ParquetSource

            return ParquetSource(
                source.path,
                layout=source.layout,
                cursor=source.cursor,
                batch_rows=source.batch_rows,
                exclude=source.exclude or (),
            )
        case "logs":
            from etl.sources.logs import LogsSource

            return LogsSource(
                source.path, cursor=source.cursor, batch_rows=source.batch_rows, exclude=source.exclude or ()
            )
        case _:
            from etl.sources.warehouse import WarehouseSource

            return WarehouseSource(
                config.source_url(),
                schemas=source.schemas,
                tables=source.tables,
                query=source.query,
                cursor=source.cursor,
                batch_rows=source.batch_rows,
                exclude=source.exclude or (),
            )


def destination_of(config: Config, *, token_needed: bool = True) -> Destination:
    """Metronome. Raises ``ConfigError`` without a token, unless none is needed (a dry run)."""
    from etl.metronome.client import Metronome

    destination = config.destination
    return Metronome(
        destination.base_url,
        config.require_token if token_needed else lambda: "",
        account=destination.account,
        events_per_second=destination.events_per_second,
        max_age=destination.max_age,
        retry_for=destination.retry_for,
        timeout=destination.timeout.total_seconds(),
        connections=destination.connections,
        gzip=destination.gzip,
        own_process=True,
    )


def state_of(config: Config, interrupted: Event | None = None) -> StateStore:
    """The state database; made or migrated when first written to. ``interrupted``: see ``open_state``."""
    from etl.state import open_state

    return open_state(
        config.state_url(),
        retention=config.state.retention,
        keep_events=config.state.keep_events,
        interrupted=interrupted,
    )


def job_of(
    config: Config,
    *,
    window: tuple[datetime, datetime] | None = None,
    kind: RunKind = "scheduled",
    subscriptions: Sequence[str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    interrupted: Event | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Job:
    """A run of ``config``: over ``window``, or (None) the scheduled one, for some or all ``subscriptions``.

    Raises ``ConfigError`` for everything that must be put right first: an unknown subscription, a trigger that
    does not parse, an edited subscription, no token, a first run without a start.
    """
    refuse_problems(config)
    chosen = _chosen(config, subscriptions)
    token = None if dry_run else config.require_token()
    state = state_of(config, interrupted)
    refuse_edited(config, chosen, state)
    whole, starts = _window(config, state, chosen, window, clock())
    billings = [
        Billing(s.name, compile_subscription(s), billed_part(s, whole, starts.get(s.name))) for s in chosen
    ]
    plan = _plan(config, kind, whole, chosen, starts, token)
    return _job(config, source_of(config), state, plan, billings, dry_run, progress, interrupted, clock)


def repair_job_of(
    config: Config,
    version: Subscription,
    source: Source,
    bound: Mapping[str, Sequence[datetime]],
    *,
    dry_run: bool = False,
    interrupted: Event | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Job:
    """A run of one ``version`` of a subscription over all events that ``source`` gives.

    It completes no window, so it may run beside any other run. ``bound``: version → cursors of the events whose time
    is its; before anything is sent, it is bound from the first of them to the last. Raises as ``job_of``.
    """
    refuse_problems(config)
    token = None if dry_run else config.require_token()
    state = state_of(config, interrupted)
    refuse_edited(config, _chosen(config, [version.name]), state)
    billings = [Billing(version.name, compile_subscription(version), ALL_TIME)]
    plan = _plan(config, "ad-hoc", Window(clock(), clock()), [version], {}, token)
    touches = {(version.name, v): Window(min(at), max(at) + _TICK) for v, at in bound.items()}
    plan = replace(plan, window=Window(plan.window.since, plan.window.since), intervals={}, touches=touches)
    return _job(config, source, state, plan, billings, dry_run, None, interrupted, clock)


def _job(
    config: Config,
    source: Source,
    state: StateStore,
    plan: RunPlan,
    billings: Sequence[Billing],
    dry_run: bool,
    progress: Progress | None,
    interrupted: Event | None,
    clock: Callable[[], datetime],
) -> Job:
    breaker = config.breaker
    return Job(
        source=source,
        destination=destination_of(config, token_needed=not dry_run),
        state=state,
        plan=plan,
        billings=billings,
        limits=Limits(config.limits.property_value, config.limits.property_value_bytes),
        breaker=lambda: CircuitBreaker(
            breaker.rejected_ratio, breaker.rejected_pairs, breaker.refused_chunks, breaker.enabled
        ),
        max_age=config.destination.max_age,
        overlap=config.source.overlap,
        dry_run=dry_run,
        clock=clock,
        progress=progress,
        interrupted=interrupted or Event(),
    )


def refuse_problems(config: Config) -> None:
    """Raise ``ConfigError`` for triggers and mappings that no run can use."""
    from etl.authoring.lints import problems

    found = problems(config)
    if found:
        raise ConfigError([str(problem) for problem in found])


def refuse_edited(config: Config, chosen: Sequence[Subscription], state: StateStore) -> None:
    """Raise ``ConfigError`` for subscriptions that would bill what another version of theirs has billed."""
    of = (config.pipeline, config.destination.account)
    refuse_edits(chosen, state.versions(*of), state.touched(*of))


def _chosen(config: Config, names: Sequence[str] | None) -> list[Subscription]:
    subscriptions = list(config.subscriptions)
    if names is None:
        return subscriptions
    known = {s.name for s in subscriptions}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"no subscription is named {unknown[0]!r}; there are {', '.join(map(repr, sorted(known)))}"
        )
    return [s for s in subscriptions if s.name in names]


def _window(
    config: Config,
    state: StateStore,
    chosen: Sequence[Subscription],
    window: tuple[datetime, datetime] | None,
    now: datetime,
) -> tuple[Window, Mapping[str, datetime]]:
    if window is not None:
        since, until = window
        if since >= until:
            raise ConfigError(f"--since {rfc3339(since)} is not before --until {rfc3339(until)}")
        return Window(since, max(since, min(until, now))), {}
    histories = histories_of(config, state)
    planned = schedule(chosen, histories, config.source.start, config.source.overlap, now)
    return planned.window, planned.starts


def histories_of(config: Config, state: StateStore) -> dict[str, History]:
    """What state knows of each subscription name that has run for the config's account.

    An account has a history of its own: what was billed to a sandbox is still to be billed in production.
    """
    of = (config.pipeline, config.destination.account)
    starts: dict[str, datetime] = {}
    for version in state.versions(*of):
        if version.starts is not None:
            starts[version.name] = min(version.starts, starts.get(version.name, version.starts))
    intervals = state.intervals(*of)
    return {name: History(starts.get(name), intervals.get(name, [])) for name in {*starts, *intervals}}


def _plan(
    config: Config,
    kind: RunKind,
    window: Window,
    chosen: Sequence[Subscription],
    starts: Mapping[str, datetime],
    token: str | None,
) -> RunPlan:
    parts = {(s.name, s.version): billed_part(s, window, starts.get(s.name)) for s in chosen}
    return RunPlan(
        pipeline=config.pipeline,
        account=config.destination.account,
        kind=kind,
        window=window,
        subscriptions=[
            SubscriptionVersion(
                s.name,
                s.version,
                s.since,
                s.until,
                starts.get(s.name),
                trigger=json.dumps(s.trigger),
                mapping=json.dumps(s.mapping),
            )
            for s in chosen
        ],
        intervals=_intervals(chosen, window, starts),
        touches={version: part for version, part in parts.items() if not part.empty},
        scope=_scope(config, chosen, starts),
        fingerprint=None if token is None else hashlib.sha256(token.encode()).hexdigest(),
    )


def _intervals(
    chosen: Sequence[Subscription], window: Window, starts: Mapping[str, datetime]
) -> dict[str, Window]:
    """What the run completes, by name."""
    names = {s.name for s in chosen}
    parts = {name: lifetime([s for s in chosen if s.name == name], window) for name in names}
    parts = {name: part.clamp(starts.get(name), None) for name, part in parts.items()}
    return {name: part for name, part in parts.items() if not part.empty}


def _scope(config: Config, chosen: Sequence[Subscription], starts: Mapping[str, datetime]) -> str:
    """Names everything that decides which pairs a part of the source yields, so that a mark holds only for it."""
    parts = [(s.name, s.version, s.since, s.until, starts.get(s.name)) for s in chosen]
    read = [config.source.cursor, getattr(config.source, "layout", None)]
    limits = config.limits.model_dump(mode="json")
    content = [config.destination.account, read, limits, sorted(map(str, parts))]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


def environment() -> Mapping[str, str]:
    """The process's environment: read here and nowhere below."""
    return os.environ
