"""The sent log as a Parquet file, in bounded memory."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from etl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from etl.state import StateStore


def export_sent_log(
    state: StateStore,
    account: str,
    path: str,
    sent: tuple[datetime, datetime] | None = None,
    seen: Callable[[int], None] = lambda _: None,
) -> int:
    """Write every row of ``account`` (columns: ``Archive.sent_log``) to ``path``; how many. ``seen`` is told so far.

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
