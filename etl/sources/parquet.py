"""Track events in Parquet: exports, data lakes, warehouse unloads.

A file's events keep that file's own types: nothing is unified or cast across files. A file is
read row group by row group, so memory does not depend on how many files there are or how long they are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from etl.core.layouts import RESERVED, detect_layout, flat_column, needed_columns
from etl.sources.cursors import check_cursor_type, find_cursor
from etl.sources.files import each_read, listing, readings
from etl.sources.footers import (
    CLOCK_KEYS,
    named_for_receipt,
    newest_bound,
    partition_outside,
    partition_start,
    row_groups,
    runs,
)
from etl.sources.opening import opened, refuse_columns, refuse_doubled, unreadable
from etl.sources.rows import Part, batches_of, nothing, positions, with_constants

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    import pyarrow.parquet as pq

    from etl.core import layouts as events
    from etl.core.layouts import Layout
    from etl.core.ports import EventBatch, Late
    from etl.core.windows import Window
    from etl.sources.files import File, Listing, Reading
    from etl.sources.footers import RowGroup

ENDINGS = (".parquet", ".parq", ".pq")

#: Folders of a Segment data lake that hold no events (Segment's documentation, "Segment Data Lakes").
_NOT_DATA = frozenset({"segment-stage", "logs"})

#: How many decoded bytes a batch may hold, about: fewer rows are read at once where rows are huge.
_BATCH_BYTES = 64 * 2**20

#: How many files are opened at most to know how far the source has got.
_FOOTERS = 16

#: What Hive calls a folder whose rows have no value.
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class ParquetSource:
    """Parquet files at ``path``: a file, folder, glob or ``s3://``, ``gs://``, ``az://`` URL (``Source``).

    ``layout``: ``auto`` tells it for each file by its columns. ``partitions``: ``received`` where folders named for a
    time are named for when Segment received the events in them; ``auto``: only those of Segment's data lakes are.
    ``cursor``: the column windows are cut on, by default ``receivedAt`` or ``received_at``. A relative ``path``
    starts at ``base``. ``exclude``: globs of files to leave out. Credentials of object stores come from their usual places.
    """

    def __init__(
        self,
        path: str,
        *,
        layout: Literal["auto", "segment", "warehouse"] = "auto",
        partitions: Literal["auto", "received"] = "auto",
        cursor: str | None = None,
        batch_rows: int = 50_000,
        base: Path = Path(),
        exclude: Collection[str] = (),
    ) -> None:
        self._path, self._base, self._exclude = path, base, exclude
        self._layout, self._partitions, self._cursor = layout, partitions, cursor
        self._batch_rows = batch_rows

    def batches(
        self,
        window: Window,
        paths: Collection[events.Path] | None = None,
        done: Collection[str] = frozenset(),
        late: Late | None = None,
    ) -> Iterator[EventBatch]:
        """See ``Source.batches``: file by file in order of their names; a mark tells a file's version.

        Raises ``ConfigError`` if no file has the cursor column; ``SourceError``, after all others were read, for
        files that lack it or cannot be read, and at once if ``path`` matches nothing at all.
        """
        some, known = readings(self._list().files, self._path, window, done, late, self._outside)
        yield from each_read(some, lambda reading: self._file_batches(reading, paths))
        if known:
            yield nothing(self._path, "segment", known=known)

    def check(self) -> None:
        """Opens the first and the last file and looks for the cursor column."""
        files = self._list().files
        for file in {*files[:1], *files[-1:]}:
            with opened(file) as (parquet, _):
                self._shape(file, parquet)

    def missing(self, origins: Collection[str]) -> set[str]:
        """See ``Source.missing``."""
        return set(origins) - {file.name for file in self._list().files}

    def seen(self) -> Sequence[str]:
        """How many files there are, which beside them are ignored, and which folders are taken for what."""
        listing = self._list()
        by_use: dict[str, dict[str, None]] = {}
        for file in listing.files:
            received = self._named_for_receipt(file) and partition_start(file.partitions) is not None
            for key in file.partitions:
                use = (
                    "received"
                    if key in CLOCK_KEYS and received
                    else "no time"
                    if key in CLOCK_KEYS
                    else "column"
                )
                by_use.setdefault(use, {})[f"{key}="] = None
        return [
            *listing.summary(),
            *(f"folders {', '.join(keys)} {_USES[use]}" for use, keys in by_use.items()),
        ]

    def newest(self) -> datetime | None:
        """The newest cursor, by the footers of the files of the last hour or day, or of all files if they are few.

        None where that is not cheap, or footers do not tell it: text cursors, no statistics.
        """
        files = self._list().files
        last = _last(files) if all(map(self._named_for_receipt, files)) else files
        if len(last) > _FOOTERS:
            return None
        groups: list[RowGroup] = []
        for file in last:
            with opened(file) as (parquet, footer):
                schema, _, cursor = self._shape(file, parquet)
                held = schema.field(cursor).type
                if not (pa.types.is_timestamp(held) or pa.types.is_integer(held)):
                    return None
                groups += row_groups(parquet.schema, footer, cursor)
        return newest_bound(groups)

    def _file_batches(self, reading: Reading, paths: Collection[events.Path] | None) -> Iterator[EventBatch]:
        file, window, past = reading.file, reading.window, reading.past
        mark = _mark(file)
        with opened(file) as (parquet, footer):
            schema, layout, cursor = self._shape(file, parquet)
            constants = self._constants(file, schema, layout, paths)
            kept = self._kept(file)
            columns = needed_columns(schema, layout, paths, cursor)
            refuse_columns(file, parquet, columns)
            groups = row_groups(parquet.schema, footer, cursor)
            whole = all(group.may_touch(window) or (past and group.before(window)) for group in groups)
            to_read = sum(group.rows for group in groups if group.may_touch(window))
            read = 0

            def parts() -> Iterator[Part]:
                nonlocal read
                for run in runs(groups, window, self._batch_rows):
                    for table, first in _read(file, parquet, run, self._batch_rows, columns):
                        read += len(table)
                        part = Part(with_constants(table, constants), positions(first, len(table)))
                        yield part if kept is None else part.of(kept[first : first + len(table)])

            for batch in batches_of(
                parts(), layout, cursor, window, origin=file.name, mark=mark if whole else None, past=past
            ):
                yield replace(batch, done=read / max(to_read, 1))

    def _shape(self, file: File, parquet: pq.ParquetFile) -> tuple[pa.Schema, Layout, str]:
        schema = parquet.schema_arrow
        refuse_doubled(file, schema)
        layout = detect_layout(schema) if self._layout == "auto" else self._layout
        cursor = find_cursor(self._cursor, schema.names, layout, file.name)
        check_cursor_type(schema.field(cursor).type, cursor, file.name)
        return schema, layout, cursor

    def _outside(self, file: File, window: Window) -> bool:
        """Whether the file's folders say that all its rows were received outside ``window``."""
        return self._named_for_receipt(file) and partition_outside(file.partitions, window)

    def _named_for_receipt(self, file: File) -> bool:
        """Whether the file's folders are named for what windows are cut on: when its events were received."""
        if self._partitions == "received":
            return True
        by_receipt = (self._cursor or "received_at").lower().replace("_", "") == "receivedat"
        return by_receipt and named_for_receipt(file.partitions)

    def _constants(
        self, file: File, schema: pa.Schema, layout: Layout, paths: Collection[events.Path] | None
    ) -> Mapping[str, pa.Scalar]:
        """Columns a flat file lacks because its folders are named for them (``PARTITION BY`` of an unload).

        Only those a path names, or that every event has: any other folder would turn up among the properties.
        """
        held = {name.lower() for name in schema.names} | CLOCK_KEYS
        asked = set(paths or ()) - {("properties",), ("context",), ()}
        return {
            key: pa.scalar(None if value == _HIVE_NULL else value, pa.string())
            for key, value in file.partitions.items()
            if layout == "warehouse" and key not in held
            if key in RESERVED or any(flat_column(path, [key]) for path in asked)
        }

    def _kept(self, file: File) -> np.ndarray | None:  # noqa: ARG002 - of a table's files some rows may be deleted
        """Bool per row of the file: whether it is one of the events; None: all are."""
        return None

    def _list(self) -> Listing:
        return listing(self._path, self._base, ENDINGS, skip=_NOT_DATA, exclude=self._exclude)


