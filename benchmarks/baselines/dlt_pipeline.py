"""Baseline (c): dlt with a custom destination that posts the same chunks.

``python -m benchmarks.baselines.dlt_pipeline FILE URL FOLDER``: rows of Parquet as dicts, dlt normalises them into
files of its own and hands them to the destination 100 at a time.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import dlt
import orjson
import pyarrow.parquet as pq
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.common.schema import TTableSchema


@dlt.resource(name="usage", max_table_nesting=0, columns={"properties": {"data_type": "json"}})
def usage(path: str) -> Iterator[list[dict[str, Any]]]:
    """Usage events, a list for each batch of the file."""
    for batch in pq.ParquetFile(path).iter_batches(10_000):
        yield [
            {
                "transaction_id": event["messageId"],
                "customer_id": event["context"]["groupId"],
                "timestamp": event["timestamp"],
                "event_type": event["event"],
                "properties": {k: v for k, v in event["properties"].items() if v is not None},
            }
            for event in batch.to_pylist()
            if event["type"] == "track"
        ]


def main(path: str, url: str, folder: str) -> None:
    """Extract, normalise, load."""
    session = requests.Session()

    @dlt.destination(batch_size=100, naming_convention="direct", skip_dlt_columns_and_tables=True)
    def metronome(items: list[dict[str, Any]], table: TTableSchema) -> None:  # noqa: ARG001 - dlt's signature
        body = orjson.dumps(items, default=str)
        answer = session.post(
            f"{url}/v1/ingest", data=body, headers={"content-type": "application/json"}, timeout=30
        )
        answer.raise_for_status()

    pipeline = dlt.pipeline("bench", pipelines_dir=folder, destination=metronome, dataset_name="bench")
    pipeline.run(usage(path))


if __name__ == "__main__":
    main(*sys.argv[1:4])
