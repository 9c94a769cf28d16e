"""What the tests of sources share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from etl.core.windows import Window

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))
ALWAYS = Window(datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def at(hours: float = 0, **more: float) -> datetime:
    """That long after ``START``."""
    return START + timedelta(hours=hours, **more)


def write(path, table, **options):
    """Write ``table`` (or a dict of columns) as Parquet, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path, **options)
    return path


def flat(ids, hours, **columns):
    """A flat table of track events: ids, and when they were received in hours after ``START``."""
    received = pa.array([None if hour is None else at(hour) for hour in hours], pa.timestamp("us", "UTC"))
    return pa.table({"id": pa.array(ids, pa.string()), "received_at": received, **columns})


def ids(batches, column="id"):
    """The message ids in ``batches``, in order."""
    return [cell for batch in batches for cell in batch.table.column(column).to_pylist()]
