"""Parquet files opened: what cannot be read exactly, or would end the process, is refused with a reason.

Whoever asks pyarrow for a column's metadata in a broken footer, or an encrypted one, ends the process: the C++ below
throws what nothing catches. So statistics are read here, from the footer's bytes, and pyarrow is asked for the schema
and for rows alone, where its errors are errors.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl.core.errors import SourceError
from etl.core.stored import refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from etl.sources.files import File

#: The physical types by their numbers (Apache Parquet, parquet.thrift).
_PHYSICAL = (
    "BOOLEAN",
    "INT32",
    "INT64",
    "INT96",
    "FLOAT",
    "DOUBLE",
    "BYTE_ARRAY",
    "FIXED_LEN_BYTE_ARRAY",
)

#: Parquet's annotations that Arrow has no type for, and so reads as bare bytes.
_BARE_BYTES = ("Interval", "BSON", "Geometry", "Geography")


@dataclass(frozen=True)
class Statistics:
    """Of a column in a row group: its smallest and largest value as they are stored, and how many are null."""

    low: bytes | None
    high: bytes | None
    nulls: int | None


#: Of each row group, in order: its rows, its decoded bytes, the statistics of its columns.
Footer = list[tuple[int, int, list[Statistics]]]


@contextmanager
def opened(file: File) -> Iterator[tuple[pq.ParquetFile, Footer]]:
    """The file, and its footer as far as it is asked for; raises ``SourceError`` for one broken or encrypted."""
    times = {
        "coerce_int96_timestamp_unit": "us"
    }  # INT96 holds times beyond those that 64 bits of nanoseconds do
    try:
        if file.local:
            parquet = pq.ParquetFile(file.path, pre_buffer=False, **times)
        else:
            parquet = pq.ParquetFile(file.path, filesystem=file.filesystem, **times)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise unreadable(file, str(error)) from error
    with parquet:
        yield parquet, _footer(file, parquet)


def unreadable(file: File, reason: str) -> SourceError:
    """What to raise where a file cannot be read."""
    reason = reason.partition("\n")[0].rstrip(".")
    return SourceError(
        f"{file.name} cannot be read as Parquet: {reason}. Replace the file or take it out of source.path, "
        f"then run again; nothing of the window is marked complete."
    )


def refuse_doubled(file: File, schema: pa.Schema) -> None:
    """Raises ``SourceError`` if two columns have one name: nothing says which of them is meant."""
    if len(set(schema.names)) < len(schema.names) and (reason := refusal(schema)):
        raise SourceError(f"{file.name} {reason}; nothing of the window is marked complete.")


def refuse_columns(file: File, parquet: pq.ParquetFile, columns: Collection[str]) -> None:
    """Raises ``SourceError`` if one of ``columns`` (dotted where part of a struct) has no exact form in JSON."""
    tops = {column.partition(".")[0] for column in columns}
    reason = refusal(field for field in parquet.schema_arrow if field.name in tops)
    if reason is None:
        reason = next(_bare_bytes(parquet.schema, columns), None)
    if reason is not None:
        raise SourceError(f"{file.name} {reason}; nothing of the window is marked complete.")


def _bare_bytes(schema: pq.ParquetSchema, columns: Collection[str]) -> Iterator[str]:
    read = tuple(f"{column}." for column in columns)
    for number in range(len(schema)):
        leaf = schema.column(number)
        if leaf.physical_type not in {"BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"}:
            continue
        name = str(leaf.logical_type).partition("(")[0]
        if (name in _BARE_BYTES or leaf.converted_type == "BSON") and f"{leaf.path}.".startswith(read):
            yield f"has the column {leaf.path!r} of type {name.upper()}: write it as text, or leave it out of the mapping"


# ---------------------------------------------------------------------------------------------- footers


def _footer(file: File, parquet: pq.ParquetFile) -> Footer:
    schema = parquet.schema
    types = [_PHYSICAL.index(schema.column(number).physical_type) for number in range(len(schema))]
    try:
        groups = _struct(_stored(file), 0, _FILE)[0].get(_ROW_GROUPS, [])
        chunks = [chunk for group in groups for chunk in group.get(_COLUMNS, [])]
        if any(_ENCRYPTED.intersection(chunk) for chunk in chunks):
            raise unreadable(file, "columns of it are encrypted")
        footer = [(group[_ROWS], group[_SIZE], [_statistics(c) for c in group[_COLUMNS]]) for group in groups]
    except (OSError, pa.ArrowException) as error:
        raise unreadable(file, str(error)) from error
    except (LookupError, ValueError, RecursionError) as error:
        raise unreadable(file, "its footer is broken") from error
    held = [[chunk.get(_META, {}).get(_TYPE) for chunk in group[_COLUMNS]] for group in groups]
    if len(held) != parquet.num_row_groups or any(group != types for group in held):
        raise unreadable(file, "its footer contradicts itself")
    return footer


def _stored(file: File) -> bytes:
    """The footer's bytes."""
    with file.filesystem.open_input_file(file.path) as stored:
        size = stored.size()
        stored.seek(max(size - 8, 0))
        length = int.from_bytes(stored.read(4), "little")
        stored.seek(max(size - 8 - length, 0))
        found: bytes = stored.read(length)
    return found


