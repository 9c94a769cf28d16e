"""The rows of the sent log on their way into the database and out of it: frames ↔ what drivers take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from etl.core.ids import key_words
from etl.state.schema import labels, sent_log, take_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

SAME = ("segment", "run", "sent_at")
COLUMNS = ("transaction_id", "subscription", "customer_id", "event_type", "event_time")
INTO = f"{sent_log.name} ({', '.join((*SAME, 'number', 'digest', *COLUMNS))})"

# Neither database keeps every string that JSON can hold: PostgreSQL no U+0000, none of them half a surrogate pair.
# Such a text is kept as this mark (which no sensible text begins with) and its ASCII JSON.
_ESCAPED = "\ufdd0"
_BEYOND_ASCII = 0x80


def storable(text: str) -> str:
    """``text`` as both databases can keep it; different texts stay different."""
    if text.startswith(_ESCAPED) or "\0" in text or _has_surrogate(text):
        return _ESCAPED + json.dumps(text)
    return text


def restored(text: str) -> str:
    """What ``storable`` was given."""
    return str(json.loads(text[1:])) if text.startswith(_ESCAPED) else text


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def texts(column: pd.Series) -> list[str | None]:
    """The texts of a column as they are stored."""
    return listed(stored(column))


def stored(column: pd.Series) -> pa.StringArray:
    """The texts of a column as they are stored."""
    if isinstance(column.dtype, pd.ArrowDtype):
        array = combined(column)
        if not _may_need_escape(array):
            return array
    values = [storable(value) if isinstance(value, str) else None for value in column]
    return pa.array(values, pa.string())


def listed(array: pa.Array) -> list[Any]:
    """The values of an array of texts or whole numbers, None where there is none."""
    as_is = pa.types.is_string(array.type) or not array.null_count
    values: list[Any] = array.to_numpy(zero_copy_only=False).tolist() if as_is else array.to_pylist()
    return values


def combined(column: pd.Series) -> pa.Array:
    """The Arrow array of a column of texts, in one piece."""
    array = pa.array(column, pa.string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _may_need_escape(array: pa.StringArray) -> bool:
    """Whether any of the texts may; a look at their bytes in one piece."""
    buffer = array.buffers()[2]
    if not buffer:
        return False
    content = np.frombuffer(buffer, np.uint8)
    if content.min() > 0 and content.max() < _BEYOND_ASCII:
        return False
    return any(mark in buffer.to_pybytes() for mark in (b"\0", _ESCAPED.encode()))


def binaries(column: pd.Series) -> list[bytes]:
    """A ``binary[16]`` column as bytes."""
    found: list[bytes] = key_words(column).view("V16").ravel().tolist()
    return found


def event_times(column: pd.Series) -> pa.Int64Array:
    """Microseconds since 1970 of RFC 3339 texts; None for what Arrow cannot read as a time."""
    array = combined(column)
    try:
        stamps = array.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return pa.array([_event_time(text) for text in array.to_pylist()], pa.int64())
    return stamps.cast(pa.int64())


def _event_time(text: str | None) -> int | None:
    try:
        value: int | None = pa.scalar(text, pa.string()).cast(pa.timestamp("us", "UTC")).value
    except pa.ArrowInvalid:
        return None
    return value


class Labels:
    """Small numbers for texts that repeat. What a transaction adds is known only once it was committed."""

    #: A mapping gone wrong can make every event type a new one; memory stays bounded all the same.
    _MOST = 50_000

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._added: dict[str, int] = {}

    def of(self, connection: sa.Connection, column: pd.Series) -> pa.Int64Array:
        """The label of every text of ``column``, null where there is none."""
        encoded = pc.dictionary_encode(combined(column))
        distinct = [storable(text) for text in encoded.dictionary.to_pylist()]
        known = {**self._known, **self._added}
        missing = [text for text in distinct if text not in known]
        if missing:
            known |= self._look_up_or_add(connection, missing)
        return pa.array([known[text] for text in distinct], pa.int64()).take(encoded.indices)

    def _look_up_or_add(self, connection: sa.Connection, missing: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for start in range(0, len(missing), 500):
            rows = connection.execute(
                sa.select(labels).where(labels.c.text.in_(missing[start : start + 500]))
            )
            found |= {row.text: row.label for row in rows}
        new = [text for text in missing if text not in found]
        if new:
            first = take_numbers(connection, "label", len(new))
            added = {text: first + i for i, text in enumerate(new)}
            connection.execute(labels.insert(), [{"label": n, "text": t} for t, n in added.items()])
            found |= added
        self._added |= found
        return found

    def committed(self) -> None:
        """What was added is there to stay."""
        self._known |= self._added
        self._added = {}
        if len(self._known) > self._MOST:
            self._known = {}

    def rolled_back(self) -> None:
        """What was added is not there."""
        self._added = {}


def series(values: Sequence[str]) -> pd.Series:
    """A plain column of texts."""
    return pd.Series(list(values), dtype=object)
