"""A throw-away computer: the host's disk, written to in memory only, with an init, users and ``/etc`` of its own.

Namespaces and an overlay file system, as a container engine makes them, so it takes root on Linux; the network is the
host's, for its loopback. What the docs say about ``/opt/etl``, ``/etc/etl``, units and crontabs is done in it to the
letter. It ends with ``stop``, or with the process that started it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
# Ends the machine when its own input closes, and removes the control groups that the machine made.
_WATCHDOG = """
echo $$ > "$CGROUP/cgroup.procs"
"$@" & unshare=$!
cat > /dev/null
read -r first _ < /proc/$unshare/task/$unshare/children
kill -9 ${first:-$unshare}
wait $unshare
echo $$ > "$CGROUP/../cgroup.procs"
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  find "$CGROUP" -depth -type d -exec rmdir {} + && break
  sleep 0.1
done
rmdir "$FOLDER"
"""
# How package registries are reached; for the preparation only.
_OF_THE_NETWORK = (
    "SSL_CERT",
    "PIP_",
    "UV_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
)
_NAMESPACES = (
    "--fork",
    "--kill-child",
    "--pid",
    "--mount",
    "--cgroup",
    "--ipc",
    "--uts",
    "--propagation",
    "private",
)


class Machine:
    """A context manager. ``prepare``: a bash script run in it first, as root; ``init``: its first process."""

    def __init__(self, prepare: str, init: list[str], shared: dict[Path, str], seconds: float = 300) -> None:
        self._prepare, self._init, self._seconds = prepare, init, seconds
        own = {Path(place): place for place in (str(ROOT), sys.prefix, sys.base_prefix)}
        self._shared = own | shared

    def __enter__(self) -> Self:
        why = _lacking()
        assert not why, f"a throw-away machine cannot be made here: {why}"
        self.folder = Path(tempfile.mkdtemp(prefix="etl-machine-"))
        self._scripts = Path(tempfile.mkdtemp(prefix="etl-machine-scripts-"))
        (self._scripts / "prepare").write_text(self._prepare)
        self._group = group = _control_groups() / self.folder.name
        group.mkdir()
        shared = self._shared | {self._scripts: str(self._scripts)}
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SHARED": " ".join(f"{of}:{to}" for of, to in shared.items()),
            "CGROUP": str(group), "FOLDER": str(self.folder), "LC_ALL": "C.UTF-8",
            **{name: value for name, value in os.environ.items() if name.startswith(_OF_THE_NETWORK)},
        }  # fmt: skip
        inner = [
            "bash",
            str(Path(__file__).with_suffix(".sh")),
            str(self.folder),
            str(self._scripts / "prepare"),
        ]
        with (self._scripts / "log").open("wb") as log:
            self._watchdog = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHDOG, "watchdog", "unshare", *_NAMESPACES, *inner, *self._init],
                env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            self.wait(lambda: self.log().endswith("ready\n"), self._seconds)
            assert not self.log().endswith("not ready\n"), self.log()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End everything that runs in it, and remove every trace."""
        self._watchdog.stdin.close()
        self._watchdog.wait(60)
        shutil.rmtree(self._scripts, ignore_errors=True)
        assert not self.folder.exists()
        assert not self._group.exists()

    def log(self) -> str:
        """What its first process and the preparation have printed."""
        return (self._scripts / "log").read_text(errors="replace")

    def run(self, *command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """A command in the machine, as root."""
        enter = ["nsenter", "--target", str(self._first()), "--all", "--"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            [*enter, *command],
            env=environment, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def shell(self, lines: str, timeout: float = 120) -> str:
        """Lines of bash, each of which must succeed; what they print."""
        ran = self.run("bash", "-euo", "pipefail", "-c", lines, timeout=timeout)
        assert ran.returncode == 0, f"{lines}\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    def wait(self, done: Callable[[], Any], seconds: float = 60) -> Any:
        """Until ``done()`` gives something, polling."""
        end = time.monotonic() + seconds
        while not (found := done()):
            assert self._watchdog.poll() is None, self.log()
            assert time.monotonic() < end, f"not within {seconds} s; the machine said:\n{self.log()[-5000:]}"
            time.sleep(0.1)
        return found

    def _first(self) -> int:
        """The process id, out here, of the machine's first process: the only child of unshare."""
        (unshare,) = _children(self._watchdog.pid, "unshare")
        (first,) = _children(unshare)
        return first


def _children(process: int, name: str = "") -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in found if not name or _name(child) == name]


def _name(process: str) -> str:
    return Path(f"/proc/{process}/comm").read_text().strip()


def _lacking() -> str:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it takes root on Linux (a CI job or a virtual machine has it)"
    if missing := [tool for tool in ("unshare", "nsenter", "pivot_root") if not shutil.which(tool)]:
        return f"there is no {', '.join(missing)} (Debian: apt-get install util-linux)"
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        return "the kernel has no overlay file system (modprobe overlay)"
    return ""


def _control_groups() -> Path:
    """Where version 2 of the control groups is mounted, alone or beside version 1."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    places = [Path(place) for _, place, kind, *_ in mounts if kind == "cgroup2"]
    assert places, "control groups of version 2 are not mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup"
    return places[0]