#: What is said of folders, by what they are taken for.
_USES = {
    "received": "are taken for when rows were received: those outside a window are not opened",
    "no time": "are not taken for when rows were received, so every file is opened: if they are, say "
    "source.partitions: received",
    "column": "are columns of files that lack them, where a mapping asks for one",
}


def _last(files: Sequence[File]) -> Sequence[File]:
    """The files of the last hour or day that folders are named for; all, unless each lies in such a folder."""
    starts = [(partition_start(file.partitions), file) for file in files]
    last = max((start for start, _ in starts if start), default=None)
    return files if any(start is None for start, _ in starts) else [f for start, f in starts if start == last]


def _mark(file: File) -> str:
    try:
        return file.mark
    except OSError as error:
        raise unreadable(file, str(error)) from error


def _read(
    file: File, parquet: pq.ParquetFile, run: list[RowGroup], batch_rows: int, columns: list[str]
) -> Iterator[tuple[pa.Table, int]]:
    """Tables of neighbouring rows and the position of their first; fewer at once where rows are huge."""
    size, rows = sum(group.size for group in run), sum(group.rows for group in run)
    at_once = max(1, min(batch_rows, _BATCH_BYTES * rows // max(size, 1)))
    first = run[0].first
    try:
        # One thread: reading is the shortest of the stages, and others would take time from the rest.
        for batch in parquet.iter_batches(
            at_once, [group.index for group in run], columns, use_threads=False
        ):
            yield pa.table(batch), first
            first += batch.num_rows
    except (OSError, ValueError, pa.ArrowException) as error:
        raise unreadable(file, str(error)) from error
