"""Starting runs, killing them, and hearing how they ended."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """``code``: the exit code, or minus the signal that ended the process."""

    code: int
    stdout: str
    stderr: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @cached_property
    def report(self) -> dict[str, Any]:
        """What ``--json`` printed."""
        return json.loads(self.stdout)


class Mill:
    """Forks a process for each run (``tests.torture.mill``); a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._runs: list[Run] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.mill"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def start(
        self,
        *arguments: str,
        folder: Path,
        env: dict[str, str],
        host: str | None = None,
        file_size: int | None = None,
    ) -> Run:
        """``etl ARGUMENTS`` in ``folder``; ``host`` is its host's name, ``file_size`` the bytes a file may have."""
        output = str(self._folder / f"run-{next(self._numbers)}")
        order = {
            "arguments": arguments, "folder": str(folder), "env": env, "output": output, "host": host,
            "file_size": file_size,
        }  # fmt: skip
        run = Run(self, self._ask({"run": order})["pid"], output)
        self._runs.append(run)
        return run

    def end_all(self) -> None:
        """End what a test that failed has left running; it would disturb the next one."""
        for run in self._runs:
            if run.running:
                run.kill()
                run.wait()
        self._runs.clear()

    def wait(self, pid: int, seconds: float) -> int | None:
        """The exit code, or None."""
        return self._ask({"wait": {"pid": pid, "seconds": seconds}})["code"]

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class Run:
    """A run in a process of its own."""

    def __init__(self, mill: Mill, pid: int, output: str) -> None:
        self._mill = mill
        self._output = output
        self._code: int | None = None
        self.pid = pid

    def signal(self, number: int) -> None:
        """Send a signal, if the process is still there; it is, until it was waited for."""
        if self._code is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        if self._code is None:
            self._code = self._mill.wait(self.pid, 0)
        return self._code is None

    def wait(self, seconds: float = 120) -> Ended:
        """How it ended. A run that has not ended after ``seconds`` is killed, and the test with it."""
        if self._code is None:
            self._code = self._mill.wait(self.pid, seconds)
        if self._code is None:
            self.kill()
            self._code = self._mill.wait(self.pid, 30)
            raise AssertionError(f"the run did not end within {seconds} s; it wrote: {self._read('err')}")
        return Ended(self._code, self._read("out"), self._read("err"))

    def _read(self, end: str) -> str:
        return Path(f"{self._output}.{end}").read_text()
