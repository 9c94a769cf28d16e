"""From rows as a storage hands them out to event batches: JSON typed, cursors read, the window applied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.core.layouts import OBJECTS
from etl.core.ports import EventBatch, Unreadable
from etl.core.stored import unfit
from etl.sources.cursors import INSTANT, inside, instants, is_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from etl.core.layouts import Layout
    from etl.core.windows import Window

JSON = pa.json_(pa.string())


@dataclass(frozen=True)
class Part:
    """Rows read together.

    ``rows``: int64, their positions in the origin, from 0. ``cursor``: the column of cursors, where it is not one
    of the table's own.
    """

    table: pa.Table
    rows: pa.Array
    unreadable: Sequence[Unreadable] = ()
    cursor: pa.Array | None = None

    def of(self, kept: np.ndarray) -> Part:
        """Those of the rows where ``kept`` (bool) holds."""
        mask = pa.array(kept)
        return replace(self, table=self.table.filter(mask), rows=self.rows.filter(mask))


def positions(first: int, count: int) -> pa.Array:
    """``count`` positions in a row, from ``first``."""
    return pa.array(np.arange(first, first + count, dtype=np.int64))


def batches_of(
    parts: Iterable[Part],
    layout: Layout,
    cursor: str,
    window: Window,
    *,
    origin: str,
    mark: str | None,
    past: bool = False,
) -> Iterator[EventBatch]:
    """Event batches of the rows of ``parts`` that lie in ``window``.

    ``mark`` goes with the last batch if every row lay inside, rows without a cursor aside: those are reported
    as unreadable here and need no second reading. ``past``: rows of before the window are nobody's, and do not count;
    the mark then also goes out if there is no other row.
    """
    held: EventBatch | None = None
    for part in parts:
        batch, whole = _batch(part, layout, cursor, window, origin, past=past)
        mark = mark if whole else None
        if batch is not None:
            if held is not None:
                yield held
            held = batch
    if held is not None:
        yield replace(held, mark=mark)
    elif past and mark is not None:
        yield nothing(origin, layout, mark=mark)


def nothing(
    origin: str, layout: Layout, *, mark: str | None = None, known: Collection[str] = ()
) -> EventBatch:
    """A batch of no rows, which carries marks."""
    empty = pa.array([], INSTANT)
    return EventBatch(
        pa.table({"cursor": empty}), layout, empty, positions(0, 0), origin, mark=mark, known=known
    )


def _batch(
    part: Part, layout: Layout, cursor: str, window: Window, origin: str, *, past: bool
) -> tuple[EventBatch | None, bool]:
    """The batch of a part, None if nothing of it is in the window; and whether nothing lay outside of it."""
    table = typed(part.table, layout)
    column = table.column(cursor).combine_chunks() if part.cursor is None else part.cursor
    when = instants(column)
    kept = pc.fill_null(inside(when, window), fill_value=False)
    unreadable = (*part.unreadable, *_without_cursor(when, column, part.rows, cursor, origin))
    inside_window = pc.sum(kept).as_py() or 0
    outside = len(table) - inside_window - when.null_count
    if past and outside:
        outside -= pc.sum(pc.less(when, pa.scalar(window.since, when.type))).as_py() or 0
    rows = part.rows
    if inside_window < len(table):
        table, when, rows = table.filter(kept), when.filter(kept), rows.filter(kept)
    if inside_window and (bad := dict(unfit(table))):
        unreadable = (*unreadable, *_unfit_rows(bad, rows, origin))
        fit = pa.array(~np.logical_or.reduce(list(bad.values())))
        table, when, rows = table.filter(fit), when.filter(fit), rows.filter(fit)
    if not len(table) and not unreadable:
        return None, not outside
    return EventBatch(table, layout, when, rows, origin, unreadable), not outside


def _unfit_rows(bad: Mapping[str, np.ndarray], rows: pa.Array, origin: str) -> Iterator[Unreadable]:
    """Rows with cells that cannot be read exactly, each with the first reason."""
    reasons = {
        index: reason for reason, mask in reversed(list(bad.items())) for index in np.flatnonzero(mask)
    }
    for index in sorted(reasons):
        yield Unreadable(origin, rows[index].as_py() + 1, reasons[index])


def _without_cursor(
    when: pa.Array, column: pa.Array, rows: pa.Array, cursor: str, origin: str
) -> Iterator[Unreadable]:
    if not when.null_count:
        return
    for index in pc.indices_nonzero(pc.is_null(when)).to_pylist():
        state = "tells no instant" if column[index].is_valid else "is null"
        yield Unreadable(origin, rows[index].as_py() + 1, f"the cursor {cursor} {state}")


def typed(table: pa.Table, layout: Layout) -> pa.Table:
    """Without dictionaries; in the ``segment`` layout, objects kept as strings are told to be JSON text."""
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_dictionary(field.type):
            column = pc.cast(column, field.type.value_type)
        if layout == "segment" and field.name in OBJECTS and _is_plain_text(column.type):
            column = as_json(column)
        if column.type != field.type:
            table = table.set_column(index, field.name, column)
    return table


def _is_plain_text(held: pa.DataType) -> bool:
    return is_text(held) or bool(pa.types.is_binary(held))


def as_json(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same text, typed ``pa.json_()``."""
    chunks = [pa.ExtensionArray.from_storage(JSON, pc.cast(chunk, pa.string())) for chunk in column.chunks]
    return pa.chunked_array(chunks, JSON)


def with_constants(table: pa.Table, constants: Mapping[str, pa.Scalar]) -> pa.Table:
    """``table`` and a column for each of ``constants``, with the same value in every row."""
    for name, value in constants.items():
        table = table.append_column(name, pa.repeat(value, len(table)))
    return table
