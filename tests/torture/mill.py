"""``python -m tests.torture.mill``: has imported everything that a run needs, and forks a process for each run.

A forked run is as real as one that a shell starts: its own process, its own connections and files, killed with
SIGKILL by the test. Only Python's start, a second of importing, is saved; nothing was opened before the fork.
Takes one JSON object a line on its standard input, answers one on its standard output; ends when the input does.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import time
import traceback
from typing import Any

import psycopg
import pyarrow.dataset
import pyarrow.parquet
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.pysqlite

import etl.authoring.lints
import etl.cli
import etl.cli.options
import etl.cli.output
import etl.cli.progress
import etl.cli.run
import etl.metronome.client
import etl.pipeline.api
import etl.sources.parquet
import etl.state

LOADED = (etl.pipeline.api, etl.cli, psycopg, pyarrow.dataset, pyarrow.parquet, sqlalchemy.dialects)


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        answer = waited(**order["wait"]) if "wait" in order else {"pid": forked(order["run"])}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def forked(order: dict[str, Any]) -> int:
    """Start a run; its process id."""
    pid = os.fork()
    if pid == 0:
        os._exit(run(order))
    return pid


def run(order: dict[str, Any]) -> int:
    """In the child: what the ``etl`` command does, with this order's arguments, folder, environment and limits."""
    redirect(order["output"])
    try:
        os.chdir(order["folder"])
        os.environ.update(order["env"])
        if order["host"]:
            socket.gethostname = lambda: order["host"]
        if order["file_size"]:
            # As with a full disk, the write fails; without the signal's default, which would end the process.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_size"], order["file_size"]))
        sys.argv = ["etl", *order["arguments"]]
        etl.cli.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - what Python would do
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def redirect(output: str) -> None:
    """Standard streams to ``output``.out and .err, nothing to read."""
    sys.stdout.flush()
    for number, (path, flags) in enumerate(
        [
            (os.devnull, os.O_RDONLY),
            (f"{output}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (f"{output}.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ]
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)


def waited(pid: int, seconds: float) -> dict[str, Any]:
    """How the run ended: the exit code, or minus the signal; None if it still runs after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return {"code": os.waitstatus_to_exitcode(status)}
        if time.monotonic() > end:
            return {"code": None}
        time.sleep(0.002)


if __name__ == "__main__":
    main()
