"""Who may run a window: one at a time, freed the moment its holder dies, and nobody writes after losing it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from etl.core.errors import StateError, WindowBusyError
from etl.core.report import Counts
from etl.state.dialects.sqlite import file_of, lock_path
from tests.state.building import days, known, letter, plan, sent

HOLDER = """
import sys
from datetime import timedelta
from etl.core.report import Counts
from etl.state import open_state
from tests.state.building import Clock, days, known, plan, sent

store = open_state(sys.argv[1], retention=timedelta(days=100), now=Clock())
with store.begin(plan(days(0, 2))) as run:
    run.record(sent(["confirmed"]), [], Counts())
    print(run.run_id, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(url):
    """Another process that runs days 0 to 2, and has recorded one id."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.run_id = process.stdout.readline().strip()
    yield process
    process.kill()
    process.communicate()


def statuses(store) -> list[str]:
    return store.runs()["status"].tolist()[::-1]


@pytest.mark.parametrize("window", [days(0, 2), days(1, 3), days(1.2, 1.3), days(-1, 5)])
def test_an_overlapping_window_is_refused(store, holder, window):
    """The message names the other run, its host and process; nothing is touched; exit code 75."""
    with (
        pytest.raises(WindowBusyError, match="is being run by another process") as caught,
        store.begin(plan(window)),
    ):
        pass
    assert caught.value.exit_code == 75
    expected = (
        f"run {holder.run_id} of .*, on {re.escape(socket.gethostname())} \\(pid {holder.pid}\\), since 2026"
    )
    assert re.search(expected, str(caught.value))
    assert statuses(store) == ["running"]


def test_windows_that_only_touch_run_together(store, holder):
    """[0, 2) and [2, 3) share no moment; nor do two pipelines."""
    with store.begin(plan(days(2, 3))) as one, store.begin(plan(days(-1, 0))) as two:
        for run in (one, two):
            run.record(sent([run.run_id]), [], Counts())
            run.complete(Counts(), ())
    with store.begin(plan(days(0, 2), pipeline="other / pipeline")) as run:
        run.complete(Counts(), ())
    assert statuses(store) == ["running", "complete", "complete", "complete"]


def test_kill_9_frees_the_window_at_once(store, holder):
    """The dead run is marked abandoned; what it recorded stays."""
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with store.begin(plan(days(1, 3))) as run:
        assert known(run, sent(["confirmed"])) == [1]
        assert statuses(store) == ["abandoned", "running"]
    assert "its process ended" in store.runs()["error"].iloc[-1]


def test_two_runs_of_one_process_exclude_each_other(store, open_store):
    """The lock belongs to the run, not to the process."""
    with store.begin(plan()) as run:
        with pytest.raises(WindowBusyError), open_store().begin(plan()):
            pass
        run.complete(Counts(), ())
    with store.begin(plan()):
        pass


def test_an_empty_window_locks_nothing(store):
    """It is complete at once, whoever runs around it."""
    with ExitStack() as stack:
        stack.enter_context(store.begin(plan(days(0, 1))))
        for _ in range(2):
            stack.enter_context(store.begin(plan(days(0.5, 0.5), intervals={}, touches={}))).complete(
                Counts(), ()
            )
        with pytest.raises(WindowBusyError), store.begin(plan(days(0.5, 0.6))):
            pass


def test_a_run_that_was_taken_over_commits_nothing_more(store, url):
    """Its lock is lost (here: its lock file removed, its session cut); the next run fences it."""
    with pytest.raises(StateError) as caught, store.begin(plan()) as lost:
        lost.record(sent(["before"]), [], Counts())
        take_lock_away(url, store)
        with store.begin(plan()) as winner:
            for write in (
                lambda: lost.record(sent(["after"]), [letter()], Counts()),
                lost.accept_token,
                lambda: lost.complete(Counts(), ["part"]),
            ):
                with pytest.raises(StateError):
                    write()
            lost.stop(Counts(), RuntimeError("late"))
            assert known(winner, sent(["before", "after"])) == [1, 0]
            winner.complete(Counts(), ())
            lost.lookup(sent(["before"]))
            lost.record(sent(["late"]), [], Counts())
    assert caught.value.exit_code == 3
    assert statuses(store) == ["abandoned", "complete"]
    assert store.dead_letters("product").empty
    assert [len(t) for t in store.sent_log()] == [1]


def take_lock_away(url, store) -> None:
    if url.startswith("sqlite"):
        lock_path(file_of(store.database.url), "product").unlink()
        return
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    with engine.connect() as connection:
        connection.execute(sa.text(cut))


def test_the_fence_says_who_took_over(store, url):
    """On SQLite the connection is well, and the message tells what happened."""
    if not url.startswith("sqlite"):
        return
    with (
        pytest.raises(StateError, match=r"another run took over the window .* from run"),
        store.begin(plan()) as lost,
    ):
        take_lock_away(url, store)
        with store.begin(plan()):
            lost.record(sent(["after"]), [], Counts())


def test_two_processes_record_the_same_ids_once(store, url):
    """Both have disjoint windows and append the same ids at the same time."""
    script = """
import sys
from datetime import timedelta
from etl.core.report import Counts
from etl.state import open_state
from tests.state.building import days, known, plan, sent

number = int(sys.argv[2])
store = open_state(sys.argv[1], retention=timedelta(days=100))
with store.begin(plan(days(number, number + 1))) as run:
    for start in range(0, 2000, 100):
        run.record(sent([f"id{n}" for n in range(start, start + 100)]), [], Counts())
    run.complete(Counts(), ())
"""
    processes = [subprocess.Popen([sys.executable, "-c", script, url, str(n)]) for n in range(2)]
    assert [process.wait(120) for process in processes] == [0] * 2
    (table,) = store.sent_log()
    assert len(table) == len(set(table["transaction_id"].to_pylist())) == 2000
    assert statuses(store) == ["complete"] * 2
    assert [len(w) for w in store.intervals("product", "production").values()] == [1]
