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
    from etl.api import backfill, load_config, run
    from etl.config import Config
    from etl.errors import (
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
    from etl.notebook import dead_letters, fields, parity, runs, sample, sent_log
    from etl.report import Report
    from etl.subscription import Subscription
    from etl.transform import map_events

_HOMES = {
    "load_config": "etl.api",
    "run": "etl.api",
    "backfill": "etl.api",
    "map_events": "etl.transform",
    "fields": "etl.notebook",
    "sent_log": "etl.notebook",
    "runs": "etl.notebook",
    "sample": "etl.notebook",
    "parity": "etl.notebook",
    "dead_letters": "etl.notebook",
    "Config": "etl.config",
    "Report": "etl.report",
    "Subscription": "etl.subscription",
    "EtlError": "etl.errors",
    "ConfigError": "etl.errors",
    "StoppedError": "etl.errors",
    "SourceError": "etl.errors",
    "MetronomeError": "etl.errors",
    "StateError": "etl.errors",
    "CircuitBreakerError": "etl.errors",
    "InterruptedRunError": "etl.errors",
    "WindowBusyError": "etl.errors",
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
