"""What a Parquet file's footer and folders say of the cursors in it: what surely lies outside is not read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from etl.sources.cursors import from_milliseconds, from_ticks, instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow.parquet as pq

    from etl.core.windows import Window
    from etl.sources.opening import Footer, Statistics

#: Names of folders that are called for a time.
CLOCK_KEYS = frozenset({"year", "month", "day", "hour", "hr", "date", "dt"})

#: A partition is left out only if it is this far outside the window: nothing says in which zone its day is.
_PARTITION_MARGIN = timedelta(hours=24)

#: The first and the last cursor there can be, both included.
Bounds = tuple[datetime, datetime]


@dataclass(frozen=True)
class RowGroup:
    """``first``: its first row's position in the file; ``size``: decoded bytes.

    ``bounds``: None = unknown, or some row has no cursor: that is reported when it is read.
    """

    index: int
    first: int
    rows: int
    size: int
    bounds: Bounds | None

    def may_touch(self, window: Window) -> bool:
        """Whether a row may lie in ``window``, or without a cursor in none."""
        return self.bounds is None or (self.bounds[0] < window.until and self.bounds[1] >= window.since)

    def before(self, window: Window) -> bool:
        """Whether every row lies before ``window``."""
        return self.bounds is not None and self.bounds[1] < window.since


def row_groups(schema: pq.ParquetSchema, footer: Footer, cursor: str) -> list[RowGroup]:
    """The row groups of a file, in order."""
    number = next((number for number in range(len(schema)) if schema.column(number).path == cursor), None)
    groups: list[RowGroup] = []
    first = 0
    for index, (rows, size, chunks) in enumerate(footer):
        bounds = None if number is None else _bounds(schema.column(number), chunks[number])
        groups.append(RowGroup(index, first, rows, size, bounds))
        first += rows
    return groups


def runs(groups: Sequence[RowGroup], window: Window, rows: int) -> Iterator[list[RowGroup]]:
    """The groups that may touch ``window``, neighbours together while they hold at most ``rows`` rows."""
    run: list[RowGroup] = []
    for group in groups:
        if run and (not group.may_touch(window) or sum(g.rows for g in run) + group.rows > rows):
            yield run
            run = []
        if group.may_touch(window):
            run.append(group)
    if run:
        yield run


def _bounds(column: pq.ColumnSchema, statistics: Statistics) -> Bounds | None:
    required = column.max_definition_level == 0
    if not (required or statistics.nulls == 0) or statistics.low is None or statistics.high is None:
        return None
    low, high = statistics.low, statistics.high
    logical: dict[str, Any] = orjson.loads(column.logical_type.to_json())
    if column.physical_type == "BYTE_ARRAY":
        return _day_bounds(low, high) if low[:5] == high[:5] else None
    if column.physical_type not in {"INT32", "INT64"}:
        return None
    ticks = [int.from_bytes(edge, "little", signed=True) for edge in (low, high)]
    if logical.get("Type") == "Timestamp":
        return _both(*(from_ticks(number, logical["timeUnit"]) for number in ticks))
    return _both(*map(from_milliseconds, ticks)) if logical.get("Type") in {"None", "Int"} else None


def _day_bounds(low: bytes, high: bytes) -> Bounds | None:
    """ISO texts of one year are in order by day; zones and fractions break the order below that."""
    days = _both(*(instant(text[:10].decode("ascii", "replace")) for text in (low, high)))
    return None if days is None else (days[0] - timedelta(days=1), days[1] + timedelta(days=2))


def _both(low: datetime | None, high: datetime | None) -> Bounds | None:
    return None if low is None or high is None else (low, high)


def named_for_receipt(partitions: Mapping[str, str]) -> bool:
    """Whether folders are those of Segment's data lakes (``segment_type=…/day=…/hr=…``): by when Segment received.

    Folders of any other names may be called for anything, such as the day of the event (``date=2026-11-01``).
    """
    return list(partitions)[-3:] == ["segment_type", "day", "hr"]


def partition_outside(partitions: Mapping[str, str], window: Window) -> bool:
    """Whether the folders (``day=2026-11-01/hr=07``, ``year=2026/month=11/day=1``) exclude ``window``."""
    since = partition_start(partitions)
    try:
        length = timedelta(hours=1 if {"hr", "hour"} & set(partitions) else 24)
        return since is not None and surely_outside(since, since + length, window)
    except OverflowError:
        return False  # a folder of that name with something else in it


def surely_outside(since: datetime, until: datetime, window: Window) -> bool:
    """Whether ``[since, until)``, as the name of a folder tells it, lies outside, whatever zone was meant."""
    return until + _PARTITION_MARGIN <= window.since or since - _PARTITION_MARGIN >= window.until


def partition_start(partitions: Mapping[str, str]) -> datetime | None:
    """The hour or day that the folders are named for; None if they are not, or something else is in their names."""
    day = next((partitions[key] for key in ("day", "date", "dt") if "-" in partitions.get(key, "")), None)
    if day is None and {"year", "month", "day"} <= set(partitions):
        day = f"{partitions['year']}-{partitions['month']:0>2}-{partitions['day']:0>2}"
    if day is None:
        return None
    try:
        hour = int(partitions.get("hr", partitions.get("hour", "0")))
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(hours=hour)
    except (ValueError, OverflowError):
        return None


def newest_bound(groups: Sequence[RowGroup]) -> datetime | None:
    """The newest cursor of row groups; None if one of them does not tell its own, or there are no rows."""
    bounds = [group.bounds for group in groups if group.rows]
    return None if None in bounds else max((bound[1] for bound in bounds if bound), default=None)
