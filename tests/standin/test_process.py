"""The stand-in's process: starts, tells, stops, and never outlives who started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from etl.standin import Standin


def _refuses(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def _wait_until_refused(url: str) -> None:
    end = time.monotonic() + 20
    while not _refuses(url):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_stops_with_its_context():
    with Standin() as standin:
        assert standin.url.startswith("http://127.0.0.1:")
        assert standin.stats()["requests"] == 0
    assert _refuses(standin.url)


def test_it_stops_when_its_parent_is_killed():
    code = "import time; from etl.standin import Standin; s = Standin(); s.start()\n"
    code += "print(s.url, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        url = parent.stdout.readline().decode().strip()
        assert not _refuses(url)
        os.kill(parent.pid, signal.SIGKILL)
    _wait_until_refused(url)


def test_it_stops_after_its_lifetime():
    standin = Standin(max_lifetime=0.1)
    standin.start()
    try:
        _wait_until_refused(standin.url)
    finally:
        standin.kill()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"nonsense": 1}, "unknown setting 'nonsense'"), ({"faults": [{"kind": "x"}]}, "fault kind 'x'")],
)
def test_wrong_settings_are_told(options, message):
    with pytest.raises(RuntimeError, match=message):
        Standin(**options).start()


def test_a_port_in_use_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(RuntimeError, match="in use"):
        Standin(port=taken.getsockname()[1]).start()


def test_it_wants_a_token():
    environment = {k: v for k, v in os.environ.items() if k != "METRONOME_BEARER_TOKEN"}
    ended = subprocess.run(
        [sys.executable, "-m", "etl.standin"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "needs a token" in ended.stderr


def test_the_token_is_in_no_process_list(running_standin):
    """It reaches the process by its environment."""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(running_standin.pid)], capture_output=True, check=True
    )
    assert b"etl.standin" in listed.stdout
    assert running_standin.token.encode() not in listed.stdout


def test_what_is_not_running_says_so():
    with pytest.raises(RuntimeError, match="not running"):
        Standin().stats()


def test_last_headers_leave_the_token_out(ingest, event, standin):
    ingest(event(), x_seen="yes")
    headers = standin.stats()["last_headers"]
    assert headers["x-seen"] == "yes"
    assert "authorization" not in headers
