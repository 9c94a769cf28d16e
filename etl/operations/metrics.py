"""The figures of a run and of its pipeline's state for Prometheus: as a file, or pushed.

All are gauges: a run is a short-lived process, and what it counted is about that run. docs/observability.md has the
list, made from ``FIGURES``.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from etl.core.errors import ConfigError
from etl.core.outcomes import OUTCOMES, ROWS
from etl.operations.status import status
from etl.pipeline import wiring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from etl.config import Config
    from etl.core.report import Report

#: Name → (labels beside ``pipeline``, help). Times are seconds since 1970.
FIGURES: dict[str, tuple[tuple[str, ...], str]] = {
    "etl_last_run_exit_code": ((), "0 complete, 1 something to look at, 2 config, 3 stopped, 75 busy"),
    "etl_last_run_complete": ((), "1 when the window was completed"),
    "etl_last_run_timestamp_seconds": ((), "When it ended"),
    "etl_last_run_duration_seconds": ((), "How long it took"),
    "etl_last_run_window_since_timestamp_seconds": ((), "Begin of its window"),
    "etl_last_run_window_until_timestamp_seconds": ((), "End of its window"),
    "etl_last_run_rows": (("kind",), "Rows: read, filtered (matched nothing), unreadable"),
    "etl_last_run_pairs": (("subscription", "outcome"), "Pairs by what became of them; matched is their sum"),
    "etl_last_run_requests": ((), "Requests to Metronome"),
    "etl_last_run_retries": ((), "Requests that were tried again"),
    "etl_last_run_released": ((), "Held pairs of earlier runs that came due and were sent"),
    "etl_last_run_new_dead_letters": ((), "Dead letters recorded for the first time"),
    "etl_watermark_timestamp_seconds": (("subscription",), "Up to where it is complete"),
    "etl_lag_seconds": (("subscription",), "Between its watermark and now"),
    "etl_gaps": (("subscription",), "Stretches between complete intervals"),
    "etl_open_dead_letters": (("subscription", "outcome", "stage"), "Open dead letters"),
    "etl_oldest_dead_letter_age_seconds": (("outcome",), "Since the longest open one was first seen"),
    "etl_sent_log_ids": ((), "Ids in the sent log, of all pipelines of this state"),
    "etl_state_bytes": ((), "Size of the state database"),
}

_Sample = tuple[str, tuple[str, ...], float]


def require() -> None:
    """Raise ``ConfigError`` without the extra ``metrics``."""
    if find_spec("prometheus_client") is None:
        raise ConfigError("metrics need prometheus_client: pip install 'segment-metronome-etl[metrics]'")


def registry(config: Config, report: Report | None, now: datetime) -> CollectorRegistry:
    """The figures of ``report`` (None: of the state only) and of the state at ``now``.

    Raises what the state raises.
    """
    from prometheus_client import CollectorRegistry, Gauge

    found = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for name, labels, value in (*_of_run(report, now), *_of_state(config, now)):
        if name not in gauges:
            more, text = FIGURES[name]
            gauges[name] = Gauge(name, text, ("pipeline", *more), registry=found)
        gauges[name].labels(config.pipeline, *labels).set(value)
    return found


def write(found: CollectorRegistry, path: str | Path) -> None:
    """As a textfile of the node exporter, which appears whole. Raises ``OSError``."""
    from prometheus_client import write_to_textfile

    write_to_textfile(str(path), found)


def push(found: CollectorRegistry, gateway: str, pipeline: str) -> None:
    """To a Pushgateway, in place of what this pipeline pushed before. Raises ``OSError``."""
    from prometheus_client import push_to_gateway

    push_to_gateway(gateway, job="etl", registry=found, grouping_key={"pipeline": pipeline}, timeout=10)


def _of_run(report: Report | None, now: datetime) -> Iterator[_Sample]:
    if report is None:
        return
    told = report.as_dict()
    yield "etl_last_run_exit_code", (), report.exit_code
    yield "etl_last_run_complete", (), report.complete
    yield "etl_last_run_timestamp_seconds", (), now.timestamp()
    if report.window is not None:
        yield "etl_last_run_window_since_timestamp_seconds", (), report.window.since.timestamp()
        yield "etl_last_run_window_until_timestamp_seconds", (), report.window.until.timestamp()
    if report.seconds is not None:
        yield "etl_last_run_duration_seconds", (), report.seconds
    if report.counts is not None:
        yield from _of_counts(told)


def _of_counts(told: dict[str, Any]) -> Iterator[_Sample]:
    for kind in ("read", "filtered", *ROWS):
        yield "etl_last_run_rows", (kind,), told[kind]
    for name in ("requests", "retries", "released"):
        yield f"etl_last_run_{name}", (), told[name]
    yield "etl_last_run_new_dead_letters", (), told["new_letters"]
    for subscription, counts in told["by_subscription"].items():
        for outcome in ("matched", *OUTCOMES):
            yield "etl_last_run_pairs", (subscription, outcome), counts[outcome]


def _of_state(config: Config, now: datetime) -> Iterator[_Sample]:
    state, of = wiring.state_of(config), (config.pipeline, config.destination.account)
    found = status(config, now, runs=1)
    for name, mark in found.watermarks.items():
        if mark is not None:
            yield "etl_watermark_timestamp_seconds", (name,), mark.timestamp()
            yield "etl_lag_seconds", (name,), (now - mark).total_seconds()
        yield "etl_gaps", (name,), len(found.gaps.get(name, ()))
    letters = state.letter_counts(*of)
    for key, number in letters.groupby(["subscription", "outcome", "stage"])["letters"].sum().items():
        yield "etl_open_dead_letters", tuple(map(str, key)), int(number)
    for outcome, seen in state.oldest_letters(*of).items():
        yield "etl_oldest_dead_letter_age_seconds", (outcome,), (now - seen).total_seconds()
    yield "etl_sent_log_ids", (), found.sizes["sent_log"]
    yield "etl_state_bytes", (), found.sizes["bytes"]
