"""Whether the job is behind, by its state and its source: ``etl status --alarms``.

The time limit is Metronome's: it ignores ids it has seen for 34 days, and takes no older event, so what is not sent
by ``destination.max_age`` can never be billed.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from etl.core.errors import SourceError
from etl.core.windows import Window, rfc3339
from etl.pipeline import wiring
from etl.pipeline.planning import outlook_of
from etl.pipeline.schedule import open_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config import Config
    from etl.state import StateStore

#: Name → when it fires.
ALARMS: Final[dict[str, str]] = {
    "no_new_rows": "the newest row of the source is older; where that is not cheap to know (raw logs, text cursors, "
    "many files in no folders by day), when no run has met a new pair for so long",
    "watermark_age": "a subscription's watermark lies further back, or it has none yet",
    "unbillable": "a watermark comes within `unbillable_in` of `destination.max_age`: what is behind it can soon never "
    "be billed",
    "unbillable_letters": "the same of rejected pairs that can still be repaired",
    "volume": "the scheduled runs of the last `volume_over` sent far less or more than the median of the same hours of "
    "the four weeks before (of two at least)",
}

_WEEKS = 4
#: So many of them must have had runs at those hours: one week is no custom.
_ENOUGH_WEEKS = 2


@dataclass(frozen=True)
class Alarm:
    """``name``: one of ``ALARMS``.

    ``message``: what is wrong, and what to do.
    """

    name: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """JSON-ready."""
        return asdict(self)


def alarms(config: Config, now: datetime) -> list[Alarm]:
    """Those of the config's section ``alarms`` that fire at ``now``. Raises as the state and the source do."""
    state = wiring.state_of(config)
    runs = state.runs(config.pipeline, config.destination.account)
    return [
        *_no_new_rows(config, runs, now),
        *_old_watermark(config, state, now),
        *_letters_due(config, state, now),
        *_volume(config, runs, now),
    ]


def _no_new_rows(config: Config, runs: pd.DataFrame, now: datetime) -> Iterator[Alarm]:
    """By the source's newest row where that is cheap to know, else by the last run that found something new."""
    limit = config.alarms.no_new_rows
    if limit is None:
        return
    newest = _newest_row(config) or _last_find(runs)
    if newest is None or now - newest > limit:
        since = "ever" if newest is None else f"since {rfc3339(newest)} ({_long(now - newest)})"
        yield Alarm(
            "no_new_rows",
            f"the source had no new row {since}; alarms.no_new_rows is {_long(limit)}: look at what fills it",
        )


def _newest_row(config: Config) -> datetime | None:
    with suppress(SourceError):  # its runs stop with that, and the other alarms are still due
        return wiring.source_of(config).newest()
    return None


def _last_find(runs: pd.DataFrame) -> datetime | None:
    """When the newest run ended that met a pair which no earlier run had sent."""
    for row in runs.itertuples(index=False):
        if not pd.isna(row.ended) and row.counts and _new_pairs(row.counts):
            return _moment(row.ended)
    return None


def _new_pairs(counts: dict[str, Any]) -> int:
    return int(counts["matched"] - counts["already_sent"] - counts["duplicate"])


def _old_watermark(config: Config, state: StateStore, now: datetime) -> Iterator[Alarm]:
    outlook = outlook_of(config, state)
    histories = outlook.histories
    near = config.destination.max_age - config.alarms.unbillable_in
    for name in open_names(outlook.scheduled(), histories, now):
        mark = histories[name].watermark if name in histories else None
        if mark is None:
            if config.alarms.watermark_age is not None:
                yield Alarm(
                    "watermark_age", f"subscription {name!r}: no scheduled window is complete yet: etl run"
                )
            continue
        age = now - mark
        if config.alarms.watermark_age is not None and age > config.alarms.watermark_age:
            limit = _long(config.alarms.watermark_age)
            yield Alarm(
                "watermark_age",
                f"subscription {name!r} is complete up to {rfc3339(mark)} only, {_long(age)} ago; "
                f"alarms.watermark_age is {limit}: etl status says how the last runs ended",
            )
        if age > near:
            yield Alarm(
                "unbillable",
                f"subscription {name!r} is complete up to {rfc3339(mark)} only, {_long(age)} ago; Metronome takes "
                f"nothing older than {_long(config.destination.max_age)}: run it now, or the rest is never billed",
            )


def _letters_due(config: Config, state: StateStore, now: datetime) -> Iterator[Alarm]:
    """Rejected pairs that could still be repaired and sent, but not for long."""
    begin = now - config.destination.max_age
    due = state.letters_between(
        config.pipeline,
        config.destination.account,
        "rejected",
        begin,
        begin + config.alarms.unbillable_in,
    )
    if due:
        yield Alarm(
            "unbillable_letters",
            f"{due:,} rejected pairs can be repaired and sent for less than {_long(config.alarms.unbillable_in)} "
            "more: etl dead-letters list --outcome rejected",
        )


def _volume(config: Config, runs: pd.DataFrame, now: datetime) -> Iterator[Alarm]:
    """What the runs of the last hours sent, against the median of the same hours of the weeks before."""
    wanted = config.alarms
    if wanted.volume_below is None and wanted.volume_above is None:
        return
    hours = [
        Window(now - wanted.volume_over - timedelta(weeks=n), now - timedelta(weeks=n))
        for n in range(_WEEKS + 1)
    ]
    sent, *past = [_sent(runs, window) for window in hours]
    known = [number for number in past if number is not None]
    usual = median(known) if len(known) >= _ENOUGH_WEEKS else 0
    ratio = (sent or 0) / usual if usual else 1.0
    low, high = wanted.volume_below, wanted.volume_above
    if (low is not None and ratio < low) or (high is not None and ratio > high):
        yield Alarm(
            "volume",
            f"{sent or 0:,} usage events were sent in the last {_long(wanted.volume_over)}, {ratio:.0%} of the "
            f"{usual:,.0f} usual at these hours: look at the source, and at etl status",
        )


def _sent(runs: pd.DataFrame, window: Window) -> int | None:
    """By scheduled runs that ended in ``window``; None when there were none."""
    ended = pd.to_datetime(runs["ended"], utc=True)
    there = runs[(runs["kind"] == "scheduled") & (ended >= window.since) & (ended < window.until)]
    return sum((counts or {}).get("sent", 0) for counts in there["counts"]) if len(there) else None


def _moment(value: Any) -> datetime:
    found: datetime = value.to_pydatetime(warn=False) if isinstance(value, pd.Timestamp) else value
    return found


def _long(duration: timedelta) -> str:
    """``3 days``, ``5.5 h``, ``12 min``: in the largest unit there is at least one and a half of."""
    hours = duration / timedelta(hours=1)
    if hours >= 36:
        return f"{hours / 24:.1f}".removesuffix(".0") + " days"
    if hours >= 1.5:
        return f"{hours:.1f}".removesuffix(".0") + " h"
    return f"{hours * 60:.0f} min"
