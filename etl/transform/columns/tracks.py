"""Track events as columns: whatever holds them, a path yields one column with one cell per event. Pure.

``Events`` is what triggers and mappings see; made from a table (either layout) or from JSON values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from etl.core.layouts import OBJECTS, WHOLE_EVENT, Layout, Path, flat_holder, object_columns
from etl.transform import columns
from etl.transform.columns import typed
from etl.transform.javascript.values import UNDEFINED, Value, gets
from etl.transform.json.objects import JsonObjects
from etl.transform.json.text import parse_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


class Roots(ABC):
    """What a mapping is resolved against: track events, or the items of an array inside them.

    Columns are kept once read; what a path yields is never changed.
    """

    def __init__(self) -> None:
        self._columns: dict[Path, pd.Series] = {}

    @abstractmethod
    def __len__(self) -> int:
        """How many roots there are."""

    @abstractmethod
    def _read(self, path: Path) -> pd.Series: ...

    @abstractmethod
    def _read_whole(self) -> list[Value]: ...

    @abstractmethod
    def take(self, positions: np.ndarray) -> Roots:
        """The roots at ``positions``."""

    def column(self, path: Path) -> pd.Series:
        """The value at ``path`` of each root, as a column of any kind (``columns``); UNDEFINED where absent."""
        column = self._columns.get(path)
        if column is None:
            column = self._read(path) if path else self.whole()
            self._columns[path] = column
        return column

    def remembered(self, path: Path) -> pd.Series | None:
        """The column of ``path`` if it was read before."""
        return self._columns.get(path)

    def whole(self) -> pd.Series:
        """Each root as a JSON value: dtype object."""
        if () not in self._columns:
            self._columns[()] = columns.objects(self._read_whole())
        return self._columns[()]


class Values(Roots):
    """Roots that are JSON values: items of arrays, results of ``@transform``, events given as dicts."""

    def __init__(self, roots: Sequence[Value]) -> None:
        super().__init__()
        self._roots = columns.objects(roots)
        self._columns[()] = self._roots

    def __len__(self) -> int:
        """How many roots there are."""
        return len(self._roots)

    def take(self, positions: np.ndarray) -> Values:
        """The roots at ``positions``."""
        return Values(self._roots.to_numpy()[positions])

    def _read(self, path: Path) -> pd.Series:
        return columns.tightened(gets(self._roots, path))

    def _read_whole(self) -> list[Value]:
        return list(self._roots)


class Events(Roots):
    """Track events: the rows of a table in one of the two layouts (``etl.core.layouts``).

    Struct fields stay typed; JSON text is parsed once, and only when something looks inside it. A null cell is
    undefined, a null inside JSON text is null. A warehouse's event tables hold nothing but track events and so have
    no column for ``$.type``. ``Events.of`` takes events as dicts.
    """

    def __init__(
        self, table: pa.Table, layout: Layout, parent: tuple[Events, np.ndarray] | None = None
    ) -> None:
        super().__init__()
        self._table = table.combine_chunks() if parent is None else table
        self._layout = layout
        self._parent = parent
        self._parsed: dict[Path, np.ndarray] = {}
        self._read_objects: dict[Path, JsonObjects] = {}

    @staticmethod
    def of(events: Sequence[Value]) -> Values:
        """Events given as Python values, as ``json.loads`` makes them."""
        return Values(events)

    def __len__(self) -> int:
        """How many events there are."""
        return int(self._table.num_rows)

    def take(self, positions: np.ndarray) -> Events:
        """The events at ``positions``; what was parsed is not parsed again."""
        return Events(self._table.take(pa.array(positions)), self._layout, (self, np.asarray(positions)))

    def parsed(self, at: Path) -> np.ndarray | None:
        """The values of the column at ``at`` if it was parsed before, here or where these were taken from."""
        if at not in self._parsed and self._parent is not None:
            whence, positions = self._parent
            if (values := whence.parsed(at)) is not None:
                self._parsed[at] = values[positions]
        return self._parsed.get(at)

    # ----------------------------------------------------------------------------------------- columns

    def _known(self, path: Path) -> pd.Series | None:
        """A column that the events these were taken from have read."""
        if self._parent is None or (read := self._parent[0].remembered(path)) is None:
            return None
        return columns.take(read, self._parent[1])

    def _read(self, path: Path) -> pd.Series:
        if (known := self._known(path)) is not None:
            return known
        names = self._table.column_names
        if WHOLE_EVENT in names:
            return self._walk(self._json(WHOLE_EVENT), (WHOLE_EVENT,), path)
        if self._layout == "warehouse":
            return self._read_flat(path)
        if path[0] not in names:
            return columns.missing(len(self))
        return self._walk(self._segment_column(path[0]), path[:1], path[1:])

    def _read_flat(self, path: Path) -> pd.Series:
        held = flat_holder(path, self._table.schema)
        if held is not None:
            return self._walk(self._array(held[0]), (held[0],), held[1])
        if path == ("type",):
            return columns.repeated("track", len(self))
        if len(path) == 1 and object_columns(path[0], self._table.column_names):
            return columns.series(self._object(path[0]))
        return columns.missing(len(self))

    def _walk(self, array: pa.Array, at: Path, keys: Path) -> pd.Series:
        """Down typed columns as long as they have keys; the rest of the way value by value."""
        while keys and typed.is_keyed(array):
            inner = typed.member(array, keys[0])
            if inner is None:
                return columns.missing(len(self))
            array, at, keys = inner, (*at, keys[0]), keys[1:]
        if not keys and self.parsed(at) is None:
            return columns.series(array)
        if keys and columns.is_json(array) and (leaf := self._objects(array, at).leaf(keys)) is not None:
            return columns.series(leaf)
        cells = self._cells(array, at)
        return columns.tightened(gets(cells, keys)) if keys else columns.objects(cells)

    def _objects(self, array: pa.Array, at: Path) -> JsonObjects:
        """JSON text to be read whole columns at a time; read once for all that is looked up in it."""
        if at not in self._read_objects:
            known = self._parent[0]._read_objects.get(at) if self._parent else None  # noqa: SLF001 - of its kind
            self._read_objects[at] = (
                known.take(self._parent[1])
                if known and self._parent
                else JsonObjects(typed.plain(array.storage))
            )
        return self._read_objects[at]

    def _cells(self, array: pa.Array, at: Path) -> np.ndarray:
        """The cells of a column as values; JSON text is parsed once, also for events taken from these."""
        known = self.parsed(at)
        if known is None:
            values = parse_column(array.storage) if columns.is_json(array) else typed.values(array)
            known = self._parsed[at] = columns.objects(values).to_numpy()
        return known

    # ------------------------------------------------------------------------------------------ arrays

    def _array(self, name: str) -> pa.Array:
        chunked = self._table.column(self._table.schema.get_field_index(name))
        array = chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()
        return typed.plain(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array)

    def _json(self, name: str) -> pa.Array:
        array = self._array(name)
        return pa.ExtensionArray.from_storage(pa.json_(), array) if pa.types.is_string(array.type) else array

    def _segment_column(self, name: str) -> pa.Array:
        return self._json(name) if name in OBJECTS else self._array(name)

    def _object(self, field: str) -> pa.StructArray:
        """One of the objects of a warehouse's event, made of the columns that hold its keys."""
        held = object_columns(field, self._table.column_names)
        return pa.StructArray.from_arrays([self._array(column) for column in held.values()], names=list(held))

    # ------------------------------------------------------------------------------------------- whole

    def _read_whole(self) -> list[Value]:
        if (known := self._known(())) is not None:
            return list(known)
        if WHOLE_EVENT in self._table.column_names:
            return list(self._cells(self._json(WHOLE_EVENT), (WHOLE_EVENT,)))
        fields = self._fields()
        cells = [columns.cells(self.column((field,))) for field in fields]
        return [
            {field: cell for field, cell in zip(fields, row, strict=True) if cell is not UNDEFINED}
            for row in zip(*cells, strict=True)
        ] or [{} for _ in range(len(self))]

    def _fields(self) -> list[str]:
        names = list(self._table.column_names)
        return names if self._layout == "segment" else [*_FLAT_FIELDS, *_unplaced(names)]


#: The top-level fields that Segment's warehouses keep, as Segment's API names them.
_FLAT_FIELDS = (
    "type", "event", "messageId", "userId", "anonymousId", "timestamp", "originalTimestamp", "sentAt", "receivedAt",
    "context", "properties",
)  # fmt: skip


def _unplaced(names: Sequence[str]) -> list[str]:
    """Objects beside ``context`` and ``properties`` that some column of a warehouse table belongs to."""
    return [field for field in ("integrations", "traits") if object_columns(field, names)]


__all__ = ["Events", "Roots", "Values"]
