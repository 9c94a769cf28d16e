"""Bills Segment track events through Metronome, once each, provably.

What notebooks and Airflow import::

    import etl
    config = etl.load_config("configs/parquet.yml")
    report = etl.run(config)
    frame = etl.map_events(events, config.subscriptions)

Names are loaded when first used, so that ``import etl`` and ``etl --help`` cost next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.authoring.notebook import dead_letters, fields, parity, runs, sample, sent_log
    from etl.config import Config
    from etl.core.errors import (
        CircuitBreakerError,
        ConfigError,
        EtlError,
        InterruptedRunError,
        MetronomeError,
        SourceError,
        StateError,
        StoppedError,
        WindowBusyError,
    )
    from etl.core.report import Report
    from etl.core.subscription import Subscription
    from etl.pipeline.api import backfill, load_config, run
    from etl.transform import map_events

_HOMES = {
    "load_config": "etl.pipeline.api",
    "run": "etl.pipeline.api",
    "backfill": "etl.pipeline.api",
    "map_events": "etl.transform",
    "fields": "etl.authoring.notebook",
    "sent_log": "etl.authoring.notebook",
    "runs": "etl.authoring.notebook",
    "sample": "etl.authoring.notebook",
    "parity": "etl.authoring.notebook",
    "dead_letters": "etl.authoring.notebook",
    "Config": "etl.config",
    "Report": "etl.core.report",
    "Subscription": "etl.core.subscription",
    "EtlError": "etl.core.errors",
    "ConfigError": "etl.core.errors",
    "StoppedError": "etl.core.errors",
    "SourceError": "etl.core.errors",
    "MetronomeError": "etl.core.errors",
    "StateError": "etl.core.errors",
    "CircuitBreakerError": "etl.core.errors",
    "InterruptedRunError": "etl.core.errors",
    "WindowBusyError": "etl.core.errors",
}

__all__ = [
    "CircuitBreakerError",
    "Config",
    "ConfigError",
    "EtlError",
    "InterruptedRunError",
    "MetronomeError",
    "Report",
    "SourceError",
    "StateError",
    "StoppedError",
    "Subscription",
    "WindowBusyError",
    "backfill",
    "dead_letters",
    "fields",
    "load_config",
    "map_events",
    "parity",
    "run",
    "runs",
    "sample",
    "sent_log",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'etl' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
