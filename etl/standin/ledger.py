"""What the stand-in accepted: each transaction_id once in 34 days, bodies kept byte for byte as they came.

Kept in an append-only file of one JSON line per request that brought something new::

    {"at": "2026-11-21T03:29:53+00:00", "new": null, "events": [...]}

``events`` is the body as received (line breaks outside strings become spaces), ``new`` the positions of the
events that counted, null for all. A line is written before its request is answered, so the file is the truth
whenever the process dies; a torn last line belongs to a request never answered and is cut off on reopening.
"""

from __future__ import annotations

import json
import os
import tempfile
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from etl.standin.rules import PAST, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_PIECE = 1 << 20


class Ledger:
    """Accepted events, in memory by id and on disk by body.

    Args:
        path: the file to append to, created if missing and read back if not; None keeps a temporary one.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._file = _opened(path)
        self._known: dict[str, int] = {}
        self._starts: list[int] = []
        self._times: list[datetime] = []
        self._size = 0
        self.accepted = 0
        self._read_back()

    def take(self, ids: list[str], body: bytes, at: datetime) -> int:
        """Accept the events of one request; how many of them were new."""
        new = self._remember(ids, at)
        if new:
            try:
                self._append(at, b"null" if len(new) == len(ids) else json.dumps(new).encode(), body)
            except OSError:
                for position in new:
                    del self._known[ids[position]]
                raise
            self._times.append(at)
            self.accepted += len(new)
        return len(new)

    def _remember(self, ids: list[str], at: datetime) -> Sequence[int]:
        """Enter the ids that count under the next line; their positions."""
        line, before = len(self._times), len(self._known)
        enter = self._known.setdefault
        lines = [enter(transaction_id, line) for transaction_id in ids]
        if len(self._known) - before == len(ids):
            return range(len(ids))
        fresh, new = set(ids), []
        for position, (transaction_id, known) in enumerate(zip(ids, lines, strict=True)):
            if transaction_id in fresh and (known == line or at - self._times[known] > PAST):
                self._known[transaction_id] = line
                new.append(position)
            fresh.discard(transaction_id)
        return new

    def _append(self, at: datetime, positions: bytes, body: bytes) -> None:
        # Valid JSON has raw line breaks outside strings only.
        one_line = body.replace(b"\n", b" ").replace(b"\r", b" ")
        line = b'{"at":"%b","new":%b,"events":%b}\n' % (at.isoformat().encode(), positions, one_line)
        self._file.write(line)
        self._starts.append(self._size)
        self._size += len(line)

    def _read_back(self) -> None:
        self._file.seek(0)
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            self._starts.append(self._size)
            self._size += len(line)
            ids, at = _ids_of(line)
            self._known.update(dict.fromkeys(ids, len(self._times)))
            self._times.append(at)
            self.accepted += len(ids)
        self._file.truncate(self._size)

    def ids(self) -> Iterable[str]:
        """Every accepted transaction_id, in order of first acceptance."""
        return self._known.keys()

    def find(self, transaction_id: str) -> tuple[dict[str, Any], datetime] | None:
        """The accepted event of this id and when it was taken; the latest, if taken again after 34 days."""
        number = self._known.get(transaction_id)
        if number is None:
            return None
        self._file.flush()
        start = self._starts[number]
        end = self._starts[number + 1] if number + 1 < len(self._starts) else self._size
        events = parsed(os.pread(self._file.fileno(), end - start, start))["events"]
        return next(e for e in events if e["transaction_id"] == transaction_id), self._times[number]

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """The file's bytes from ``start`` to where it ends now."""
        self._file.flush()
        end = self._size
        for offset in range(start, end, _PIECE):
            yield os.pread(self._file.fileno(), min(_PIECE, end - offset), offset)

    def clear(self) -> None:
        """Forget everything, on disk as well."""
        self._known.clear()
        self._starts.clear()
        self._times.clear()
        self._size = self.accepted = 0
        self._file.seek(0)
        self._file.truncate()


def _opened(path: Path | None) -> IO[bytes]:
    # Only a file that is to survive must have each line before its request is answered.
    return tempfile.TemporaryFile(buffering=_PIECE) if path is None else path.open("a+b", buffering=0)


def _ids_of(line: bytes) -> tuple[list[str], datetime]:
    entry = parsed(line)
    ids = [event["transaction_id"] for event in entry["events"]]
    new = entry["new"]
    return (ids if new is None else [ids[p] for p in new]), datetime.fromisoformat(entry["at"])
