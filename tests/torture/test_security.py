"""The token is nowhere but in the request's header: searched for after runs with faults, everything at debug level."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.standin import Standin
from tests.support.workspace import Workspace, ago, track
from tests.torture.life import POISON

TOKEN = "mtr-S3cr3tT0ken-4f1d9b7e2a"
#: What ``python -m etl`` does, but every library says all it can, and a crash dumps every thread's stack.
LOUD = (
    "import faulthandler, logging, sys; faulthandler.enable(); "
    "faulthandler.register(10); logging.basicConfig(level=logging.DEBUG); logging.debug('all is told'); "
    "from etl.cli import main; sys.argv[0] = 'etl'; main()"
)
#: The same for the process that sends.
LOUD_LIBRARIES = (
    "import faulthandler, logging; faulthandler.enable(); logging.basicConfig(level=logging.DEBUG); "
    "logging.debug('all is told')\n"
)
FAULTS = {
    "refused": [{"kind": "status", "status": 403}],
    "echoing": [{"kind": "status", "status": 404, "message": f"no route for Bearer {TOKEN}"}],
    "failing": [
        {"kind": "status", "status": 503, "rate": 0.15, "message": f"token {TOKEN} is busy"},
        {"kind": "reset", "rate": 0.1},
        {"kind": "truncate", "rate": 0.05},
        {"kind": "silence", "rate": 0.05},
    ],
    "web page": [{"kind": "web_page"}],
    "unreachable": [],
}


@pytest.fixture(scope="module")
def secretive() -> Iterator[Standin]:
    """A stand-in with a token that is easy to search for."""
    with Standin(token=TOKEN) as standin:
        yield standin


@pytest.fixture
def workspace(tmp_path: Path, secretive: Standin) -> Workspace:
    """300 events, one of them poisoned, one that no mapping fits."""
    secretive.reset()
    secretive.configure(poison_prefix=POISON)
    workspace = Workspace(tmp_path, secretive)
    _at_every_start(workspace, LOUD_LIBRARIES)
    workspace.env |= {
        "PYTHONPATH": str(tmp_path / "site"),
        "PYTHONASYNCIODEBUG": "1",
        "ETL_DEBUG": "1",
        "PYTHONDEVMODE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    events = [track(f"m{number}") for number in range(298)]
    workspace.write([*events, track(f"{POISON}1"), track("lost", context={})])
    workspace.config(destination={"timeout": "1s", "retry_for": "5m"})
    return workspace


def _at_every_start(workspace: Workspace, text: str) -> None:
    """What every Python of this workspace runs first, also one that the job starts."""
    folder = workspace.path / "site"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(text)


def start(workspace: Workspace, *arguments: str) -> subprocess.Popen[bytes]:
    """``etl`` at its loudest, in a process of its own, everything it writes kept in files."""
    with (workspace.path / "out").open("wb") as out, (workspace.path / "err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-c", LOUD, *arguments],
            cwd=workspace.path,
            env=os.environ | workspace.env,
            stdout=out,
            stderr=err,
        )


def search(folder: Path) -> list[str]:
    """Files below ``folder`` with the token in them."""
    return [str(file) for file in folder.rglob("*") if file.is_file() and TOKEN.encode() in file.read_bytes()]


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=[pytest.mark.slow] if name != "failing" else []) for name in FAULTS]
)
def test_the_token_is_written_nowhere(workspace: Workspace, fault: str) -> None:
    """Not on stdout or stderr, not in the report, not in the state, not in exported dead letters."""
    if fault == "unreachable":
        workspace.config(destination={"base_url": "http://127.0.0.1:1", "retry_for": "1s"})
    workspace.standin.set_faults(FAULTS[fault], seed=2)
    run = start(workspace, "run", "-c", "etl.yml", "--json", "--since", ago(days=1))
    assert run.wait(120) == (1 if fault == "failing" else 3), (workspace.path / "err").read_text()[-2000:]
    assert b"DEBUG" in (workspace.path / "err").read_bytes()
    assert b'"run_id"' in (workspace.path / "out").read_bytes()
    export = start_after(workspace, "dead-letters", "export", "-c", "etl.yml")
    assert export in (0, 1), (workspace.path / "err").read_text()[-2000:]
    assert search(workspace.path) == []


def start_after(workspace: Workspace, *arguments: str) -> int:
    """Keep what the run wrote; the exit code of another command."""
    for name in ("out", "err"):
        (workspace.path / name).rename(workspace.path / f"run.{name}")
    return start(workspace, *arguments).wait(60)


def test_the_token_is_not_in_the_process_list_nor_in_the_dump_of_a_crash(workspace: Workspace) -> None:
    """While requests with it are in flight; the dump is what Python writes of every thread when it dies."""
    workspace.standin.set_faults([{"kind": "silence"}])
    run = start(workspace, "run", "-c", "etl.yml", "--since", ago(days=1))
    end = time.monotonic() + 60
    while not workspace.standin.stats()["requests"]:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert TOKEN.encode() not in Path(f"/proc/{run.pid}/cmdline").read_bytes()
    modes = {stat.S_IMODE(file.stat().st_mode) for file in workspace.path.glob("state.db*")}
    assert modes == {0o600}
    run.send_signal(signal.SIGABRT)
    assert run.wait(30) == -signal.SIGABRT
    assert b"Fatal Python error: Aborted" in (workspace.path / "err").read_bytes()
    assert search(workspace.path) == []


def test_a_bug_s_traceback_does_not_show_the_token(workspace: Workspace) -> None:
    """An exception nobody foresaw, with a full traceback asked for."""
    _at_every_start(
        workspace, f"{LOUD_LIBRARIES}import etl.metronome.sender as s; s.judge = lambda *_: 1 / 0\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", LOUD, "run", "-c", "etl.yml", "--since", ago(days=1)],
        cwd=workspace.path,
        env=os.environ | workspace.env,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 3
    assert b"ZeroDivisionError" in ended.stderr
    assert TOKEN.encode() not in ended.stdout + ended.stderr
    assert search(workspace.path) == []
