"""SIGTERM whenever it comes: within ten seconds the command has ended, exit code 3, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from etl.state.dialects import postgresql
from tests.support.workspace import Workspace, track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The issue's limit, in seconds.
_LIMIT = 10


@contextmanager
def started(workspace: Workspace, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The real command; killed if the test fails."""
    with subprocess.Popen(
        [sys.executable, "-m", "etl", *arguments],
        cwd=workspace.path,
        env=os.environ | workspace.env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(happened: Callable[[], bool]) -> None:
    """Wait for it, a minute at most."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def another_writer(workspace: Workspace) -> Iterator[None]:
    """Somebody else's transaction on the state database, that does not end."""
    if workspace.state.startswith("sqlite"):
        with closing(sqlite3.connect(workspace.path / "state.db", timeout=60)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
        return
    engine = sa.create_engine(workspace.state, poolclass=sa.NullPool)
    with engine.connect() as session:
        session.execute(sa.select(sa.func.pg_advisory_lock(postgresql.WRITER_LOCK)))
        yield


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest, workspace: Workspace) -> Workspace:
    if request.param == "postgresql":
        workspace.state = request.getfixturevalue("postgres")
    return workspace


def test_a_run_that_waits_for_another_writer_of_the_state_ends(stored: Workspace) -> None:
    """Of the answers it has, those that could not be recorded are sent again, and ignored."""
    stored.write([track(f"m{n}") for n in range(1000)])
    stored.config(destination={"events_per_second": 200})
    with started(stored, "run", "-c", "etl.yml", "--json") as run:
        until(lambda: stored.standin.stats()["accepted"] > 0)
        with another_writer(stored):
            run.send_signal(signal.SIGTERM)
            out, err = run.communicate(timeout=_LIMIT)
    assert run.returncode == 3, err
    report = json.loads(out)
    assert report["error"]["type"] == "InterruptedRunError"
    assert report["matched"] == report["sent"] + report["unsent"]
    assert "interrupted: not all that was in flight was answered and recorded in time" in err
    stored.config()
    assert stored.run().complete
    assert len(set(stored.standin.ids())) == len(stored.standin.ids()) == 1000


def test_a_run_that_waits_for_another_writer_before_it_begins_ends(workspace: Workspace) -> None:
    workspace.write([track("m1")])
    workspace.config()
    workspace.run()

    def waits() -> bool:
        return any(_link(path).endswith("state.db") for path in proc.iterdir())

    with another_writer(workspace), started(workspace, "run", "-c", "etl.yml", "--json") as run:
        proc = Path(f"/proc/{run.pid}/fd")
        until(waits)
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=_LIMIT)
    assert (run.returncode, json.loads(out)["exit_code"]) == (3, 3)
    assert "Nothing was touched" in err


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""


@pytest.mark.parametrize("command", ["run", "map"])
def test_a_command_that_has_not_begun_ends_at_once(workspace: Workspace, command: str) -> None:
    """It waits for its config: nothing was touched."""
    workspace.write([track("m1")])
    os.mkfifo(workspace.path / "etl.yml")
    with started(workspace, command, "-c", "etl.yml") as run:
        until(lambda: _read_by_somebody(workspace))
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=_LIMIT)
    assert (run.returncode, out, err.strip()) == (3, "", "etl: interrupted")
    assert sorted(path.name for path in workspace.path.iterdir()) == ["etl.yml", "tracks"]


def _read_by_somebody(workspace: Workspace) -> bool:
    """Whether the pipe in the place of the config has been opened for reading."""
    try:
        _HELD.append(os.open(workspace.path / "etl.yml", os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


_HELD: list[int] = []


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    yield
    while _HELD:
        os.close(_HELD.pop())
