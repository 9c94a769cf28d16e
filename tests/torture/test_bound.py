"""Ids confirmed but not recorded stay within the bound, even while the database takes no commit."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from etl.pipeline.recorder import MAX_UNRECORDED
from etl.standin import Standin
from tests.torture.conftest import Figures
from tests.torture.life import Life
from tests.torture.runs import Mill

_EVENTS = 130_000
_SECONDS = 50.0


@pytest.mark.slow
def test_a_database_that_takes_no_commit_stops_the_sending_at_the_bound(
    tmp_path: Path, recording: tuple[Standin, Path], mill: Mill, figures: Figures
) -> None:
    """Another process holds the write lock; the run sends as far as the bound, waits, is killed, and is repeated.

    This is the worst case of what a kill can leave: the next run sends all of it again.
    """
    life = Life(tmp_path, *recording, mill, "sqlite:///state.db")
    life.configure(source={"batch_rows": 200_000})  # else the next look-up waits for the lock
    life.arrive(1)
    life.run()
    life.check()
    life.arrive(_EVENTS)
    size = life.record.stat().st_size
    run = life.start()
    blocker = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    _wait(lambda: life.record.stat().st_size > size)
    blocker.execute("BEGIN IMMEDIATE")
    (recorded,) = blocker.execute("SELECT count(*) FROM sent_log").fetchone()
    _wait(lambda: _still(life))
    run.kill()
    assert run.wait().killed
    blocker.execute("ROLLBACK")
    blocker.close()
    unrecorded = len(life.accepted) - recorded
    assert 0 < unrecorded <= MAX_UNRECORDED
    assert life.run().code == 0
    life.check()
    figures(accepted_and_not_recorded=unrecorded, ids_sent_again=life.standin.stats()["duplicates"])
    assert life.standin.stats()["duplicates"] <= MAX_UNRECORDED


def _still(life: Life) -> bool:
    """Whether nothing more is sent: events were taken, and for a second no further ones."""
    life.newly_accepted()
    if len(life.accepted) < 2:
        return False
    before = life.standin.stats()["requests"]
    time.sleep(1)
    life.newly_accepted()
    return life.standin.stats()["requests"] == before


def _wait(come) -> None:
    end = time.monotonic() + _SECONDS
    while not come():
        assert time.monotonic() < end
        time.sleep(0.005)
