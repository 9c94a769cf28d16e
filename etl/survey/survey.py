"""A survey of the track events of a source: batches in, a line per path out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from etl.survey.paths import written
from etl.survey.tally import Tally
from etl.survey.walk import Found, walk

if TYPE_CHECKING:
    from etl.events import Layout, Path

#: Paths beyond so many are not kept: keys that are ids of something would fill any memory.
MOST_PATHS = 2_000

_Key = tuple["Path", "str | None"]
#: The columns and their types; None: Python lists.
_LINE: dict[str, pa.DataType | None] = {
    "path": pa.string(),
    "reachable": pa.bool_(),
    "types": None,
    "filled": pa.int64(),
    "fill": pa.float64(),
    "distinct": pa.int64(),
    "exact": pa.bool_(),
    "samples": None,
}


class Survey:
    """``rows``: the events looked at. ``more``: whether there were more paths than are kept."""

    def __init__(self, *, samples: bool = True) -> None:
        self.rows = 0
        self.more = False
        self._samples = samples
        self._tallies: dict[_Key, Tally] = {}

    def add(self, table: pa.Table, layout: Layout) -> None:
        """Look at a batch."""
        self.rows += table.num_rows
        for found in walk(table, layout):
            tally = self._tally(found)
            if tally is not None:
                tally.add(found.cells)

    def _tally(self, found: Found) -> Tally | None:
        key = (found.path, found.column)
        if key not in self._tallies and len(self._tallies) >= MOST_PATHS:
            self.more = True
            return None
        return self._tallies.setdefault(key, Tally(samples=self._samples))

    def frame(self) -> pd.DataFrame:
        """A row per path, the event's own fields first; the columns are told by ``etl.fields``."""
        lines = [_line(key, self._tallies[key], self.rows) for key in sorted(self._tallies, key=_order)]
        return pd.DataFrame({name: _column(name, [line[name] for line in lines]) for name in _LINE})


def _column(name: str, cells: list[Any]) -> pd.Series:
    held = _LINE[name]
    return pd.Series(cells, dtype=object) if held is None else pd.Series(cells, dtype=pd.ArrowDtype(held))


def _order(key: _Key) -> tuple[bool, bool, Path]:
    path, column = key
    return column is not None, len(path) > 1, path


def _line(key: _Key, tally: Tally, rows: int) -> dict[str, Any]:
    path, column = key
    text, reachable = written(path) if column is None else (column, False)
    return {
        "path": text,
        "reachable": reachable,
        "types": [name for name, _ in tally.types.most_common()],
        "filled": tally.filled,
        "fill": tally.filled / rows if rows else 0.0,
        "distinct": tally.distinct.count if tally.counted else None,
        "exact": tally.distinct.exact if tally.counted else None,
        "samples": tally.samples,
    }
