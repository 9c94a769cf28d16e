"""Cursor columns as instants: what windows are cut on, whatever type the storage keeps it in."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from etl.core.errors import ConfigError
from etl.core.layouts import DEFAULT_CURSOR, find_column
from etl.core.stored import beyond

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.core.layouts import Layout
    from etl.core.windows import Window

#: The type of every cursor column handed on.
INSTANT = pa.timestamp("us", "UTC")

_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Between these, a cursor's number is in milliseconds; seconds, microseconds and nanoseconds lie far outside.
EPOCH_YEARS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

_MILLISECONDS = re.compile(r"\d{12,13}")
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?\s?(?:Z|UTC|[+-]\d\d(?::?\d\d)?)?)?", re.IGNORECASE
)


def find_cursor(cursor: str | None, names: Sequence[str], layout: Layout, where: str) -> str:
    """The column that is the cursor, as the table spells it. Raises ``ConfigError`` when there is none."""
    asked = cursor or DEFAULT_CURSOR[layout]
    found = find_column(asked, names)
    if found is None:
        raise no_cursor(asked, names, where)
    return found


def no_cursor(asked: str, names: Sequence[str], where: str) -> ConfigError:
    """What to raise where nothing is called ``asked``: names what there is, the likeliest first."""
    return ConfigError(
        f"{where} has no column {asked!r} to cut windows on; it has {', '.join(_nearest(asked, names))}. "
        f"Set source.cursor to the column that says when Segment received the event."
    )


def _nearest(asked: str, names: Sequence[str]) -> list[str]:
    def distance(name: str) -> float:
        return -difflib.SequenceMatcher(None, asked.lower(), name.lower()).ratio()

    return sorted(names, key=distance)


def check_cursor_type(held: pa.DataType, name: str, where: str) -> None:
    """Raises ``ConfigError`` for a type that tells no instant: anything but those of ``instants``."""
    known = (pa.types.is_timestamp, pa.types.is_date, pa.types.is_null, pa.types.is_integer, is_text)
    if not any(is_such(held) for is_such in known):
        raise ConfigError(
            f"the cursor column {name!r} of {where} has the type {held}; source.cursor has to name a timestamp "
            f"column, or one of ISO 8601 text or of epoch milliseconds."
        )


def is_text(held: pa.DataType) -> bool:
    """Whether cells are strings, in any of Arrow's encodings of them."""
    return bool(
        pa.types.is_string(held)
        or pa.types.is_large_string(held)
        or pa.types.is_string_view(held)
        or (pa.types.is_dictionary(held) and is_text(held.value_type))
    )


def instants(column: pa.Array) -> pa.Array:
    """``column`` as ``timestamp[us, UTC]``; null where it is null or tells no instant.

    Timestamps and dates of the years 1 to 9999 in any unit (finer ones are cut to microseconds) and any zone;
    without a zone it is UTC (as Segment's ``loaded_at`` is documented). ISO 8601 text. Integers are epoch milliseconds.
    """
    if is_text(column.type):
        return _parsed(column)
    if pa.types.is_integer(column.type):
        return _from_epoch(column)
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        return rescaled(column, None)
    return pc.cast(column, INSTANT)


#: What no reader takes for a time.
NO_TIME = 2**63 - 1


def rescaled(column: pa.Array, outside: int | None = NO_TIME) -> pa.Array:
    """Timestamps or dates as ``timestamp[us, UTC]``; ``outside`` in place of those beyond the years 1 to 9999.

    The zone is but a label, and not every writer's (``utc``, ``GMT+2``) is one that Arrow knows.
    """
    mask = beyond(column)
    if mask is not None:
        column = pc.if_else(pa.array(mask), pa.scalar(None, column.type), column)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64()).cast(pa.timestamp(column.type.unit))
    found = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), INSTANT)
    return found if mask is None or outside is None else pc.if_else(pa.array(mask), _ticks(outside), found)


def _ticks(number: int) -> pa.Scalar:
    return pa.scalar(number, pa.int64()).cast(INSTANT)


def _from_epoch(column: pa.Array) -> pa.Array:
    """Epoch milliseconds; a number that would be another century's is in another unit, and tells no instant."""
    first, after = (int(moment.timestamp()) * 1000 for moment in EPOCH_YEARS)
    known = pc.and_(pc.greater_equal(column, first), pc.less(column, after))
    milliseconds = pc.cast(pc.if_else(known, column, None), pa.int64())
    return pc.cast(pc.cast(milliseconds, pa.timestamp("ms")), INSTANT)


def _parsed(column: pa.Array) -> pa.Array:
    text = pc.cast(column, pa.string())
    try:
        return pc.cast(text, INSTANT)
    except pa.ArrowInvalid:  # Arrow refuses the whole column for one cell without a zone
        return pa.array([instant(cell) for cell in text.to_pylist()], INSTANT)


def instant(text: str | None) -> datetime | None:
    """The instant an ISO 8601 text tells, UTC if it names no zone, or a number of milliseconds; None if none."""
    if text is None or not _ISO.fullmatch(text.strip()):
        return from_milliseconds(int(text)) if text and _MILLISECONDS.fullmatch(text.strip()) else None
    plain = re.sub(r"\s?UTC$", "Z", text.strip(), flags=re.IGNORECASE)
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", plain).upper())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def from_milliseconds(number: int) -> datetime | None:
    """The instant ``number`` milliseconds after the epoch, if it can be one (``EPOCH_YEARS``)."""
    moment = from_ticks(number, "milliseconds")
    return moment if moment and EPOCH_YEARS[0] <= moment < EPOCH_YEARS[1] else None


def inside(cursor: pa.Array, window: Window) -> pa.Array:
    """Whether each instant lies in ``window``; null where there is none."""
    since, until = (pa.scalar(moment, INSTANT) for moment in (window.since, window.until))
    return pc.and_(pc.greater_equal(cursor, since), pc.less(cursor, until))


def from_ticks(number: int, unit: str) -> datetime | None:
    """The instant ``number`` ticks after the epoch; ``unit`` in Parquet's words (``milliseconds``)."""
    ticks = _TICKS[{"milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}[unit]]
    try:
        return _EPOCH + timedelta(microseconds=number * 10**6 // ticks)
    except OverflowError:
        return None
