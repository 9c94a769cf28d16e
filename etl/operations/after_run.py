"""What goes out about a run once it ended: figures for Prometheus, a notification, a span. None of it changes its end.

OpenTelemetry spans, where the process runs under ``opentelemetry-instrument``; else nothing, not even an import.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl.core import logs
from etl.core.errors import ConfigError, EtlError, WindowBusyError
from etl.core.report import Report
from etl.operations import metrics
from etl.operations.notifications import notify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from etl.config import Config

    R = TypeVar("R", bound=Report)


@contextmanager
def span(name: str, **attributes: str) -> Iterator[Any]:
    """A span around the block, current for what is inside; yields it, or None when tracing is off."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        yield None
        return
    with trace.get_tracer("etl").start_as_current_span(name, attributes=attributes) as current:
        yield current


def describe(current: Any, report: Report) -> None:
    """Put what a run counted on its span."""
    if current is None:
        return
    told = report.as_dict()
    current.set_attributes(
        {f"etl.{k}": v for k, v in told.items() if isinstance(v, str | int | float | bool)}
    )
    current.set_attribute("etl.window", str(report.window))


def announced(
    config: Config, name: str, run: Callable[[], R], *, metrics_file: str | None = None, dry_run: bool = False
) -> R:
    """What ``run`` returns or raises, announced as the config's ``metrics`` and ``notify`` say.

    ``metrics_file`` takes the place of ``metrics.file``. Nothing goes out about a dry run, nor about a busy window, whose run
    speaks for itself. Raises what ``run`` raises, and ``ConfigError`` before it where figures are wanted that cannot
    be made; other trouble with that is a warning in the log.
    """
    if (metrics_file or config.metrics.file or config.metrics.pushgateway) is not None:
        metrics.require()
    try:
        with span(name, **{"etl.pipeline": config.pipeline}) as current:
            report = run()
            describe(current, report)
    except EtlError as error:
        if not (dry_run or isinstance(error, WindowBusyError)):
            _tell(config, _failed(error), metrics_file)
        raise
    if not dry_run:
        _tell(config, report, metrics_file)
    return report


def state_figures(config: Config, file: str) -> None:
    """The figures of the state alone, for a machine that runs nothing. Raises ``ConfigError`` and as the state does."""
    metrics.require()
    try:
        metrics.write(metrics.registry(config, None, datetime.now(UTC)), file)
    except OSError as error:
        raise ConfigError(f"the metrics file {file} cannot be written: {_reason(error)}") from None


def _tell(config: Config, report: Report, file: str | None) -> None:
    file, gateway = file or config.metrics.file, config.metrics.pushgateway
    try:
        if file or gateway:
            _figures(config, report, file, gateway)
    except (OSError, EtlError) as error:
        logs.tell("metrics_failed", message=f"the figures of this run were not written: {_reason(error)}")
    try:
        problems = notify(config, report)
    except EtlError as error:
        problems = [f"nobody was told: {error}"]
    for problem in problems:
        logs.tell("notify_failed", message=problem)


def _figures(config: Config, report: Report, file: str | None, gateway: str | None) -> None:
    found = metrics.registry(config, report, datetime.now(UTC))
    if file is not None:
        metrics.write(found, file)
    if gateway is not None:
        metrics.push(found, gateway, config.pipeline)


def _failed(error: EtlError) -> Report:
    told = {"type": type(error).__name__, "message": str(error)}
    report = error.report or Report(exit_code=error.exit_code)
    return replace(report, exit_code=error.exit_code, error=told)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
