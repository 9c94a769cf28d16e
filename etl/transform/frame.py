"""``map_events``: Segment's mapping rules applied to events at hand, for notebooks and ``etl map``. Pure."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from etl.core.errors import ConfigError
from etl.core.layouts import WHOLE_EVENT, detect_layout, snake_case
from etl.core.stored import refusal, unfit
from etl.core.subscription import Subscription
from etl.transform.columns.tracks import Events, Roots
from etl.transform.compiled import Compiled, compile_subscription
from etl.transform.javascript.values import UNDEFINED
from etl.transform.json.text import canonical_column, in_order, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.core.layouts import Layout

_COLUMNS = ("row", "subscription", "outcome", "body", "stage", "reason")


def map_events(
    events: Sequence[Mapping[str, Any]] | pd.DataFrame | pa.Table,
    subscriptions: Subscription | Sequence[Subscription],
) -> pd.DataFrame:
    """What becomes of each event under each subscription: Segment's mapping rules, and nothing else.

    Args:
        events: dicts as ``json.loads`` makes them, or a table in either layout (``etl.core.layouts``), nested or flat.
        subscriptions: one or more; a wrong trigger or mapping rejects events, it does not raise.

    Returns:
        A row per (event, subscription), by event, then in the order of ``subscriptions``, with the columns
        ``row`` (int64, position of the event), ``subscription``, ``outcome`` (``mapped``, ``filtered`` or
        ``rejected``), ``body`` (the usage event's JSON text exactly as it would be sent; null unless mapped),
        ``stage`` (``subscription``, ``mapping``, ``schema``, ``execute`` or ``serialize``) and ``reason`` (null
        unless rejected); all but ``row`` are Arrow strings.
    """
    asked = [subscriptions] if isinstance(subscriptions, Subscription) else list(subscriptions)
    roots = as_events(events)
    frames = [_outcomes(compile_subscription(subscription), roots) for subscription in asked]
    if not frames:
        return _frame({name: [] for name in _COLUMNS})
    together = pd.concat(frames, ignore_index=True)
    return together.sort_values("row", kind="stable", ignore_index=True) if len(frames) > 1 else together


def as_events(events: Sequence[Mapping[str, Any]] | pd.DataFrame | pa.Table) -> Roots:
    """Events from what notebooks hold; a table's columns say its layout. Raises ``ConfigError`` as ``_refuse`` does."""
    if isinstance(events, pd.DataFrame):
        events = _table(events)
    if isinstance(events, pa.Table):
        _refuse(events)
        return Events(events, detect_layout(events.schema))
    return Events.of(list(events))


def _refuse(table: pa.Table) -> None:
    """Raises ``ConfigError`` for what cannot be read exactly: sources refuse the same, files as a whole or rows."""
    if reason := refusal(table.schema):
        raise ConfigError(f"the table {reason}")
    for reason, rows in unfit(table):
        raise ConfigError(f"row {np.flatnonzero(rows)[0] + 1} cannot be read: {reason}")


def event_json(events: Roots, rows: Sequence[int]) -> list[str]:
    """The events at ``rows`` as canonical JSON text, as far as they were read; for dead letters."""
    whole = events.take(np.asarray(rows, np.int64)).whole()
    return [text or "{}" for text in canonical_column(whole.tolist()).to_pylist()]


def kept_table(texts: Sequence[str], layout: Layout) -> pa.Table:
    """What ``event_json`` wrote of events of one layout, as a table of that layout again.

    The keys of a warehouse's events are its columns', and only as columns do paths lead to them: those of a lake, where
    nothing a property is called is a reserved name.
    """
    if layout == "segment":
        return pa.table({WHOLE_EVENT: pa.array(texts, pa.json_())})
    rows = [_flat(parse(text)) for text in texts]
    return pa.table(
        {
            name: pa.array([in_order(row[name]) if name in row else None for row in rows], pa.json_())
            for name in dict.fromkeys(name for row in rows for name in row)
        }
    )


def _flat(event: Any) -> dict[str, Any]:
    """Column → value."""
    flat: dict[str, Any] = {}
    for field, value in event.items():
        keys = value.items() if isinstance(value, dict) else ()
        flat |= {f"{snake_case(field)}_{key}": cell for key, cell in keys}
        if not isinstance(value, dict):
            flat[snake_case(field)] = value
    return flat


def _table(frame: pd.DataFrame) -> pa.Table:
    """A pandas frame as a table; columns of objects that are not all of one simple type become JSON text."""
    arrays = [_array(frame[name]) for name in frame.columns]
    return pa.Table.from_arrays(arrays, names=[str(name) for name in frame.columns])


def _array(column: pd.Series) -> pa.Array:
    if column.dtype != object:
        array = pa.Array.from_pandas(column)
        return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    cells = [UNDEFINED if _is_missing(cell) else cell for cell in column]
    if {dict, list}.isdisjoint(map(type, cells)):
        with suppress(pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError, OverflowError):
            return pa.array([None if cell is UNDEFINED else cell for cell in cells])
    return pa.array([None if cell is UNDEFINED else in_order(cell) for cell in cells], pa.json_())


def _is_missing(cell: Any) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)  # noqa: PLR0124 - NaN


def _outcomes(compiled: Compiled, events: Roots) -> pd.DataFrame:
    mask, failed = compiled.match(events)
    positions = np.flatnonzero(mask)
    mapped = compiled.map(events.take(positions) if len(positions) < len(events) else events)
    cells = {name: np.full(len(events), None, dtype=object) for name in _COLUMNS[2:]}
    cells["outcome"][:] = "filtered"
    _fill(cells, positions[mapped.accepted["row"].to_numpy(np.int64)], mapped.accepted, "mapped", ("body",))
    why = ("stage", "reason")
    _fill(cells, positions[mapped.rejected["row"].to_numpy(np.int64)], mapped.rejected, "rejected", why)
    _fill(cells, failed["row"].to_numpy(np.int64), failed, "rejected", why)
    return _frame(
        {"row": range(len(events)), "subscription": [compiled.subscription.name] * len(events), **cells}
    )


def _fill(
    cells: dict[str, np.ndarray], rows: np.ndarray, frame: pd.DataFrame, outcome: str, names: tuple[str, ...]
) -> None:
    cells["outcome"][rows] = outcome
    for name in names:
        cells[name][rows] = frame[name].to_numpy(dtype=object)


def _frame(data: dict[str, Any]) -> pd.DataFrame:
    made = {"row": pd.array(np.array(data["row"], np.int64), dtype=pd.ArrowDtype(pa.int64()))}
    for name in _COLUMNS[1:]:
        made[name] = pd.array(list(data[name]), dtype=pd.ArrowDtype(pa.string()))
    return pd.DataFrame(made)
