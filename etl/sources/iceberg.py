"""Track events in an Iceberg table: the files of its current snapshot, read by ``pyiceberg``, one by one.

So columns that were renamed, added or widened, and rows that were deleted, are what the table says they are. A run
reads one snapshot. Files never change once they are written: what a later snapshot adds is read by a later run,
whatever time it is of; rows that were rewritten are read again, and are known by their ids.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pyarrow import fs

from etl.core.errors import ConfigError, EtlError, SourceError
from etl.core.layouts import detect_layout, needed_columns
from etl.core.stored import refusal
from etl.core.windows import Window
from etl.sources.cursors import check_cursor_type, find_cursor
from etl.sources.files import counted, located
from etl.sources.rows import Part, batches_of, nothing, positions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from etl.core import layouts as events
    from etl.core.layouts import Layout
    from etl.core.ports import EventBatch, Late

_METADATA = re.compile(r"v?(\d+)(?:-[^/]*)?(?:\.gz)?\.metadata\.json")


class IcebergSource:
    """An Iceberg table (``Source``).

    ``table`` (``schema.name``) of a ``catalog`` that pyiceberg's own configuration names; or ``path``: the table's
    folder or one of its metadata files, on disk or in an object store. ``layout`` and ``cursor``: as Parquet's.
    """

    def __init__(
        self,
        path: str | None,
        *,
        catalog: str | None = None,
        table: str | None = None,
        layout: Literal["auto", "segment", "warehouse"] = "auto",
        cursor: str | None = None,
        batch_rows: int = 50_000,
        base: Path = Path(),
    ) -> None:
        self._path, self._catalog, self._table = path, catalog, table
        self._layout, self._cursor = layout, cursor
        self._batch_rows, self._base = batch_rows, base
        self._name = f"the Iceberg table {table or path}"

    def batches(
        self,
        window: Window,
        paths: Collection[events.Path] | None = None,
        done: Collection[str] = frozenset(),
        late: Late | None = None,
    ) -> Iterator[EventBatch]:
        """See ``Source.batches``: file by file in order of their names; a mark tells a file and what is deleted in it.

        Raises ``ConfigError`` for a table or cursor that is not there, ``SourceError`` for whatever stops the reading.
        """
        with self._errors():
            table = self._open()
            schema, layout, cursor = self._shape(table)
            tops = {name.partition(".")[0] for name in needed_columns(schema, layout, paths, cursor)}
            columns = [name for name in schema.names if name in tops]
            if reason := refusal(schema.field(name) for name in columns):
                raise SourceError(f"{self._name} {reason}")
            first, known = self._first(late, window)
            tasks = [
                task for task in _tasks(table, cursor, Window(first, window.until)) if _mark(task) not in done
            ]
            for number, task in enumerate(tasks, 1):
                parts = self._parts(table, task, columns)
                name, mark = task.file.file_path, _mark(task)
                past = first < window.since and not (late and mark in late.known)
                asked = Window(first, window.until) if past else window
                for batch in batches_of(parts, layout, cursor, asked, origin=name, mark=mark, past=past):
                    yield replace(batch, done=number / len(tasks))
            if late:
                new = [] if known else [_mark(task) for task in table.scan().plan_files()]
                yield nothing(self._name, layout, known=[self._root, *new])

    @property
    def _root(self) -> str:
        return f"root|{self._name}"

    def _first(self, late: Late | None, window: Window) -> tuple[datetime, bool]:
        """How far back the rows of files that were never read are looked for; and whether the table is known."""
        if late is None:
            return window.since, True
        if late.listing:
            return min(late.since, window.since), True
        known = self._root in late.known
        return min(late.begin, window.since) if known else window.since, known

    def check(self) -> None:
        """Opens the table and looks for the cursor."""
        with self._errors():
            self._shape(self._open())

    def seen(self) -> Sequence[str]:
        """Which snapshot is read, and of how many files."""
        with self._errors():
            table = self._open()
            snapshot = table.current_snapshot()
            if snapshot is None:
                return ("the table has no snapshot yet",)
            files = sum(1 for _ in table.scan().plan_files())
            return (f"snapshot {snapshot.snapshot_id} of {self._name}: {counted(files)} to read",)

    def missing(self, origins: Collection[str]) -> set[str]:
        """See ``Source.missing``."""
        with self._errors():
            held = {str(task.file.file_path) for task in self._open().scan().plan_files()}
        return set(origins) - held

    def newest(self) -> datetime | None:
        """None: statistics are in manifests, which are not cheap to read."""
        return None

    def _parts(self, table: Any, task: Any, columns: Sequence[str]) -> Iterator[Part]:
        """The rows of a file that are not deleted, under the names and types of the table."""
        arrow: Any = import_module("pyiceberg.io.pyarrow")
        expressions: Any = import_module("pyiceberg.expressions")
        wanted = table.schema().select(*columns)
        scan = arrow.ArrowScan(table.metadata, table.io, wanted, expressions.AlwaysTrue())
        first = 0
        for batch in scan.to_record_batches([task]):
            for start in range(0, batch.num_rows, self._batch_rows):
                rows = pa.table(batch.slice(start, self._batch_rows))
                yield Part(rows, positions(first, len(rows)))
                first += len(rows)

    def _shape(self, table: Any) -> tuple[pa.Schema, Layout, str]:
        schema: pa.Schema = table.schema().as_arrow()
        layout = detect_layout(schema) if self._layout == "auto" else self._layout
        cursor = find_cursor(self._cursor, schema.names, layout, self._name)
        check_cursor_type(schema.field(cursor).type, cursor, self._name)
        return schema, layout, cursor

    # ------------------------------------------------------------------------------------ which table

    def _open(self) -> Any:
        try:
            tables: Any = import_module("pyiceberg.table")
            catalogs: Any = import_module("pyiceberg.catalog")
        except ModuleNotFoundError as error:
            raise ConfigError(
                "source.type iceberg needs pip install 'segment-metronome-etl[iceberg]'"
            ) from error
        if self._path is None:
            return catalogs.load_catalog(self._catalog).load_table(self._table)
        return tables.StaticTable.from_metadata(self._metadata(self._path))

    def _metadata(self, path: str) -> str:
        """The newest metadata file of a table's folder. Raises ``SourceError`` where there are two or none."""
        filesystem, place, prefix = located(path, self._base)
        if place.endswith(".metadata.json"):
            return prefix + place
        listed = filesystem.get_file_info(fs.FileSelector(f"{place}/metadata", allow_not_found=True))
        versions = [
            (int(found[1]), info.path) for info in listed if (found := _METADATA.fullmatch(info.base_name))
        ]
        newest = [name for version, name in versions if version == max(versions)[0]]
        if len(newest) != 1:
            why = "has no metadata" if not newest else "has several metadata files of its newest version"
            raise SourceError(
                f"{self._name} {why}: name the file of the version that counts in source.path, or the table "
                f"in source.catalog and source.table"
            )
        return f"{prefix}{newest[0]}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except EtlError:
            raise
        except Exception as error:
            if type(error).__module__.startswith(("pyiceberg.", "pyarrow.", "builtins")) or isinstance(
                error, OSError
            ):
                reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
                raise SourceError(
                    f"cannot read {self._name}: {reason}. Nothing of the window is marked complete."
                ) from error
            raise


def _tasks(table: Any, cursor: str, window: Window) -> list[Any]:
    """The files that may hold a row of ``window``, or one without a cursor, by the statistics of the manifests."""
    expressions: Any = import_module("pyiceberg.expressions")
    inside = expressions.And(
        expressions.GreaterThanOrEqual(cursor, window.since.isoformat()),
        expressions.LessThan(cursor, window.until.isoformat()),
    )
    timed = str(table.schema().find_field(cursor).field_type) in {"timestamp", "timestamptz"}
    wanted = expressions.Or(inside, expressions.IsNull(cursor)) if timed else expressions.AlwaysTrue()
    return sorted(table.scan(row_filter=wanted).plan_files(), key=lambda task: str(task.file.file_path))


def _mark(task: Any) -> str:
    deleted = ",".join(sorted(str(file.file_path) for file in task.delete_files))
    digest = hashlib.blake2b(deleted.encode(), digest_size=8).hexdigest() if deleted else ""
    return f"{task.file.file_path}|{task.file.file_size_in_bytes}|{digest}"
