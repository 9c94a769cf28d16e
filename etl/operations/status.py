"""What ``etl status`` shows: how far a pipeline is complete, what it ran, and what waits to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.core.windows import Window, gaps, merge, rfc3339, watermark
from etl.pipeline import wiring
from etl.pipeline.planning import outlook_of
from etl.pipeline.schedule import History, open_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from etl.config import Config


@dataclass(frozen=True)
class Status:
    """``watermark``: up to where every subscription is complete without a gap; None before the first complete run.

    ``watermarks``, ``gaps`` and ``needs`` by subscription name; ``needs``: what those wait for that no scheduled run of
    today completes. ``removed``: name that the config has no more → the end of its time, as long as rows of that may
    arrive late. ``runs``: the newest, as ``StateStore.runs`` gives them.
    ``letters``: open dead letters by outcome. ``sizes``: rows and bytes of the state. ``now``: when it was asked.
    """

    pipeline: str
    account: str
    now: datetime
    watermark: datetime | None
    watermarks: Mapping[str, datetime | None]
    gaps: Mapping[str, Sequence[Window]]
    needs: Mapping[str, str]
    removed: Mapping[str, datetime]
    runs: pd.DataFrame
    letters: Mapping[str, int]
    sizes: Mapping[str, int]

    @property
    def lag(self) -> float | None:
        """Seconds between the watermark and ``now``."""
        return None if self.watermark is None else (self.now - self.watermark).total_seconds()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; times RFC 3339, durations in seconds."""
        return {
            "pipeline": self.pipeline,
            "account": self.account,
            "watermark": _text(self.watermark),
            "lag_seconds": self.lag,
            "subscriptions": {
                name: {
                    "watermark": _text(mark),
                    "gaps": [_edges(gap) for gap in self.gaps.get(name, ())],
                    "needs": self.needs.get(name),
                }
                for name, mark in self.watermarks.items()
            },
            "removed": {name: rfc3339(until) for name, until in self.removed.items()},
            "runs": [_run(row) for row in self.runs.to_dict("records")],
            "dead_letters": dict(self.letters),
            "state": dict(self.sizes),
        }


def status(config: Config, now: datetime, runs: int = 10) -> Status:
    """The pipeline and account of ``config`` as the state has them; ``runs``: how many of the newest.

    Raises as the state does.
    """
    state, of = wiring.state_of(config), (config.pipeline, config.destination.account)
    outlook = outlook_of(config, state)
    histories, names = outlook.histories, sorted(outlook.names)
    going = open_names(config.subscriptions, histories, now)
    marks = {name: _mark(histories.get(name, History()), name in going) for name in names}
    counts = state.letter_counts(*of)
    return Status(
        pipeline=config.pipeline,
        account=config.destination.account,
        now=now,
        watermark=_watermark(marks, going),
        watermarks=marks,
        gaps={name: gaps(merge(histories[name].intervals)) for name in names if name in histories},
        needs={name: _needs(config, name, now) for name in names if not (marks[name] or name in going)},
        removed=outlook.removed(now),
        runs=state.runs(*of, limit=runs),
        letters={str(k): int(v) for k, v in counts.groupby("outcome")["letters"].sum().items()},
        sizes=state.sizes(),
    )


def _mark(history: History, going: bool) -> datetime | None:
    """What ended before the schedule began is complete as far as backfills have come."""
    return history.watermark or (None if going else watermark(history.intervals))


def _watermark(marks: Mapping[str, datetime | None], names: Sequence[str]) -> datetime | None:
    """Of the names that are still to be completed; when there are none, how far the last of them came."""
    watched = [marks[name] for name in names]
    if None in watched:
        return None
    return min((m for m in watched if m), default=max((m for m in marks.values() if m), default=None))


def _needs(config: Config, name: str, now: datetime) -> str:
    """Of a name that is not complete anywhere, and that the schedule does not take up now."""
    versions = [s for s in config.subscriptions if s.name == name]
    begin = min((s.since for s in versions if s.since), default=None)
    if begin is not None and begin > now:
        return f"begins {rfc3339(begin)}"
    end = max(s.until for s in versions if s.until)
    return f"ended {rfc3339(end)}, before the schedule begins; bill it with: etl backfill --subscription"


def _run(row: Mapping[str, Any]) -> dict[str, Any]:
    """A run's row: what it was, when, and its counts."""
    kept = ("run_id", "kind", "account", "status", "host", "pid")
    times = ("since", "until", "started", "ended")
    return (
        {name: row[name] for name in kept}
        | {name: _text(row[name]) for name in times}
        | {"error": _or_none(row["error"]), "counts": row["counts"]}
    )


def _edges(window: Window) -> dict[str, str]:
    return {"since": rfc3339(window.since), "until": rfc3339(window.until)}


def _text(moment: datetime | None) -> str | None:
    return rfc3339(moment) if _or_none(moment) is not None and moment is not None else None


def _or_none(value: Any) -> Any:
    return None if value is None or value != value else value  # noqa: PLR0124 - NaT and NaN