def _statistics(chunk: Mapping[int, Any]) -> Statistics:
    """Writers of old knew but one order, under other numbers: right for integers, which are all that is asked for."""
    held = chunk[_META].get(_STATISTICS, {})
    return Statistics(
        held.get(_LOW, held.get(_OLD_LOW)), held.get(_HIGH, held.get(_OLD_HIGH)), held.get(_NULLS)
    )


# What follows reads just that much of Thrift's compact protocol: a struct is read as its fields that are asked for, by
# number. Every reader takes the bytes and a position, and gives what it read and the position after it.

_Reader = Callable[[bytes, int, int], tuple[Any, int]]


def _struct(data: bytes, at: int, readers: Mapping[int, _Reader]) -> tuple[dict[int, Any], int]:
    found: dict[int, Any] = {}
    number = 0
    while head := data[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            zigzag, at = _varint(data, at)
            number = zigzag >> 1
        if number in readers:
            found[number], at = readers[number](data, at, head & 15)
        else:
            at = _past(data, at, head & 15)
    return found, at + 1


def _structs(readers: Mapping[int, _Reader]) -> _Reader:
    """A list of structs."""

    def read(data: bytes, at: int, _kind: int) -> tuple[list[dict[int, Any]], int]:
        count, _, at = _list(data, at)
        found = []
        for _ in range(count):
            item, at = _struct(data, at, readers)
            found.append(item)
        return found, at

    return read


def _list(data: bytes, at: int) -> tuple[int, int, int]:
    """How many items, of which kind, and where the first begins."""
    head = data[at]
    count, at = (head >> 4, at + 1) if head >> 4 < 15 else _varint(data, at + 1)
    return count, head & 15, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[at]) > 127:
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
    return value | byte << shift, at + 1


def _past(data: bytes, at: int, kind: int) -> int:
    """The position after a value of a kind."""
    if 4 <= kind <= 6:  # integers
        while data[at] > 127:
            at += 1
        return at + 1
    if kind == 8:  # bytes
        length, at = _varint(data, at)
        return at + length
    if kind == 12:
        while head := data[at]:
            at = _past(data, at + 1 if head >> 4 else _varint(data, at + 1)[1], head & 15)
        return at + 1
    if kind in {9, 10}:
        return _past_items(data, at)
    if kind not in _WIDTHS:
        raise ValueError(kind)
    return at + _WIDTHS[kind]


#: Booleans, whose kind is their value, a byte and a double.
_WIDTHS = {1: 0, 2: 0, 3: 1, 7: 8}


def _past_items(data: bytes, at: int) -> int:
    count, kind, at = _list(data, at)
    if kind in {1, 2}:
        return at + count  # booleans in lists take a byte each
    for _ in range(count):
        at = _past(data, at, kind)
        data[at]  # a list that is longer than the footer ends here
    return at


def _integer(data: bytes, at: int, _kind: int) -> tuple[int, int]:
    zigzag, at = _varint(data, at)
    return zigzag >> 1 if not zigzag & 1 else -(zigzag >> 1) - 1, at


def _bytes(data: bytes, at: int, _kind: int) -> tuple[bytes, int]:
    length, at = _varint(data, at)
    return data[at : at + length], at + length


#: The numbers of fields (Apache Parquet, parquet.thrift): FileMetaData.row_groups; RowGroup.columns, .total_byte_size
#: and .num_rows; ColumnChunk.meta_data, .crypto_metadata and .encrypted_column_metadata; ColumnMetaData.type and
#: .statistics; Statistics.null_count, .min_value, .max_value, and .min and .max of old.
_ROW_GROUPS = 4
_COLUMNS, _SIZE, _ROWS = 1, 2, 3
_META, _ENCRYPTED = 3, {8, 9}
_TYPE, _STATISTICS = 1, 12
_NULLS, _LOW, _HIGH, _OLD_LOW, _OLD_HIGH = 3, 6, 5, 2, 1


def _of(readers: Mapping[int, _Reader]) -> _Reader:
    return lambda data, at, _: _struct(data, at, readers)


_VALUES: dict[int, _Reader] = {_NULLS: _integer, **dict.fromkeys((_LOW, _HIGH, _OLD_LOW, _OLD_HIGH), _bytes)}
_CHUNK: dict[int, _Reader] = {
    _META: _of({_TYPE: _integer, _STATISTICS: _of(_VALUES)}),
    **dict.fromkeys(_ENCRYPTED, lambda data, at, kind: (True, _past(data, at, kind))),
}
_GROUP: dict[int, _Reader] = {_COLUMNS: _structs(_CHUNK), _SIZE: _integer, _ROWS: _integer}
_FILE: dict[int, _Reader] = {_ROW_GROUPS: _structs(_GROUP)}
