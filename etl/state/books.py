"""The small tables a run keeps: intervals, versions, touched windows, inputs, marks, token fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from etl.core.errors import ConfigError
from etl.core.ports import SubscriptionVersion
from etl.core.windows import Window, merge
from etl.state.dead_letters import parts
from etl.state.schema import inputs, intervals, marks, subscription_versions, token_fingerprints, touches

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from etl.core.ports import RunPlan

# --------------------------------------------------------------------------------- intervals, touches


def add_interval(connection: sa.Connection, plan: RunPlan, subscription: str, window: Window) -> None:
    """``window`` is complete for the subscription; kept merged with its neighbours."""
    _merge_in(connection, intervals, {**_of(plan), "subscription": subscription}, window)


def forget_the_future(connection: sa.Connection, plan: RunPlan, now: datetime) -> None:
    """Cut the intervals of the plan's pipeline and account off at ``now``: no window can be complete before it has passed.

    A run whose clock was ahead left such an interval; without this, rows that arrive until then would be skipped.
    """
    mine = _mine(intervals, plan.pipeline, plan.account)
    connection.execute(intervals.delete().where(mine, intervals.c.since >= now))
    connection.execute(intervals.update().where(mine, intervals.c.until > now).values(until=now))


def add_touch(connection: sa.Connection, plan: RunPlan, name: str, version: str, window: Window) -> None:
    """This version may have billed events of ``window``."""
    _merge_in(connection, touches, {**_of(plan), "name": name, "version": version}, window)


def _merge_in(connection: sa.Connection, table: sa.Table, of: Mapping[str, str], window: Window) -> None:
    if window.empty:
        return
    mine = sa.and_(*(table.c[name] == value for name, value in of.items()))
    near = sa.and_(mine, table.c.since <= window.until, table.c.until >= window.since)
    neighbours = [Window(row.since, row.until) for row in connection.execute(sa.select(table).where(near))]
    connection.execute(table.delete().where(near))
    (whole,) = merge([window, *neighbours])
    connection.execute(table.insert().values(**of, since=whole.since, until=whole.until))


def complete_intervals(connection: sa.Connection, pipeline: str, account: str) -> dict[str, list[Window]]:
    """Subscription name → its complete intervals."""
    found: dict[str, list[Window]] = {}
    for row in connection.execute(sa.select(intervals).where(_mine(intervals, pipeline, account))):
        found.setdefault(row.subscription, []).append(Window(row.since, row.until))
    return {name: merge(windows) for name, windows in found.items()}


def touched(connection: sa.Connection, pipeline: str, account: str) -> dict[tuple[str, str], list[Window]]:
    """(name, version) → the windows it may have billed."""
    found: dict[tuple[str, str], list[Window]] = {}
    for row in connection.execute(sa.select(touches).where(_mine(touches, pipeline, account))):
        found.setdefault((row.name, row.version), []).append(Window(row.since, row.until))
    return {key: merge(windows) for key, windows in found.items()}


def _of(plan: RunPlan) -> dict[str, str]:
    return {"pipeline": plan.pipeline, "account": plan.account}


def _mine(table: sa.Table, pipeline: str, account: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.pipeline == pipeline, table.c.account == account)


# ------------------------------------------------------------------------------------------- versions


def keep_version(connection: sa.Connection, plan: RunPlan, version: SubscriptionVersion, run: int) -> None:
    """Remember a version as it was last seen; a run that does not say where it starts leaves that as it was."""
    identity = {**_of(plan), "name": version.name, "version": version.version}
    mine = sa.and_(*(subscription_versions.c[name] == value for name, value in identity.items()))
    values: dict[str, Any] = {
        "since": version.since, "until": version.until, "trigger_text": version.trigger,
        "mapping": version.mapping, "last_run": run,
    }  # fmt: skip
    seen_again = {**values, "starts": version.starts} if version.starts else values
    if not connection.execute(subscription_versions.update().where(mine).values(seen_again)).rowcount:
        new = {**identity, **values, "starts": version.starts, "first_run": run}
        connection.execute(subscription_versions.insert().values(new))


def pipelines(connection: sa.Connection, account: str) -> list[str]:
    """Those that have run for the account."""
    column = subscription_versions.c.pipeline
    query = sa.select(column).distinct().where(subscription_versions.c.account == account)
    return sorted(connection.execute(query).scalars())


def versions(connection: sa.Connection, pipeline: str, account: str) -> list[SubscriptionVersion]:
    """Every version that a run of the pipeline for the account has recorded, in the order of their first runs."""
    table = subscription_versions
    query = sa.select(table).where(_mine(table, pipeline, account))
    return [
        SubscriptionVersion(
            row.name, row.version, row.since, row.until, row.starts, row.trigger_text, row.mapping
        )
        for row in connection.execute(query.order_by(table.c.first_run, table.c.name))
    ]


# --------------------------------------------------------------------------------------------- inputs

#: Inputs that are kept for the account, under a pipeline without a name.
OF_THE_ACCOUNT = frozenset({"host"})


def inputs_of(connection: sa.Connection, pipeline: str, account: str) -> dict[tuple[str, str], str]:
    """(input, name) → what the config of the last run said of it."""
    mine = inputs.c.pipeline.in_([pipeline, ""]) & (inputs.c.account == account)
    rows = connection.execute(sa.select(inputs).where(mine))
    return {(row.input, row.name): row.value for row in rows}


def keep_inputs(connection: sa.Connection, plan: RunPlan) -> None:
    """Write down what the plan's config says; what it does not speak of stays."""
    for (what, name), value in plan.inputs.items():
        pipeline = "" if what in OF_THE_ACCOUNT else plan.pipeline
        key = {"pipeline": pipeline, "account": plan.account, "input": what, "name": name}
        connection.execute(inputs.delete().where(*(inputs.c[column] == part for column, part in key.items())))
        if value is not None:
            connection.execute(inputs.insert().values(**key, value=value))


