"""Sample events as files, laid out as Segment's exports and destinations lay them out."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from etl.samples.encodings import Encoding, encoded, flattened, json_text
from etl.samples.events import SampleEvents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_MS_PER_DAY = 86_400_000


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
