"""Track events in a Delta table: the files of its newest version, less the rows that deletion vectors delete.

The table's log is read by ``deltalake``, the data as any other Parquet (``etl.sources.parquet``). A run reads one
version. Files never change once they are written: what a later version adds is read by a later run, whatever time it
is of; rows that were rewritten are read again, and are known by their ids.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from etl.core.errors import ConfigError, SourceError
from etl.sources.files import File, Listing, counted, located
from etl.sources.parquet import ParquetSource

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from etl.core import layouts as events
    from etl.core.layouts import Layout


_OF_FILES = ["path", "size_bytes", "modification_time"]


@dataclass(frozen=True)
class DataFile(File):
    """A file of a version. ``values``: of the columns its folders hold. ``kept``: bool per row; None: all are."""

    values: Mapping[str, pa.Scalar] = field(default_factory=dict, compare=False, repr=False)
    kept: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def mark(self) -> str:
        """Also changes with the rows that are deleted."""
        deleted = b"" if self.kept is None else np.packbits(self.kept).tobytes()
        return super().mark + (hashlib.blake2b(deleted, digest_size=8).hexdigest() if deleted else "")


class DeltaSource(ParquetSource):
    """The Delta table at ``path``: a folder or a ``s3://``, ``gs://``, ``az://`` URL (``Source``).

    The other parameters are those of ``ParquetSource``.
    """

    def seen(self) -> Sequence[str]:
        """Of how many files the newest version is."""
        files = counted(len(self._list().files))
        return (f"the newest version of the Delta table {self._path}: {files} to read",)

    def _list(self) -> Listing:
        """Raises ``ConfigError`` without ``deltalake``, ``SourceError`` for a table that it or we cannot read."""
        filesystem, path, prefix = located(self._path, self._base)
        table = _table(path if not prefix else f"{prefix}{path}", self._path)
        kept = _kept(table)
        files: list[File] = []
        for added in pa.table(table.get_add_actions()).to_batches():
            for row, values in zip(added.select(_OF_FILES).to_pylist(), _values(added), strict=True):
                below = unquote(row["path"])
                if "://" in below or below.startswith("/"):
                    raise SourceError(
                        f"the Delta table {self._path} has files of another table ({below}), as shallow clones do: "
                        f"read it through a warehouse (source.type: warehouse)"
                    )
                whole = f"{path}/{below}"
                modified = row["modification_time"] * 10**6
                mask = kept.get(row["path"])
                files.append(
                    DataFile(
                        filesystem,
                        whole,
                        prefix + whole,
                        row["size_bytes"],
                        modified,
                        below,
                        None,
                        values,
                        mask,
                    )
                )
        return Listing(sorted(files, key=lambda file: file.path), {})

    def _constants(
        self,
        file: File,
        schema: pa.Schema,
        layout: Layout,  # noqa: ARG002 - in either layout
        paths: Collection[events.Path] | None,  # noqa: ARG002 - whatever is asked for
    ) -> Mapping[str, pa.Scalar]:
        """All columns the folders hold: they are columns of the table like any other."""
        held = set(schema.names)
        return {key: value for key, value in getattr(file, "values", {}).items() if key not in held}

    def _kept(self, file: File) -> np.ndarray | None:
        return getattr(file, "kept", None)


def _table(location: str, shown: str) -> Any:
    try:
        deltalake: Any = import_module("deltalake")
    except ModuleNotFoundError as error:
        raise ConfigError("source.type delta needs pip install 'segment-metronome-etl[delta]'") from error
    try:
        table = deltalake.DeltaTable(location)
        mapped = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    except Exception as error:
        raise SourceError(f"cannot read the Delta table {shown}: {str(error).splitlines()[0]}") from error
    if mapped != "none":
        raise SourceError(
            f"the Delta table {shown} keeps its columns under other names in its files (column mapping): read it "
            f"through a warehouse (source.type: warehouse), or rewrite it without delta.columnMapping.mode"
        )
    return table


def _values(added: pa.RecordBatch) -> list[dict[str, pa.Scalar]]:
    """For each file the values of the columns that its folders hold, typed as the table's."""
    partition = added.column("partition") if "partition" in added.schema.names else None
    if partition is None or not partition.type.num_fields:
        return [{} for _ in range(added.num_rows)]
    names = [member.name for member in partition.type]
    columns = partition.flatten()
    return [
        {name: column[row] for name, column in zip(names, columns, strict=True)}
        for row in range(added.num_rows)
    ]


def _kept(table: Any) -> dict[str, np.ndarray]:
    """Which rows of files with a deletion vector are left, by the path of the file in the log."""
    root = table.table_uri.rstrip("/") + "/"
    found = pa.table(table.deletion_vectors()).to_pylist()
    return {
        row["filepath"].removeprefix(root).removeprefix("file://"): np.array(row["selection_vector"], bool)
        for row in found
    }
