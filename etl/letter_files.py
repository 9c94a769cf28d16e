"""Dead letters as people take them out of the state: as JSON, NDJSON or Parquet."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from etl.errors import ConfigError
from etl.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

#: What may hold personal data or usage; left out unless asked for.
CONTENT = ("event", "body")


def with_content(letters: pd.DataFrame) -> list[dict[str, Any]]:
    """JSON-ready, one dict per letter; ``event`` and ``body`` as JSON, digit for digit."""
    return [_plain(row) for row in letters.to_dict("records")]


def without_content(letters: pd.DataFrame) -> list[dict[str, Any]]:
    """The same without ``event`` and ``body``."""
    return with_content(letters.drop(columns=list(CONTENT)))


def ndjson(letters: pd.DataFrame) -> Iterator[str]:
    """A line of JSON per letter."""
    for row in with_content(letters):
        yield orjson.dumps(row).decode() + "\n"


def export_to(letters: pd.DataFrame, path: str) -> None:
    """Write ``.parquet`` or ``.ndjson``. Raises ``ConfigError`` for another ending or a path it cannot write."""
    try:
        if path.endswith(".parquet"):
            pq.write_table(pa.Table.from_pandas(letters, preserve_index=False), path)
        elif path.endswith((".ndjson", ".jsonl")):
            Path(path).write_text("".join(ndjson(letters)), encoding="utf-8")
        else:
            raise ConfigError(f"{path}: name a file that ends in .parquet or .ndjson")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in row.items()}


def _value(name: str, value: Any) -> Any:
    if value is None or value != value:  # noqa: PLR0124 - NaT and NaN
        return None
    if name in CONTENT:
        return orjson.Fragment(value) if value.startswith("{") else value
    return rfc3339(value) if isinstance(value, datetime) else value
