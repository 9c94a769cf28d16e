"""Which version of a subscription a dead letter is retried with.

Its own (whose ``from`` and ``until`` hold its cursor), which any run that meets the event again would use. Only what
that one cannot make is made by the current version, the correction: it was never billed, under whatever id. So a pair
is billed under one id only, even where the correction makes other ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from etl.core.ports import EventBatch
from etl.core.windows import ALL_TIME
from etl.pipeline import wiring
from etl.pipeline.limits import Limits
from etl.pipeline.pairs import Billing, examine
from etl.pipeline.planning import outlook_of
from etl.transform import compile_subscription, kept_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from etl.config import Config
    from etl.core.layouts import Layout
    from etl.core.subscription import Subscription


@dataclass(frozen=True)
class Kept:
    """A letter and its event's JSON text, with the layout that the event's keys are of.

    ``transaction_id``: as far as the pair had one when it was refused.
    """

    number: int
    outcome: str
    stage: str
    transaction_id: str | None
    origin: str
    row: int
    cursor: datetime
    event: str
    layout: Layout


@dataclass
class Repair:
    """Letters that ``version`` maps; ``bound``: versions and cursors, see ``wiring.repair_job_of``."""

    version: Subscription
    letters: list[Kept] = field(default_factory=list)
    bound: dict[str, list[datetime]] = field(default_factory=dict)

    def take(self, one: Kept, owner: str) -> None:
        """``owner``: the version whose time it is."""
        self.letters.append(one)
        self.bound.setdefault(owner, []).append(one.cursor)


def batch_of(origin: str, kept: Sequence[Kept]) -> EventBatch:
    """Kept events, all of one layout, as a source gives them."""
    layout = kept[0].layout
    return EventBatch(
        table=kept_table([one.event for one in kept], layout),
        layout=layout,
        cursor=pa.array([one.cursor for one in kept], pa.timestamp("us", "UTC")),
        rows=pa.array([one.row - 1 for one in kept], pa.int64()),
        origin=origin,
    )


def repairs(config: Config, name: str, kept: Sequence[Kept], now: datetime) -> list[Repair]:
    """By the version of subscription ``name`` that maps them. A letter of nobody's time is in none of them.

    Raises as the state does.
    """
    outlook = outlook_of(config, wiring.state_of(config))
    versions = [s for s in outlook.everything if s.name == name]
    current = _current(versions, now)
    found = {version.version: Repair(version) for version in versions}
    for own in versions:
        mine = [one for one in kept if _belongs(one.cursor, own)]
        corrected = set() if current is None or own is current else _to_correct(config, own, current, mine)
        for one in mine:
            version = current if current is not None and one.number in corrected else own
            found[version.version].take(one, own.version)
    return [repair for repair in found.values() if repair.letters]


def _current(versions: Sequence[Subscription], now: datetime) -> Subscription | None:
    """The newest that applies by now."""
    begun = [v for v in versions if v.since is None or v.since <= now]
    return max(begun, key=lambda v: v.since or ALL_TIME.since, default=None)


def _belongs(cursor: datetime, version: Subscription) -> bool:
    return (version.since is None or version.since <= cursor) and (
        version.until is None or cursor < version.until
    )


def _to_correct(config: Config, own: Subscription, current: Subscription, kept: Sequence[Kept]) -> set[int]:
    """Those that ``own`` rejects and ``current`` can make, as far as no run has sent them.

    And those that Metronome refused, where the correction makes the same id: with another one a later run, which
    maps them by ``own``, could bill them once more.
    """
    rejected = [one for one in kept if one.outcome == "rejected"]
    made, refused = _ids(config, own, rejected)
    corrected, _ = _ids(config, current, rejected)
    old = {**made, **refused}
    known = _sent(config, [*corrected.values(), *old.values(), *(one.transaction_id for one in rejected)])
    return {
        one.number
        for one in rejected
        if (new := corrected.get(one.number)) is not None
        and (
            new in known  # then nothing is sent; a retry that was stopped may have
            or (not known & {one.transaction_id, old.get(one.number)} and one.number in refused)
            or (one.stage == "metronome" and new == old.get(one.number))
        )
    }


def _ids(
    config: Config, version: Subscription, kept: Sequence[Kept]
) -> tuple[Mapping[int, str | None], Mapping[int, str | None]]:
    """Letter → transaction_id of what ``version`` can make of it, and of what it rejects."""
    made: dict[int, str | None] = {}
    refused: dict[int, str | None] = {}
    for alike in by_layout(kept):
        _add_ids(config, version, alike, made, refused)
    return made, refused


def by_layout(kept: Sequence[Kept]) -> Iterator[list[Kept]]:
    """Those of each layout."""
    for layout in dict.fromkeys(one.layout for one in kept):
        yield [one for one in kept if one.layout == layout]


def _add_ids(
    config: Config,
    version: Subscription,
    kept: Sequence[Kept],
    made: dict[int, str | None],
    refused: dict[int, str | None],
) -> None:
    limits = Limits(config.limits.property_value, config.limits.property_value_bytes)
    billing = Billing(version.name, compile_subscription(version), ALL_TIME)
    examined = examine(batch_of("", kept), [billing], limits)
    for ids, frame in ((made, examined.pairs), (refused, examined.rejected)):
        for row, id_ in zip(frame["row"], frame["transaction_id"], strict=True):
            ids[kept[int(row)].number] = id_ if isinstance(id_, str) else None


def _sent(config: Config, transaction_ids: Iterable[str | None]) -> AbstractSet[str | None]:
    """Those that are in the sent log of the account."""
    wanted = sorted({i for i in transaction_ids if i is not None})
    if not wanted:
        return set()
    state = wiring.state_of(config)
    tables = state.sent_log(account=config.destination.account, transaction_ids=wanted)
    return {i for table in tables for i in table["transaction_id"].to_pylist()}
