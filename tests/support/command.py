"""The real ``etl`` for shells, without two seconds of imports each time: a process that has everything loaded forks.

``Command`` starts it and puts an executable ``etl`` into a folder for the PATH. Each call is a process of its own, with
the caller's files, folder and environment, that runs ``etl.cli.main`` as the installed script does.
"""

from __future__ import annotations

import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Self

_CALL = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
    s.connect({address!r})
    told = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
    socket.send_fds(s, [json.dumps(told).encode()], [0, 1, 2])
    code = s.recv(16)
sys.exit(int(code) if code else 137)
"""
_LONGEST = 200_000
#: numpy and pyarrow start threads when they are imported, and threads do not live through a fork.
_NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


class Command:
    """A context manager; ``etl`` lies in ``folder`` meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        address = str(self._folder / "etl.socket")
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | _NO_THREADS,
        )
        assert self._server.stdout.readline() == b"ready\n"
        script = self._folder / "etl"
        script.write_text(_CALL.format(python=sys.executable, address=address))
        script.chmod(0o755)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()


def serve(address: str) -> None:
    """Answer calls until stdin is closed, which it is when whoever started this is gone."""
    _load()
    signal.signal(
        signal.SIGCHLD, signal.SIG_IGN
    )  # nobody waits for them: they tell their exit codes themselves
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen(16)
        print("ready", flush=True)
        while True:
            readable, _, _ = select.select([listening, sys.stdin], [], [])
            if sys.stdin in readable:
                return
            caller, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _answer(caller)
            caller.close()


def _load() -> None:
    import etl

    for module in pkgutil.walk_packages(etl.__path__, "etl."):
        if module.name not in ("etl.__main__", "etl.standin.__main__") and "airflow" not in module.name:
            import_module(module.name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a process with threads cannot be forked safely"


def _answer(caller: socket.socket) -> None:
    """Never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    text, files, _, _ = socket.recv_fds(caller, _LONGEST, 3)
    told = json.loads(text)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    code = _run(told["arguments"])
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            stream.flush()
    caller.send(str(code).encode())
    os._exit(0)


def _run(arguments: list[str]) -> int:
    from etl.cli import main

    try:
        main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 70


if __name__ == "__main__":
    serve(sys.argv[1])
