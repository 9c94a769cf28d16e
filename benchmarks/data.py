"""The events that are benchmarked: made once under ``benchmarks/data``, the same for the same seed."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.standin.samples import SampleEvents, write_parquet

if TYPE_CHECKING:
    from etl.standin.samples import Encoding

FOLDER = Path(__file__).parent / "data"
#: Metronome takes events of the last 34 days, so data made long ago is made anew.
_FRESH = timedelta(days=20)


@dataclass(frozen=True)
class Data:
    """``path``: a folder of Parquet; ``rows``: of any type; ``tracks``: track events among them."""

    path: Path
    rows: int
    tracks: int
    since: datetime
    until: datetime

    @property
    def file(self) -> Path:
        """The only file."""
        return self.path / "part-00000.parquet"


def events(rows: int, encoding: Encoding = "struct", *, properties: int = 8) -> Data:
    """Sample events: eight properties (one of them an object), or more, the others being whole numbers."""
    path = FOLDER / (f"{encoding}-{rows}" + ("" if properties == 8 else f"-{properties}"))
    meta = path / "meta.json"
    if not _fresh(meta):
        shutil.rmtree(path, ignore_errors=True)
        start = _midnight() - timedelta(days=2)
        tracks = _write(path, SampleEvents(rows, start=start), encoding, properties)
        meta.write_text(json.dumps({"start": start.isoformat(), "tracks": tracks}))
    known = json.loads(meta.read_text())
    start = datetime.fromisoformat(known["start"])
    return Data(path, rows, known["tracks"], start, start + timedelta(days=1))


def _midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _fresh(meta: Path) -> bool:
    if not meta.exists():
        return False
    return datetime.now(UTC) - datetime.fromisoformat(json.loads(meta.read_text())["start"]) < _FRESH


def _write(path: Path, sample: SampleEvents, encoding: Encoding, properties: int) -> int:
    tables = (_widened(piece, properties) for piece in sample.pieces())
    path.mkdir(parents=True)
    if properties == 8:
        write_parquet(path, sample, encoding=encoding)
    else:
        writer = None
        for table in tables:
            writer = writer or pq.ParquetWriter(path / "part-00000.parquet", table.schema, compression="zstd")
            writer.write_table(table)
        if writer:
            writer.close()
    return pc.sum(pc.equal(pq.read_table(path, columns=["type"])["type"], "track")).as_py() or 0


def _widened(table: pa.Table, properties: int) -> pa.Table:
    """With further whole numbers among the properties, up to so many in all."""
    if properties == 8:
        return table
    struct = table["properties"].combine_chunks()
    rows = pc.cast(pc.multiply(pa.array(range(len(table))), 7), pa.int64())
    more = {f"n{number:03d}": pc.add(rows, number) for number in range(properties - 8)}
    names = [field.name for field in struct.type]
    wide = pa.StructArray.from_arrays(
        [*(struct.field(i) for i in range(len(names))), *more.values()], names=[*names, *more]
    )
    return table.set_column(table.schema.get_field_index("properties"), "properties", wide)
