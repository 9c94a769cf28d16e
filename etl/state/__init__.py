"""The state database: runs, the sent log, dead letters, intervals, versions, locks.

Only here is SQL of the state written, and only ``dialects`` knows which database it is kept in. Nothing here reads the
config, the source or Metronome: what is recorded is decided above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.state.store import StateStore, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta
    from threading import Event

__all__ = ["StateStore", "open_state"]


def open_state(
    url: str,
    *,
    retention: timedelta,
    keep_events: bool = True,
    now: Callable[[], datetime] = utc_now,
    interrupted: Event | None = None,
) -> StateStore:
    """The state behind a SQLAlchemy URL (``sqlite:///path`` or ``postgresql+psycopg://…``); opens nothing yet.

    ``retention``: how long sent ids are kept. ``keep_events`` False: dead letters keep no event content, except a
    held usage event's body until it was sent. ``now`` gives aware UTC times. Once
    ``interrupted`` is set, nothing waits longer than a second for another process that is writing.
    Raises ``ConfigError`` for a URL that names no supported database.
    """
    return StateStore(url, retention=retention, keep_events=keep_events, now=now, interrupted=interrupted)
