"""Run a command and measure it from outside: wall-clock, CPU and memory of its whole process tree."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Measured:
    """``cpu``: seconds of user and system time; ``peak``: the processes' own peaks of resident memory, summed, in MB."""

    wall: float
    cpu: float
    peak: float
    output: str


def measure(command: list[str], **environment: str) -> Measured:
    """Raises ``RuntimeError`` with the command's last words when it fails."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=_environment() | environment)
        peak = _Peak(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        text, trouble = _text(output), _text(errors)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{trouble[-3000:]}")
    return Measured(wall, used.ru_utime + used.ru_stime, peak.end(), text)


def _environment() -> dict[str, str]:
    """As on a machine where programs are installed: what is loaded again is compiled already."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


class _Peak:
    """Looks at the resident memory of a process and its descendants; the sum of their peaks is never too little.

    Not ``ru_maxrss``: it begins with what the process had before it became another program, which is ours.
    """

    def __init__(self, pid: int) -> None:
        self._pid, self._most, self._ended = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def end(self) -> float:
        """The peak in MB."""
        self._ended.set()
        self._thread.join()
        return self._most

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self._most = max(self._most, sum(_resident(pid) for pid in _tree(self._pid)))


def _tree(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(found for child in children for found in _tree(child))]


def _resident(pid: int) -> float:
    """The process's own peak so far, so that nothing is missed between two looks."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0.0
