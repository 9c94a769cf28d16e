"""What is counted for one path, in bounded memory: types, how often filled, about how many different values. Pure."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform import typed
from etl.transform.jsontext import canonical_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.transform.values import Value

#: Up to so many different values the count is exact; above it is off by about 1.6 % (one over the root of this).
EXACT = 4096
SAMPLES = 3
_LONGEST_SAMPLE = 120


class Distinct:
    """How many different texts there were: the smallest of their hashes are kept, and tell how dense hashes lie.

    The estimate of Bar-Yossef et al., "Counting distinct elements in a data stream" (2002): of n values spread
    evenly, the k-th smallest lies at about k/n.
    """

    def __init__(self) -> None:
        self._smallest = np.empty(0, np.uint64)
        self._more = False

    def add(self, hashes: np.ndarray) -> None:
        """Count these too."""
        found = np.unique(np.concatenate([self._smallest, hashes]))
        self._more = self._more or len(found) > EXACT
        self._smallest = found[:EXACT]

    @property
    def exact(self) -> bool:
        """Whether ``count`` is no estimate."""
        return not self._more

    @property
    def count(self) -> int:
        """How many."""
        if self.exact:
            return len(self._smallest)
        return round((EXACT - 1) / (float(self._smallest[-1]) / 2**64))


class Tally:
    """``types``: how many cells of each JSON type (times told apart, where the column's type tells them)."""

    def __init__(self, *, samples: bool = True) -> None:
        self.filled = 0
        self.types: Counter[str] = Counter()
        self.distinct = Distinct()
        self._samples: dict[int, str] | None = {} if samples else None

    @property
    def samples(self) -> list[str]:
        """A few values as JSON text, drawn at random from the different ones, the same each time."""
        return sorted((self._samples or {}).values())

    @property
    def counted(self) -> bool:
        """Whether there are values to tell apart: objects are not compared."""
        return any(kind not in ("object", "null") for kind in self.types)

    def add(self, cells: pa.Array | Sequence[Value]) -> None:
        """Count the cells of a batch."""
        if isinstance(cells, pa.Array):
            self._add_array(cells)
        else:
            self._add_values(cells)

    def _add_array(self, array: pa.Array) -> None:
        present = len(array) - array.null_count
        self.filled += present
        kind = _kind_of_type(array.type)
        if present:
            self.types[kind] += present
        if kind != "object" and present:
            self._tell_apart(_texts(pc.unique(typed.plain(array).drop_null())))

    def _add_values(self, cells: Sequence[Value]) -> None:
        kinds = Counter(map(_kind, cells))
        self.types += kinds
        self.filled += len(cells) - kinds["null"]
        scalars = [cell for cell in cells if cell is not None and not isinstance(cell, dict)]
        if scalars:
            self._tell_apart(pc.unique(canonical_column(scalars)))

    def _tell_apart(self, texts: pa.Array) -> None:
        values = texts.to_numpy(zero_copy_only=False)
        hashes = pd.util.hash_array(values, categorize=False)
        self.distinct.add(hashes)
        if self._samples is not None:
            for at in np.argsort(hashes)[:SAMPLES]:
                self._samples[int(hashes[at])] = _shortened(values[at])
            self._samples = dict(sorted(self._samples.items())[:SAMPLES])


def _texts(array: pa.Array) -> pa.Array:
    """Each value as JSON text; decimals without the zeros at their end, as they stand in JSON."""
    if not pa.types.is_decimal(array.type):
        return canonical_column(typed.values(array))
    digits = pc.replace_substring_regex(array.cast(pa.string()), r"(\.[0-9]*?)0+$", r"\1")
    return pc.utf8_rtrim(digits, characters=".")


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SAMPLE else f"{text[:_LONGEST_SAMPLE]}…"


_KINDS: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    Decimal: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}


def _kind(cell: Value) -> str:
    return _KINDS[type(cell)]


_TYPES = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_integer, "integer"),
    (pa.types.is_decimal, "decimal"),
    (pa.types.is_floating, "number"),
    (pa.types.is_timestamp, "time"),
    (pa.types.is_date, "date"),
    (pa.types.is_struct, "object"),
)


def _kind_of_type(held: pa.DataType) -> str:
    return next((name for matches, name in _TYPES if matches(held)), "string")
