"""From a config to the parts of a run: the only place that names concrete sources, destinations and states."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING

from etl.core.errors import ConfigError
from etl.core.http import Network
from etl.core.windows import ALL_TIME, Window
from etl.pipeline.limits import Limits
from etl.pipeline.pairs import Billing
from etl.pipeline.planning import outlook_of, plan_of, planned
from etl.pipeline.recorder import CircuitBreaker
from etl.pipeline.run import Job
from etl.transform import compile_subscription
from etl.transform.javascript.values import split_path, strip_root

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from etl.config import Config
    from etl.core.ports import Destination, Progress, RunKind, RunPlan, Source
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
                partitions=source.partitions,
                cursor=source.cursor,
                batch_rows=source.batch_rows,
                exclude=source.exclude or (),
            )
        case "delta":
            from etl.sources.delta import DeltaSource

            return DeltaSource(
                source.path, layout=source.layout, cursor=source.cursor, batch_rows=source.batch_rows
            )
        case "iceberg":
            from etl.sources.iceberg import IcebergSource

            return IcebergSource(
                source.path,
                catalog=source.catalog,
                table=source.table,
                layout=source.layout,
                cursor=source.cursor,
                batch_rows=source.batch_rows,
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
    """Metronome. Raises ``ConfigError`` without a token or the proxy, unless none is needed (a dry run)."""
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
        confirm=destination.confirm,
        network=_way_to_metronome(config) if token_needed else None,
    )


def network() -> Network:
    """What the environment says about proxies and certificates."""
    return Network.of(environment())


def _way_to_metronome(config: Config) -> Network:
    return Network.of(environment(), proxy=config.proxy(), ca_file=config.destination.ca_file)


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
    token = None if dry_run else config.require_token()
    state = state_of(config, interrupted)
    outlook = outlook_of(config, state)
    run = planned(outlook, kind, window, subscriptions, token, clock())
    billings = [Billing(s.name, compile_subscription(s), part) for s, part in run.parts]
    job = _job(config, source_of(config), state, run.plan, billings, dry_run, progress, interrupted, clock)
    names = subscriptions or {*outlook.names, *outlook.books.names}
    return replace(job, names=frozenset(names), retired=config.retired, notes=tuple(run.notes))


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
    outlook = outlook_of(config, state)
    outlook.refuse([s for s in config.subscriptions if s.name == version.name], clock())
    billings = [Billing(version.name, compile_subscription(version), ALL_TIME)]
    plan = plan_of(outlook, "ad-hoc", Window(clock(), clock()), [version], {}, token)
    touches = {(version.name, v): [Window(min(at), max(at) + _TICK)] for v, at in bound.items()}
    plan = replace(plan, window=Window(plan.window.since, plan.window.since), intervals={}, touches=touches)
    job = _job(config, source, state, plan, billings, dry_run, None, interrupted, clock)
    return replace(job, names=frozenset({version.name}))


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
        quantity=split_path(strip_root(config.report.quantity)) if config.report.quantity else None,
    )


def refuse_problems(config: Config) -> None:
    """Raise ``ConfigError`` for triggers and mappings that no run can use."""
    from etl.authoring.lints import problems

    found = problems(config)
    if found:
        raise ConfigError([str(problem) for problem in found])


def environment() -> Mapping[str, str]:
    """The process's environment: read here and nowhere below."""
    return os.environ
