"""The stand-in as a process of its own, for tests, benchmarks and the demo.

Reading what the stand-in accepted: the NDJSON of ``etl.standin.ledger``, from its file or over HTTP.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import subprocess
import sys
import tempfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import httpx


_BETWEEN = re.compile(r"[\s,\[]*")


class AcceptedEvent(NamedTuple):
    """One accepted usage event: parsed, and its text exactly as received (line breaks became spaces)."""

    event: dict[str, Any]
    text: str


def accepted_events(lines: Iterable[bytes], *, exact: bool = False) -> Iterator[AcceptedEvent]:
    """The accepted events of whole ledger lines, in order; ``exact`` parses fractions as ``Decimal``."""
    decoder = json.JSONDecoder(parse_float=Decimal) if exact else json.JSONDecoder()
    for line in lines:
        head, _, array = line.decode().partition(',"events":')
        new = json.loads(head + "}")["new"]
        events = list(_elements(array.removesuffix("\n").removesuffix("}"), decoder))
        yield from (events if new is None else [events[position] for position in new])


def _elements(array: str, decoder: json.JSONDecoder) -> Iterator[AcceptedEvent]:
    position = _skipped(array, 0)
    while array[position] != "]":
        event, end = decoder.raw_decode(array, position)
        yield AcceptedEvent(event, array[position:end])
        position = _skipped(array, end)


def _skipped(text: str, position: int) -> int:
    between = _BETWEEN.match(text, position)
    return between.end() if between else position


def read_record(path: Path, *, exact: bool = False) -> Iterator[AcceptedEvent]:
    """The accepted events of a ``--record`` file, whether its stand-in still runs or not."""
    with path.open("rb") as lines:
        yield from accepted_events((line for line in lines if line.endswith(b"\n")), exact=exact)


_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


class Standin:
    """A local Metronome in a subprocess; a context manager.

    It listens on a free loopback port, stops when this object is closed or this process dies, and after
    ``max_lifetime`` seconds in any case.

    Args:
        token: the bearer token it accepts.
        record: a file that keeps the accepted events (``etl.standin.ledger``); read back when it exists.
        port: 0 picks a free one.
        max_lifetime: seconds.
        settings: ``etl.standin.faults.Settings`` by name: ``faults``, ``seed``, ``now``, ``max_body``, …

    Raises:
        RuntimeError: it did not start; the message has what it wrote.
    """

    def __init__(
        self,
        *,
        token: str = "standin-token",  # noqa: S107 - opens nothing but a stand-in
        record: Path | None = None,
        port: int = 0,
        max_lifetime: float = 3600.0,
        **settings: Any,
    ) -> None:
        self.token = token
        self.url = ""
        self._command = [sys.executable, "-m", "etl.standin", "--stop-with-stdin", f"--port={port}"]
        self._command += [f"--max-lifetime={max_lifetime}", f"--settings={json.dumps(settings)}"]
        self._command += [f"--record={record}"] if record else []
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Start, wait until it listens; on the port and record of before, if it was stopped or killed."""
        with tempfile.TemporaryFile() as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | {"METRONOME_BEARER_TOKEN": self.token},
            )
            line = _first_line(self._process)
            if not line:
                self.kill()
                errors.seek(0)
                raise RuntimeError(f"The Metronome stand-in did not start: {errors.read().decode().strip()}")
        self.url = json.loads(line)["url"]
        self._command = [c for c in self._command if not c.startswith("--port=")]
        self._command.append(f"--port={self.url.rpartition(':')[2]}")
        self._client = _client(self.url)

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        if self._process is None:
            raise RuntimeError("The Metronome stand-in is not running")
        return self._process.pid

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._close()

    def kill(self) -> None:
        """Stop it with SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
        self._close()

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            self._process.wait(_STOP_SECONDS)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
        self._client = self._process = None

    def accepted(self, *, exact: bool = False) -> dict[str, dict[str, Any]]:
        """Accepted events by transaction_id, in order; ``exact`` gives fractions as ``Decimal``.

        An id accepted again after 34 days is here once, first event; ``stats()["accepted"]`` counts both.
        """
        found: dict[str, dict[str, Any]] = {}
        for event, _ in accepted_events(self._lines("/standin/accepted"), exact=exact):
            found.setdefault(event["transaction_id"], event)
        return found

    def bodies(self) -> dict[str, str]:
        """The accepted events' JSON text exactly as received, by transaction_id, in order."""
        found: dict[str, str] = {}
        for event, text in accepted_events(self._lines("/standin/accepted")):
            found.setdefault(event["transaction_id"], text)
        return found

    def ids(self) -> list[str]:
        """Accepted transaction_ids in order of acceptance; cheaper than ``accepted``."""
        return [json.loads(line) for line in self._lines("/standin/ids")]

    def stats(self) -> dict[str, Any]:
        """Counts since the last reset; ``etl.standin.controls.stats`` says which."""
        stats: dict[str, Any] = self._call("GET", "/standin/stats")
        return stats

    def set_faults(self, faults: Sequence[dict[str, Any]] = (), *, seed: int = 0) -> None:
        """Commit these faults (``etl.standin.faults``) from the next request on; none by default."""
        self.configure(faults=list(faults), seed=seed)

    def configure(self, **settings: Any) -> None:
        """Change settings (``etl.standin.faults``) from the next request on. Raises ``ValueError``."""
        self._call("PATCH", "/standin/settings", settings)

    def reset(self) -> None:
        """Forget all events and counts; the settings of the start apply again."""
        self._call("POST", "/standin/reset")

    def _call(self, method: str, path: str, content: Any = None) -> Any:
        response = self._running().request(method, path, json=content)
        if response.is_client_error:
            raise ValueError(response.json()["message"])
        return response.raise_for_status().json()

    def _lines(self, path: str) -> Iterator[bytes]:
        with self._running().stream("GET", path) as response:
            response.raise_for_status()
            yield from _lines(response.iter_bytes())

    def _running(self) -> httpx.Client:
        if self._client is None:
            raise RuntimeError("The Metronome stand-in is not running")
        return self._client


def _client(url: str) -> httpx.Client:
    import httpx  # the process itself starts faster without

    return httpx.Client(base_url=url, trust_env=False, timeout=60.0)


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    if process.stdout is None:
        return b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        return process.stdout.readline() if selector.select(_START_SECONDS) else b""


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
