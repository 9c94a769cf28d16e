"""A server that answers 200 to everything at next to no cost, and can tell afterwards what it got.

nginx from the distribution's packages where it is there or can be installed, else the asyncio server in
``benchmarks.asyncio_sink``; ``Sink.kind`` says which.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

CONF = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
  log_format size '$status $http_content_length';
  access_log {folder}/access.log size buffer=1m;
  client_max_body_size 10m; keepalive_requests 100000000; keepalive_timeout 600;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; return 200 '{{}}'; }} }}
}}
"""


@dataclass(frozen=True)
class Got:
    """What the sink received: requests that it answered 200, and the bytes of their bodies."""

    requests: int
    bytes: int


class Sink:
    """A context manager; ``url`` is where requests go."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="etl-bench-"))
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.kind = "nginx" if _nginx() else "asyncio + httptools"
        self._log = self.folder / "access.log"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command(), stdout=subprocess.DEVNULL)
        _await_port(self.port)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self) -> list[str]:
        if self.kind != "nginx":
            return [sys.executable, "-m", "benchmarks.asyncio_sink", str(self.port), str(self._log)]
        conf = self.folder / "nginx.conf"
        conf.write_text(CONF.format(folder=self.folder, port=self.port))
        return [_nginx(), "-c", str(conf), "-p", str(self.folder)]

    def forget(self) -> None:
        """Count from zero again."""
        self._flush()
        os.truncate(self._log, 0)

    def got(self) -> Got:
        """What came since ``forget``; for when nobody sends any more."""
        self._flush()
        sizes = [int(line.split()[1]) for line in self._log.read_text().splitlines() if line[:4] == "200 "]
        return Got(len(sizes), sum(sizes))

    def _flush(self) -> None:
        """The log is written in blocks of a megabyte, off the hot path; a signal writes the rest."""
        self._process.send_signal(signal.SIGUSR1)
        size = -1
        while size != (size := self._log.stat().st_size if self._log.exists() else 0):
            time.sleep(0.2)


def _nginx() -> str:
    """Where nginx is, installed if need be and possible; empty if it is not."""
    path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not path and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-qqy", "nginx-light"], check=False, capture_output=True)
        path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    return path or ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"no sink answers on port {port}")
