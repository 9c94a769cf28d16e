"""The log on stderr: lines for people on a terminal, JSON elsewhere; docs/observability.md has its schema."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import orjson
import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

Format = Literal["auto", "human", "json"]
FORMATS: tuple[Format, ...] = ("auto", "human", "json")

_chosen: Format = "auto"


def set_up(chosen: Format) -> None:
    """``auto``: human where stderr is a terminal, else JSON."""
    global _chosen  # noqa: PLW0603 - one process has one stderr
    _chosen = chosen
    renderer: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if human() else _json
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        # Looked up for each line: a bar on the terminal, and tests, put a stderr of their own in place.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def human() -> bool:
    """Whether the log is for people."""
    return _chosen == "human" or (_chosen == "auto" and sys.stderr.isatty())


def only_json() -> bool:
    """Whether JSON was asked for: then summaries and errors are log events too, and stderr is JSON line by line."""
    return _chosen == "json"


def _json(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
    del logger, method
    first = {name: event.pop(name) for name in ("timestamp", "level", "event")}
    return orjson.dumps(first | dict(event), default=str, option=orjson.OPT_SERIALIZE_NUMPY).decode()
