"""Sample track events, the same for the same seed: for the demo, for tests and for benchmarks.

``SampleEvents`` says which events; ``write_parquet``, ``write_flat_parquet`` and ``write_logs`` write them as the
exports that the sources read.
"""

from __future__ import annotations

from etl.samples.encodings import Encoding, encoded, flattened, json_text
from etl.samples.events import SampleEvents
from etl.samples.files import write_flat_parquet, write_logs, write_parquet

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
