"""Which sample events there are: made column by column with numpy, a million in a few seconds.

The same events in the encodings that exports use: structs, string maps, JSON text, and warehouse columns.

Sample events as files, laid out as Segment's exports and destinations lay them out.

Sample track events, the same for the same seed: for the demo, for tests and for benchmarks.

``SampleEvents`` says which events; ``write_parquet``, ``write_flat_parquet`` and ``write_logs`` write them as the
exports that the sources read.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


Encoding = Literal["struct", "map", "json"]
_OBJECTS = ("context", "properties")
_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_WAREHOUSE_NAMES = {"messageId": "id", "event": "event_text"}


def encoded(table: pa.Table, encoding: Encoding, *, strings: bool = False) -> pa.Table:
    """``table`` with ``context`` and ``properties`` as ``struct``, ``map<string, string>`` or ``json`` text.

    With ``strings`` every property becomes its text first (an object its JSON), as a map has to: then the three
    encodings hold the same values. Null fields of a struct are absent from maps and JSON.
    """
    for name in _OBJECTS:
        index, objects = table.schema.get_field_index(name), table[name].combine_chunks()
        if strings or encoding == "map":
            objects = _as_texts(objects)
        if encoding != "struct":
            objects = _map(objects) if encoding == "map" else json_text(objects)
        table = table.set_column(index, name, objects)
    return table


def flattened(table: pa.Table) -> pa.Table:
    """The track events of ``table`` in warehouse columns: ``id``, ``context_group_id``, ``job_id``.

    ``event`` holds the event's slug, ``event_text`` its name; objects in properties are spread over columns (``meta_zone``).
    """
    table = table.filter(pc.equal(table["type"], "track")).drop_columns(["type"])
    columns: dict[str, pa.Array] = {"event": table["event"]}
    for name in table.column_names:
        column = table[name].combine_chunks()
        prefix = "" if name == "properties" else _WAREHOUSE_NAMES.get(name, _snake(name))
        columns |= _spread(prefix, column)
    return pa.table(columns)


def _spread(name: str, column: pa.Array) -> dict[str, pa.Array]:
    if not pa.types.is_struct(column.type):
        return {name: column}
    spread: dict[str, pa.Array] = {}
    for field, values in zip(column.type, column.flatten(), strict=True):
        spread |= _spread("_".join(filter(None, (name, _snake(field.name)))), values)
    return spread


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _as_texts(objects: pa.StructArray) -> pa.StructArray:
    fields = zip(objects.type, objects.flatten(), strict=True)
    texts = {field.name: _plain_text(values) for field, values in fields}
    return pa.StructArray.from_arrays(list(texts.values()), names=list(texts), mask=pc.is_null(objects))


def _plain_text(values: pa.Array) -> pa.Array:
    return json_text(values) if pa.types.is_struct(values.type) else values.cast(pa.string())


def _map(objects: pa.StructArray) -> pa.MapArray:
    """Structs of strings as maps: entry by entry, row by row, without the null ones."""
    width, size = objects.type.num_fields, len(objects)
    names = pa.array([field.name for field in objects.type])
    by_row = np.arange(width * size).reshape(width, size).T.ravel()
    values = pa.concat_arrays(objects.flatten()).take(pa.array(by_row))
    keys = names.take(pa.array(np.tile(np.arange(width), size)))
    present = np.asarray(pc.is_valid(values))
    offsets = np.concatenate(([0], present.reshape(size, width).sum(axis=1).cumsum())).astype(np.int32)
    return pa.MapArray.from_arrays(
        pa.array(offsets), keys.filter(present), values.filter(present), mask=pc.is_null(objects)
    )


def json_text(values: pa.Array) -> pa.Array:
    """Each value as JSON text (string); null fields of structs are left out, a null value stays null."""
    kind = values.type
    if pa.types.is_struct(kind):
        return _object_text(values)
    if pa.types.is_timestamp(kind):
        texts = pc.binary_replace_slice(values.cast(pa.string()), 10, 11, "T")
        return pc.binary_join_element_wise('"', texts, '"', "")
    if pa.types.is_string(kind):
        return pc.binary_join_element_wise('"', _escaped(values), '"', "")
    return values.cast(pa.string())


def _object_text(objects: pa.StructArray) -> pa.Array:
    members = []
    for field, values in zip(objects.type, objects.flatten(), strict=True):
        member = pc.binary_join_element_wise(f'"{field.name}":', json_text(values), ",", "")
        members.append(member.fill_null(""))
    inside = pc.ascii_rtrim(pc.binary_join_element_wise(*members, ""), characters=",")
    texts = pc.binary_join_element_wise("{", inside, "}", "")
    return pc.if_else(pc.is_valid(objects), texts, pa.scalar(None, pa.string()))


def _escaped(texts: pa.Array) -> pa.Array:
    for character, escape in _ESCAPES:
        texts = pc.replace_substring(texts, pattern=character, replacement=escape)
    return texts


PIECE = 100_000
_TIME = pa.timestamp("ms", "UTC")
_MS_PER_DAY = 86_400_000

_EVENTS = pa.array(["api_request", "job_completed", "gpu_seconds", "storage_snapshot", "seat_added"])
_ACTIONS = pa.array(["create", "read", "update", "delete"])
_AWKWARD_ACTIONS = pa.array(['say "hi"', "back\\slash", "tab\tand\nline", "naïve 🚀 日本"])
_REGIONS = pa.array(["eu-west-1", "us-east-1", "ap-south-1"])
_ZONES = pa.array(["a", "b", "c"])
_LOCALES = pa.array(["en-GB", "de-DE", "ja-JP"])
_GROUPS = pa.array([f"acct_{number:04d}" for number in range(500)])
_USERS = pa.array([f"user_{number:05d}" for number in range(2000)])


@dataclass(frozen=True)
class SampleEvents:
    """``count`` rows received evenly over ``days`` days from ``start``, in order of ``receivedAt``.

    95 % are track events, the others identify and page calls; one in ten rows has no ``userId``, one in fifty no
    ``bytes``. With ``awkward``, one in a hundred rows is without ``context.groupId``, one in a hundred is an
    earlier event delivered again (same ``messageId``, later ``receivedAt``), and one in a hundred has an
    ``action`` that JSON must escape.
    """

    count: int
    seed: int = 1
    start: datetime = datetime(2026, 11, 1, tzinfo=UTC)
    days: float = 1
    awkward: bool = False

    def pieces(self) -> Iterator[pa.Table]:
        """The events in tables of up to 100,000 rows.

        Columns as Segment has them: ``type``, ``event``, ``messageId``, ``userId``, ``anonymousId`` (string),
        ``timestamp``, ``originalTimestamp``, ``sentAt``, ``receivedAt`` (``timestamp[ms, UTC]``), ``context`` and
        ``properties`` (struct; eight properties of six types, one of them an object).
        """
        for first in range(0, self.count, PIECE):
            rng = np.random.default_rng([self.seed, first])
            yield self._piece(rng, first, min(PIECE, self.count - first))

    def table(self) -> pa.Table:
        """All the events in one table."""
        return pa.concat_tables(self.pieces()).combine_chunks()

    def _piece(self, rng: np.random.Generator, first: int, size: int) -> pa.Table:
        received = self._received(rng, first, size)
        kinds = rng.choice(3, size, p=[0.95, 0.03, 0.02])
        table = pa.table(
            {
                "type": pa.array(["track", "identify", "page"]).take(pa.array(kinds)),
                "event": _blank(_drawn(rng, _EVENTS, size), kinds > 0),
                "messageId": _joined("ajs-next-", _hex(rng, size)),
                "userId": _blank(_drawn(rng, _USERS, size), rng.random(size) < 0.1),
                "anonymousId": _hex(rng, size),
                **_times(rng, received),
                "context": self._context(rng, size),
                "properties": _blank(self._properties(rng, size), kinds == 1),
            }
        )
        return _delivered_again(rng, table) if self.awkward else table

    def _received(self, rng: np.random.Generator, first: int, size: int) -> np.ndarray:
        start = int(self.start.timestamp() * 1000)
        step = self.days * _MS_PER_DAY / self.count
        return start + ((first + np.arange(size) + rng.random(size)) * step).astype(np.int64)

    def _context(self, rng: np.random.Generator, size: int) -> pa.StructArray:
        groups = _drawn(rng, _GROUPS, size)
        if self.awkward:
            groups = _blank(groups, rng.random(size) < 0.01)
        address = _joined("203.0.113.", _text(rng.integers(1, 255, size)))
        return _struct(groupId=groups, ip=address, locale=_drawn(rng, _LOCALES, size))

    def _properties(self, rng: np.random.Generator, size: int) -> pa.StructArray:
        actions = _drawn(rng, _ACTIONS, size)
        if self.awkward:
            rare = pa.array(rng.random(size) < 0.01)
            actions = pc.if_else(rare, _drawn(rng, _AWKWARD_ACTIONS, size), actions)
        return _struct(
            action=actions,
            bytes=_blank(pa.array(rng.integers(1, 2**40, size)), rng.random(size) < 0.02),
            cached=pa.array(rng.random(size) < 0.3),
            cost=_cost(rng, size),
            duration_ms=pa.array(rng.integers(1, 4_000_000, size) / 1000),
            jobId=_joined("job_", _text(rng.integers(0, 10**12, size))),
            meta=_struct(attempt=pa.array(rng.integers(1, 5, size)), zone=_drawn(rng, _ZONES, size)),
            region=_drawn(rng, _REGIONS, size),
        )


def _times(rng: np.random.Generator, received: np.ndarray) -> dict[str, pa.Array]:
    size = len(received)
    sent = received - rng.integers(20, 2_000, size)
    waited = rng.integers(0, 30_000, size)
    # timestamp = receivedAt - (sentAt - originalTimestamp), as Segment corrects the clock of the device.
    times = {
        "timestamp": received - waited,
        "originalTimestamp": sent - waited,
        "sentAt": sent,
        "receivedAt": received,
    }
    return {name: pa.array(values, _TIME) for name, values in times.items()}


def _delivered_again(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    rows = np.arange(len(table))
    again = (rng.random(len(table)) < 0.01) & (rows > 0)
    earlier = np.where(again, rows - rng.integers(1, 100, len(table)), rows).clip(0)
    index = table.schema.get_field_index("receivedAt")
    return table.take(pa.array(earlier)).set_column(index, "receivedAt", table["receivedAt"])


def _cost(rng: np.random.Generator, size: int) -> pa.Array:
    # The last digit is never 0, so that the digits are the same as decimal(12, 4) and as JSON number.
    ticks = rng.integers(0, 10**6, size) * 10 + rng.integers(1, 10, size)
    step = pa.scalar(Decimal("0.0001"), pa.decimal128(5, 4))
    return pc.multiply(pa.array(ticks).cast(pa.decimal128(19, 0)), step).cast(pa.decimal128(12, 4))


def _drawn(rng: np.random.Generator, values: pa.Array, size: int) -> pa.Array:
    return values.take(pa.array(rng.integers(0, len(values), size)))


def _blank(values: pa.Array, absent: np.ndarray) -> pa.Array:
    return pc.if_else(pa.array(absent), pa.scalar(None, values.type), values)


def _text(numbers: np.ndarray) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _hex(rng: np.random.Generator, size: int) -> pa.Array:
    digits = rng.bytes(16 * size).hex().encode()
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), size, [None, pa.py_buffer(digits)])
    return fixed.cast(pa.binary()).cast(pa.string())


def _joined(prefix: str, texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(prefix, texts, "")


def _struct(**fields: pa.Array) -> pa.StructArray:
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields))


def write_parquet(
    path: Path,
    events: SampleEvents | pa.Table | int,
    *,
    encoding: Encoding = "struct",
    strings: bool = False,
    by_day: bool = False,
) -> list[Path]:
    """Write nested, camelCase events; the files written.

    ``path`` is a file if it ends in ``.parquet``, else a folder. ``by_day`` makes Hive partitions ``day=`` of the
    day received. ``encoding`` and ``strings``: see ``encoded``. ``events`` may be a plain count.
    """
    return _write(path, events, by_day, lambda table: encoded(table, encoding, strings=strings))


def write_flat_parquet(
    path: Path, events: SampleEvents | pa.Table | int, *, by_day: bool = False
) -> list[Path]:
    """Write the track events in warehouse columns; otherwise as ``write_parquet``."""
    return _write(path, events, by_day, flattened)


def write_logs(
    path: Path, events: SampleEvents | pa.Table | int, *, source: str = "demoSource", lines: int = 20_000
) -> list[Path]:
    """Write gzipped JSON lines as Segment's S3 destination does; the files written.

    ``path``/segment-logs/``source``/<day received, in ms since 1970>/*.gz, of at most ``lines`` events each.
    """
    written = []
    for number, piece in enumerate(_pieces(events)):
        for day, part in _days(piece):
            folder = path / "segment-logs" / source / str(day * _MS_PER_DAY)
            folder.mkdir(parents=True, exist_ok=True)
            for first in range(0, len(part), lines):
                file = folder / f"{number:06d}-{first:06d}.gz"
                _write_lines(file, part.slice(first, lines))
                written.append(file)
    return written


def _write_lines(file: Path, part: pa.Table) -> None:
    texts = json_text(part.combine_chunks().to_struct_array().combine_chunks())
    content = "".join(f"{text}\n" for text in texts.to_pylist()).encode()
    file.write_bytes(gzip.compress(content, compresslevel=1, mtime=0))


def _write(
    path: Path, events: SampleEvents | pa.Table | int, by_day: bool, shape: Callable[[pa.Table], pa.Table]
) -> list[Path]:
    writers: dict[Path, pq.ParquetWriter] = {}
    try:
        for file, part in _parts(path, events, by_day):
            shaped = shape(part)
            if file not in writers:
                file.parent.mkdir(parents=True, exist_ok=True)
                writers[file] = pq.ParquetWriter(file, shaped.schema, compression="zstd")
            writers[file].write_table(shaped)
    finally:
        for writer in writers.values():
            writer.close()
    return list(writers)


def _parts(
    path: Path, events: SampleEvents | pa.Table | int, by_day: bool
) -> Iterator[tuple[Path, pa.Table]]:
    for piece in _pieces(events):
        if not by_day:
            yield path if path.suffix == ".parquet" else path / "part-00000.parquet", piece
            continue
        for day, part in _days(piece):
            name = datetime.fromtimestamp(day * _MS_PER_DAY / 1000, UTC).date().isoformat()
            yield path / f"day={name}" / "part-00000.parquet", part


def _pieces(events: SampleEvents | pa.Table | int) -> Iterable[pa.Table]:
    if isinstance(events, pa.Table):
        return [events]
    return (SampleEvents(events) if isinstance(events, int) else events).pieces()


def _days(piece: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each day received, with the day's number since 1970."""
    received = piece["receivedAt"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64())
    days = np.asarray(received) // _MS_PER_DAY
    for day in np.unique(days):
        yield int(day), piece.filter(pa.array(days == day))


__all__ = [
    "Encoding",
    "SampleEvents",
    "encoded",
    "flattened",
    "json_text",
    "write_flat_parquet",
    "write_logs",
    "write_parquet",
]
