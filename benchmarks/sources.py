"""How fast a warehouse is read, and in how much memory: one million rows of PostgreSQL, by ADBC and by SQLAlchemy.

``python -m benchmarks.sources [ROWS]``; every way runs in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from datetime import UTC, datetime

import sqlalchemy as sa

from etl.core.windows import Window
from etl.sources.warehouse import WarehouseSource
from tests.support.postgres import Cluster

DAY = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
PATHS = {("properties",), ("context", "groupId"), ("timestamp",), ("event",)}

TABLE = """
CREATE TABLE segment.api_request AS
SELECT 'msg-' || md5(n::text) AS id, 'api_request' AS event, 'API Request' AS event_text,
       'user-' || n / 5000 AS user_id, 'group-' || n / 500 AS context_group_id,
       TIMESTAMPTZ '2026-11-01Z' + n * interval '80 milliseconds' AS received_at,
       TIMESTAMPTZ '2026-11-01Z' + n * interval '80 milliseconds' AS timestamp,
       n AS tokens, (n / 7.0)::numeric(38, 6) AS cost, n > 5 AS ok, md5(n::text) AS job_id,
       json_build_object('a', n, 'b', 'x') AS detail
FROM generate_series(1, {rows}) AS n
"""


def read(url: str, *, fast: bool) -> None:
    """Read everything once; print what it took."""
    began, rows = time.perf_counter(), 0
    for batch in WarehouseSource(url, schemas=["segment"], tables=["api_request"], fast=fast).batches(
        DAY, PATHS
    ):
        rows += len(batch.table)
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{'ADBC' if fast else 'SQLAlchemy':>10}: {rows:,} rows, {rows / took:,.0f} rows/s, peak {peak} MB")


def main(rows: int) -> None:
    """Fill a throw-away server and read it both ways."""
    with Cluster() as cluster:
        url = cluster.create_database()
        with sa.create_engine(url).begin() as connection:
            connection.exec_driver_sql("CREATE SCHEMA segment")
            connection.exec_driver_sql(TABLE.format(rows=rows))
        for way in ("fast", "plain"):
            subprocess.run([sys.executable, "-m", "benchmarks.sources", way, url], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] in (["fast"], ["plain"]):
        read(sys.argv[2], fast=sys.argv[1] == "fast")
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
