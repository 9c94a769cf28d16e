"""Track events in Parquet: exports, data lakes, warehouse unloads.

A file's events keep that file's own types: nothing is unified or cast across files. A file is
read row group by row group, so memory does not depend on how many files there are or how long they are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from etl.core.layouts import RESERVED, detect_layout, flat_column, needed_columns
from etl.sources.cursors import check_cursor_type, find_cursor
from etl.sources.files import each_read, list_files, mark_of, unread, unreadable
from etl.sources.footers import CLOCK_KEYS, newest_bound, partition_outside, partition_start, row_groups, runs
from etl.sources.rows import Part, batches_of, positions, with_constants

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from etl.core import layouts as events
    from etl.core.layouts import Layout
    from etl.core.ports import EventBatch
    from etl.core.windows import Window
    from etl.sources.files import File
    from etl.sources.footers import RowGroup

ENDINGS = (".parquet", ".parq", ".pq")

#: Folders of a Segment data lake that hold no events (Segment's documentation, "Segment Data Lakes").
_NOT_DATA = frozenset({"segment-stage", "logs"})

#: How many decoded bytes a batch may hold, about: fewer rows are read at once where rows are huge.
_BATCH_BYTES = 64 * 2**20

#: How many files are opened at most to know how far the source has got.
_FOOTERS = 16

#: What a file that is none cannot be.
_AS = "read as Parquet"

#: What Hive calls a folder whose rows have no value.
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class ParquetSource:
    """Parquet files at ``path``: a file, folder, glob or ``s3://``, ``gs://``, ``az://`` URL (``Source``).

    ``layout``: ``auto`` tells it for each file by its columns. ``cursor``: the column windows are cut on, by
    default ``receivedAt`` or ``received_at``. A relative ``path`` starts at ``base``. ``exclude``: globs of files to
    leave out. Credentials of object stores come from their usual places.
    """

    def __init__(
        self,
        path: str,
        *,
        layout: Literal["auto", "segment", "warehouse"] = "auto",
        cursor: str | None = None,
        batch_rows: int = 50_000,
        base: Path = Path(),
        exclude: Collection[str] = (),
    ) -> None:
        self._path, self._base, self._exclude = path, base, exclude
        self._layout, self._cursor = layout, cursor
        self._batch_rows = batch_rows

    def batches(
        self,
        window: Window,
        paths: Collection[events.Path] | None = None,
        done: Collection[str] = frozenset(),
    ) -> Iterator[EventBatch]:
        """See ``Source.batches``: file by file in order of their names; a mark tells a file's version.

        Raises ``ConfigError`` if no file has the cursor column; ``SourceError``, after all others were read, for
        files that lack it or cannot be read, and at once if ``path`` matches nothing at all.
        """
        files = unread([file for file in self._files() if not self._outside(file, window)], done)
        yield from each_read(files, lambda file: self._file_batches(file, window, paths))

    def check(self) -> None:
        """Opens the first and the last file and looks for the cursor column."""
        files = self._files()
        for file in {*files[:1], *files[-1:]}:
            with _open(file) as parquet:
                self._shape(file, parquet)

    def newest(self) -> datetime | None:
        """The newest cursor, by the footers of the files of the last hour or day, or of all files if they are few.

        None where that is not cheap, or footers do not tell it: text cursors, no statistics.
        """
        files = self._files()
        last = _last(files) if self._by_receipt else files
        if len(last) > _FOOTERS:
            return None
        groups: list[RowGroup] = []
        for file in last:
            with _open(file) as parquet:
                schema, _, cursor = self._shape(file, parquet)
                if not pa.types.is_timestamp(schema.field(cursor).type):
                    return None
                groups += row_groups(parquet.metadata, cursor)
        return newest_bound(groups)

    def missing(self, origins: Collection[str]) -> set[str]:
        """See ``Source.missing``."""
        return set(origins) - {file.name for file in self._files()}

    def _files(self) -> list[File]:
        return list_files(self._path, self._base, ENDINGS, _NOT_DATA, self._exclude)

    def _file_batches(
        self, file: File, window: Window, paths: Collection[events.Path] | None
    ) -> Iterator[EventBatch]:
        mark = mark_of(file, _AS)
        with _open(file) as parquet:
            schema, layout, cursor = self._shape(file, parquet)
            constants = _constants(file, schema, layout, paths)
            columns = needed_columns(schema, layout, paths, cursor)
            groups = row_groups(parquet.metadata, cursor)
            whole = all(group.may_touch(window) for group in groups)
            to_read = sum(group.rows for group in groups if group.may_touch(window))
            read = 0

            def parts() -> Iterator[Part]:
                nonlocal read
                for run in runs(groups, window, self._batch_rows):
                    for table, first in _read(file, parquet, run, self._batch_rows, columns):
                        read += len(table)
                        yield Part(with_constants(table, constants), positions(first, len(table)))

            for batch in batches_of(
                parts(), layout, cursor, window, origin=file.name, mark=mark if whole else None
            ):
                yield replace(batch, done=read / max(to_read, 1))

    def _shape(self, file: File, parquet: pq.ParquetFile) -> tuple[pa.Schema, Layout, str]:
        schema = parquet.schema_arrow
        layout = detect_layout(schema) if self._layout == "auto" else self._layout
        cursor = find_cursor(self._cursor, schema.names, layout, file.name)
        check_cursor_type(schema.field(cursor).type, cursor, file.name)
        return schema, layout, cursor

    def _outside(self, file: File, window: Window) -> bool:
        """Whether the file's folders say that all its rows were received outside ``window``."""
        return self._by_receipt and partition_outside(file.partitions, window)

    @property
    def _by_receipt(self) -> bool:
        """Whether windows are cut on what folders are named for: when events were received."""
        return (self._cursor or "received_at").lower().replace("_", "") == "receivedat"


def _last(files: list[File]) -> list[File]:
    """The files of the last hour or day that folders are named for; all, unless each lies in such a folder."""
    starts = [(partition_start(file.partitions), file) for file in files]
    last = max((start for start, _ in starts if start), default=None)
    return files if any(start is None for start, _ in starts) else [f for start, f in starts if start == last]


def _open(file: File) -> pq.ParquetFile:
    try:
        if file.local:
            return pq.ParquetFile(file.path, pre_buffer=False)
        return pq.ParquetFile(file.path, filesystem=file.filesystem)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(file, str(error), _AS) from error


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
    except (OSError, pa.ArrowException) as error:
        raise unreadable(file, str(error), _AS) from error


def _constants(
    file: File, schema: pa.Schema, layout: Layout, paths: Collection[events.Path] | None
) -> dict[str, str | None]:
    """Columns a flat file lacks because its folders are named for them (``PARTITION BY`` of an unload).

    Only those a path names, or that every event has: any other folder would turn up among the properties.
    """
    held = {name.lower() for name in schema.names} | CLOCK_KEYS
    asked = set(paths or ()) - {("properties",), ("context",), ()}
    return {
        key: None if value == _HIVE_NULL else value
        for key, value in file.partitions.items()
        if layout == "warehouse" and key not in held
        if key in RESERVED or any(flat_column(path, [key]) for path in asked)
    }
