"""Rows of the state database as Arrow tables and DataFrames, with types that do not depend on what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from etl.state.rows import restored
from etl.state.schema import Moment

if TYPE_CHECKING:
    from collections.abc import Iterable

_TIMESTAMP = pa.timestamp("us", "UTC")


def table(connection: sa.Connection, query: sa.Select[Any]) -> pa.Table:
    """The rows of ``query``: int64, string, binary and ``timestamp[us, UTC]`` columns, texts as they were given."""
    columns = list(query.selected_columns)
    values = list(zip(*connection.execute(query), strict=True)) or [()] * len(columns)
    arrays = [_array(column, cells) for column, cells in zip(columns, values, strict=True)]
    return pa.table(arrays, [str(column.key) for column in columns])


def frame(connection: sa.Connection, query: sa.Select[Any]) -> pd.DataFrame:
    """The same as a DataFrame with Arrow types."""
    found: pd.DataFrame = table(connection, query).to_pandas(types_mapper=pd.ArrowDtype)
    return found


def _array(column: sa.ColumnElement[Any], cells: Iterable[Any]) -> pa.Array:
    match column.type:
        case Moment():
            return pa.array(cells, _TIMESTAMP)
        case sa.Text():
            return pa.array([None if cell is None else _valid(restored(cell)) for cell in cells], pa.string())
        case sa.LargeBinary():
            return pa.array([None if cell is None else bytes(cell) for cell in cells], pa.binary())
    return pa.array([None if cell is None else int(cell) for cell in cells], pa.int64())


def _valid(text: str) -> str:
    """Arrow's strings are UTF-8, which has no half surrogate pairs: shown as JSON would escape them."""
    return text.encode(errors="backslashreplace").decode()
