"""Dead letters as people take them out of the state: as JSON, NDJSON or Parquet.

The sent log as a Parquet file, in bounded memory.
"""

from __future__ import annotations

from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from etl.core.errors import ConfigError
from etl.core.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from etl.state import StateStore


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


def export_sent_log(
    state: StateStore,
    account: str,
    path: str,
    sent: tuple[datetime, datetime] | None = None,
    seen: Callable[[int], None] = lambda _: None,
) -> int:
    """Write every row of ``account`` (columns: ``Archive.sent_log``) to ``path``; how many. ``seen`` is called with how many so far.

    The file appears when it is whole. Raises ``ConfigError`` when it cannot be written.
    """
    rows = 0
    part = Path(f"{path}.part")
    try:
        tables = state.sent_log(account=account, sent=sent)
        first = next(tables)
        with pq.ParquetWriter(part, first.schema, compression="zstd") as writer:
            for table in chain([first], tables):
                writer.write_table(table)
                rows += table.num_rows
                seen(rows)
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return rows
