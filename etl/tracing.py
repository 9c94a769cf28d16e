"""OpenTelemetry spans, where the process runs under ``opentelemetry-instrument``; else nothing, not even an import."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.report import Report


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