# ---------------------------------------------------------------------------------------------- marks


def marks_of(connection: sa.Connection, pipeline: str, scope: str) -> frozenset[str]:
    """The parts of the source that runs of this scope have read whole."""
    query = sa.select(marks.c.mark).where(marks.c.pipeline == pipeline, marks.c.scope == scope)
    return frozenset(connection.execute(query).scalars())


def keep_marks(
    connection: sa.Connection, plan: RunPlan, scope: str, read: Collection[str], now: datetime
) -> None:
    """Remember ``read`` under the plan's pipeline and ``scope``."""
    mine = (marks.c.pipeline == plan.pipeline) & (marks.c.scope == scope)
    for part in parts(sorted(set(read))):
        connection.execute(marks.delete().where(mine, marks.c.mark.in_(part)))
        of = {"pipeline": plan.pipeline, "scope": scope, "until": plan.window.until, "recorded": now}
        connection.execute(marks.insert(), [{**of, "mark": mark} for mark in part])


# --------------------------------------------------------------------------------------------- tokens


def refuse_foreign_token(connection: sa.Connection, fingerprint: str | None, account: str) -> None:
    """Raise ``ConfigError`` when Metronome accepted the token under another account name."""
    query = sa.select(token_fingerprints.c.account).where(token_fingerprints.c.fingerprint == fingerprint)
    known = connection.execute(query).scalar() if fingerprint else None
    if known is not None and known != account:
        raise ConfigError(
            f"destination.api_token: this token was accepted by Metronome under destination.account {known!r}, and "
            f"now the account is {account!r}. A token belongs to one Metronome environment: use the token of "
            f"{account!r}, or set the account back to {known!r}. Nothing was touched."
        )


def keep_fingerprint(connection: sa.Connection, fingerprint: str, account: str, now: datetime) -> None:
    """Metronome accepted the token under ``account``."""
    refuse_foreign_token(connection, fingerprint, account)
    query = sa.select(token_fingerprints.c.account).where(token_fingerprints.c.fingerprint == fingerprint)
    if connection.execute(query).scalar() is None:
        row = {"fingerprint": fingerprint, "account": account, "first_seen": now}
        connection.execute(token_fingerprints.insert().values(row))
