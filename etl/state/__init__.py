"""The state database: runs, the sent log, dead letters, intervals, versions, locks (SQLite or PostgreSQL)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.state.store import StateStore, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

__all__ = ["StateStore", "open_state"]


def open_state(
    url: str, *, retention: timedelta, keep_events: bool = True, now: Callable[[], datetime] = utc_now
) -> StateStore:
    """The state behind a SQLAlchemy URL (``sqlite:///path`` or ``postgresql+psycopg://…``); opens nothing yet.

    ``retention``: how long sent ids are kept. ``keep_events`` False: dead letters keep no event content, except a
    held usage event's body until it was sent. ``now`` gives aware UTC times.
    Raises ``ConfigError`` for a URL that names no supported database.
    """
    return StateStore(url, retention=retention, keep_events=keep_events, now=now)
