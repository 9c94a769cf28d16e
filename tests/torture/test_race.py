"""Runs that meet: of two over the same window one does the work and the other exits 75; disjoint ones run together."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from etl.standin import Standin
from tests.support.workspace import ago
from tests.torture.conftest import Figures
from tests.torture.life import Life
from tests.torture.runs import Ended, Mill, Run

_SECONDS = 60.0
#: Nobody gets through while the others are started: the stand-in answers so, and they try again.
BUSY = [{"kind": "status", "status": 503, "retry_after": "0"}]
TIMES = [pytest.param(5, id="5 times"), pytest.param(50, id="50 times", marks=pytest.mark.slow)]


@pytest.fixture(params=["sqlite", "postgresql"])
def life(request: pytest.FixtureRequest, tmp_path: Path, recording: tuple[Standin, Path], mill: Mill) -> Life:
    """A pipeline on each of the two databases."""
    state = "sqlite:///state.db" if request.param == "sqlite" else request.getfixturevalue("postgres")
    return Life(tmp_path, *recording, mill, state)


@pytest.mark.parametrize("times", TIMES)
def test_two_runs_started_together_are_one_that_works_and_one_that_exits_75(
    life: Life, times: int, figures: Figures
) -> None:
    """On PostgreSQL from two hosts. Nothing is sent by both: no id reaches the stand-in twice."""
    for number in range(times):
        life.arrive(300)
        life.standin.set_faults(BUSY)
        window = () if number % 2 else ("--since", ago(days=1), "--until", ago(hours=1))
        runs = [life.start(*window, host=host) for host in ("host-a", "host-b")]
        loser = first_to_end(runs)
        life.standin.set_faults()
        ended = {run is loser: run.wait() for run in runs}
        assert (ended[True].code, ended[False].code) == (75, 0), (ended[True].stderr, ended[False].stderr)
        refused(life, ended[True])
        assert ended[False].report["sent"] == 300
        life.check()
    assert life.standin.stats()["duplicates"] == 0
    figures(races=times, ids_sent_twice=life.standin.stats()["duplicates"])


def refused(life: Life, ended: Ended) -> None:
    """The loser touched nothing, and says who has the window."""
    assert "is being run by another process" in ended.stderr
    assert "Nothing was touched; run again when it has ended" in ended.stderr
    assert ended.report["exit_code"] == 75
    assert ended.report["error"]["type"] == "WindowBusyError"
    assert ended.report["sent"] is None or ended.report["sent"] == 0


def test_disjoint_windows_run_together(life: Life) -> None:
    """Both are running at the same moment, and both complete."""
    # Something to send in both windows, so that neither run ends before the faults do.
    life.arrive(150, received=ago(hours=2))
    life.arrive(150, received=ago(hours=1))
    life.run("--since", ago(days=3), "--until", ago(days=2))
    life.standin.set_faults(BUSY)
    middle = ago(minutes=90)
    runs = [
        life.start("--since", ago(days=1), "--until", middle),
        life.start("--since", middle, "--until", ago(minutes=1)),
    ]
    with life.watch() as seen:
        wait(lambda: seen.value("SELECT count(*) FROM runs WHERE status = 'running'") == 2)
    life.standin.set_faults()
    assert [run.wait().code for run in runs] == [0, 0]
    life.check()
    assert life.standin.stats()["duplicates"] == 0


def test_a_killed_run_frees_its_window_at_once(life: Life) -> None:
    """The next one begins without waiting for anything to expire."""
    life.arrive(300)
    life.standin.set_faults(BUSY)
    run = life.start()
    with life.watch() as seen:
        wait(lambda: seen.look().status == "running")
    assert life.run().code == 75
    run.kill()
    assert run.wait().killed
    life.standin.set_faults()
    assert life.run().code == 0
    life.check()


@pytest.mark.parametrize("life", ["postgresql"], indirect=True)
def test_a_run_that_lost_its_session_commits_nothing_more(life: Life, postgres: str) -> None:
    """Asleep, its session cut: another run takes the window over; the sleeper wakes, exits 3 and spoils nothing."""
    life.arrive(3000)
    life.standin.set_faults([{"kind": "delay", "when": "after_taking", "seconds": 0.5}])
    sleeper = life.start()
    with life.watch() as seen:
        wait(lambda: seen.look().status == "running" and life.standin.stats()["accepted"] > 0)
        sleeper.signal(signal.SIGSTOP)
        assert life.run().code == 75
        cut_sessions(postgres)
    life.standin.set_faults()
    successor = life.run()
    assert (successor.code, successor.report["sent"]) == (0, 3000), successor.stderr
    sleeper.signal(signal.SIGCONT)
    ended = sleeper.wait()
    assert ended.code == 3, ended.stderr
    assert ended.report["error"]["type"] == "StateError"
    assert "run it again" in ended.stderr
    life.check()
    life.check_every_row()


@pytest.mark.parametrize("life", ["sqlite"], indirect=True)
def test_a_run_that_sleeps_keeps_its_window_on_sqlite(life: Life) -> None:
    """Its lock is the kernel's, so nobody takes over what it may still commit; awake, it completes."""
    life.arrive(3000)
    life.standin.set_faults([{"kind": "delay", "when": "after_taking", "seconds": 0.1}])
    sleeper = life.start()
    with life.watch() as seen:
        wait(lambda: seen.look().status == "running")
    sleeper.signal(signal.SIGSTOP)
    assert life.run().code == 75
    sleeper.signal(signal.SIGCONT)
    assert sleeper.wait().code == 0
    life.check()


def cut_sessions(url: str) -> None:
    """End every other session of the database, as a firewall or an administrator does."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def first_to_end(runs: list[Run]) -> Run:
    """The run that ended first."""
    wait(lambda: not all(run.running for run in runs))
    return next(run for run in runs if not run.running)


def wait(come: Callable[[], bool]) -> None:
    """Until it has come, within reason."""
    end = time.monotonic() + _SECONDS
    while not come():
        assert time.monotonic() < end
        time.sleep(0.005)
