"""Every test of the state runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from etl.state import open_state
from tests.state.building import Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from etl.state import StateStore


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a state database that does not exist yet (SQLite) or is empty (PostgreSQL)."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/etl.db"
    return request.getfixturevalue("postgres")


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until it is set."""
    return Clock()


@pytest.fixture
def open_store(url: str, clock: Clock) -> Callable[..., StateStore]:
    """Opens the test's database, as often as wanted."""

    def opened(**options) -> StateStore:
        return open_state(url, **{"retention": timedelta(days=100), "now": clock, **options})

    return opened


@pytest.fixture
def store(open_store: Callable[..., StateStore]) -> StateStore:
    """The test's state."""
    return open_store()
