"""The log on stderr: lines for people on a terminal, JSON elsewhere; docs/observability.md has its schema."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

if TYPE_CHECKING:
    from collections.abc import MutableMapping

Format = Literal["auto", "human", "json"]
FORMATS: tuple[Format, ...] = ("auto", "human", "json")

#: Log event → (level, its fields, in the order of the docs).
EVENTS: Final[dict[str, tuple[str, str]]] = {
    "progress": (
        "info",
        (
            "of a run: `window`, `at` (the newest row read), `read`, `matched`, `rejected`, `already_sent`, `sent`, "
            "`rows_per_second`, `seconds_left` (null of a warehouse, which does not know how much there is); of other work: `events` or `ids`, `per_second`, `seconds_left`"
        ),
    ),
    "window": (
        "info",
        "of a backfill, with `json`: `number`, `of`, `seconds_left`, and the fields of `--json`",
    ),
    "report": ("info", "with `json`: the fields of `--json` but `error`"),
    "error": ("error", "with `json`: `type`, `exit_code`, `message`"),
    "warning": (
        "warning",
        "of the source or a driver: `logger`, `message`; for instance a mapped path that no table has a column for",
    ),
    "metrics_failed": ("warning", "`message`"),
    "notify_failed": ("warning", "`message`"),
}

_chosen: Format = "auto"
#: Whether what was chosen is not known to structlog yet.
_to_set_up = False


class _AsEvent(logging.Handler):
    """What Python's own logging says (a source, a driver), in the schema of the rest."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        #: Records that wait; None: they are logged at once.
        self.held: list[logging.LogRecord] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.held is None:
            tell("warning", logger=record.name, message=record.getMessage())
        else:
            self.held.append(record)


def hold_warnings() -> None:
    """Keep what Python's own logging tells until ``tell_warnings``: cron mails whatever is printed."""
    if isinstance(logging.lastResort, _AsEvent):
        logging.lastResort.held = []


def tell_warnings() -> None:
    """Tell what was held: the command did not succeed."""
    handler = logging.lastResort
    if isinstance(handler, _AsEvent) and handler.held:
        held, handler.held = handler.held, None
        for record in held:
            handler.emit(record)


def set_up(chosen: Format) -> None:
    """``auto``: human where stderr is a terminal, else JSON."""
    global _chosen, _to_set_up
    _chosen, _to_set_up = chosen, True
    # Used where nobody else has asked for Python's logging: not in Airflow, not under pytest.
    logging.lastResort = _AsEvent()


def tell(event: str, **fields: Any) -> None:
    """Log one of ``EVENTS``, at its level; as structlog is set up where ``set_up`` was not called (Airflow, a notebook)."""
    global _to_set_up  # noqa: PLW0603 - one process has one stderr
    import structlog  # loads rich too: most runs have nothing to log

    if _to_set_up:
        _to_set_up = False
        _configure()
    level, _ = EVENTS[event]
    getattr(structlog.get_logger("etl"), level)(event, **fields)


def _configure() -> None:
    import structlog

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
