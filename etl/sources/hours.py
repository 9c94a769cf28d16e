"""Which parts of a window have to be read: hours and days of a table that did not change need not be. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from etl.core.windows import Window

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

#: Parts are hours this close to the window's end, where late rows still arrive, and whole days before that: a
#: schedule's overlap is re-read by the hour, and a long window leaves few marks behind.
_FRESH = timedelta(hours=96)


@dataclass(frozen=True)
class Hour:
    """What a table holds of one hour of the cursor; ``checksum`` of the ids."""

    start: datetime
    rows: int
    checksum: str


@dataclass(frozen=True)
class Stretch:
    """What is read in one go, and the marks of the parts that lie whole inside it."""

    window: Window
    marks: tuple[str, ...]


@dataclass(frozen=True)
class _Piece:
    """``mark``: None where only some of it lies in the window; ``hours``: the marks of its hours."""

    window: Window
    mark: str | None
    hours: frozenset[str] = frozenset()

    def among(self, marks: Collection[str]) -> bool:
        """Whether it was read whole, as it is now: at once or hour by hour."""
        return self.mark is not None and (self.mark in marks or self.hours.issubset(marks))


def stretches(
    table: str,
    hours: Iterable[Hour],
    window: Window,
    done: Collection[str],
    behind: datetime | None = None,
    known: Collection[str] = frozenset(),
) -> list[Stretch]:
    """The parts of ``window`` in which ``table`` has rows and that are not ``done``, or ``known`` where they end by ``behind``.

    What lies between two of them is read with them if it has no rows, so that few statements are sent.
    """
    found: list[Stretch] = []
    after_done = True
    for piece in _pieces(table, hours, window):
        if piece.among(done) or (behind and piece.window.until <= behind and piece.among(known)):
            after_done = True
            continue
        marks = () if piece.mark is None else (piece.mark,)
        if after_done:
            found.append(Stretch(piece.window, marks))
        else:
            last = found.pop()
            found.append(Stretch(Window(last.window.since, piece.window.until), last.marks + marks))
        after_done = False
    return found


def marks_of(table: str, hours: Iterable[Hour], window: Window) -> list[str]:
    """Of all parts of ``window`` that have rows, as they are now."""
    return [piece.mark for piece in _pieces(table, hours, window) if piece.mark is not None]


def _pieces(table: str, hours: Iterable[Hour], window: Window) -> Iterable[_Piece]:
    in_order = sorted(hours, key=lambda hour: hour.start)
    for whole, grouped in groupby(in_order, key=lambda hour: _part_of(hour, window)):
        held = list(grouped)
        part = whole.clamp(window.since, window.until)
        if part != whole:
            yield _Piece(part, None)
            continue
        single = (_mark(table, Window(hour.start, hour.start + _HOUR), [hour]) for hour in held)
        yield _Piece(part, _mark(table, whole, held), frozenset(single))


def _part_of(hour: Hour, window: Window) -> Window:
    midnight = hour.start.replace(hour=0)
    if midnight >= window.since and midnight + _DAY <= window.until - _FRESH:
        return Window(midnight, midnight + _DAY)
    return Window(hour.start, hour.start + _HOUR)


def _mark(table: str, part: Window, hours: Collection[Hour]) -> str:
    """Short, because the state indexes it; changes whenever a row is added to the part or taken from it."""
    content = repr([(hour.start.isoformat(), hour.rows, hour.checksum) for hour in hours])
    digest = hashlib.blake2b(content.encode(), digest_size=12).hexdigest()
    length = (part.until - part.since) // _HOUR
    return f"{table}|{part.since:%Y-%m-%dT%H}|{length}h|{sum(hour.rows for hour in hours)}|{digest}"
