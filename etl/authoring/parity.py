"""Our usage events against recorded ones, field by field: the parity check of people who move in. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from etl.transform.json.text import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Notes on values that are written differently and mean the same.
DOUBLES, INSTANT = "the same as doubles", "the same instant"
_COLUMNS = ("transaction_id", "difference", "path", "ours", "expected", "note")
_TEXT = pd.ArrowDtype(pa.string())
_ABSENT = object()


@dataclass(frozen=True)
class Comparison:
    """``ours``, ``expected``: how many usage events there are on each side; ``equal``: how many agree.

    ``differences``, Arrow strings: ``transaction_id``; ``difference`` (``differs``, ``missing``: only recorded,
    ``extra``: only ours); ``path`` of the value inside the usage event (null for missing and extra ones); ``ours``
    and ``expected``, the values as JSON text (null where there is none); ``note`` (``the same as doubles``, ``the
    same instant``, or what became of the event of a missing one; else null).
    """

    ours: int
    expected: int
    equal: int
    differences: pd.DataFrame

    @property
    def agree(self) -> bool:
        """Whether nothing differs."""
        return not len(self.differences)

    def by_field(self) -> Counter[tuple[str, str, str]]:
        """(difference, path, note) → how many; for missing and extra ones the path is empty."""
        rows = self.differences[["difference", "path", "note"]].fillna("").itertuples(index=False, name=None)
        return Counter(rows)


def compare(
    ours: Mapping[str, Any],
    expected: Mapping[str, Any],
    unmade: Mapping[str, str],
    *,
    by_value: bool = False,
) -> Comparison:
    """Bodies by transaction_id, as JSON values with every digit; numbers are compared exactly, texts as they stand.

    ``unmade``: messageId → why no usage event was made of an event. ``by_value``: numbers that agree as doubles and
    timestamps that are the same instant do not differ.
    """
    rows: list[tuple[str | None, ...]] = []
    equal = 0
    for key, theirs in expected.items():
        if key not in ours:
            note = unmade.get(key, "no usage event of ours has this id")
            rows.append((key, "missing", None, None, canonical(theirs), note))
            continue
        found = [row for row in _differences((), ours[key], theirs) if not (by_value and row[-1])]
        rows += [(key, "differs", *row) for row in found]
        equal += not found
    rows += [(key, "extra", None, canonical(ours[key]), None, None) for key in ours if key not in expected]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_TEXT)
    return Comparison(len(ours), len(expected), equal, frame)


_Row = tuple[str, str | None, str | None, str | None]


def _differences(path: tuple[str, ...], ours: Any, theirs: Any) -> Iterator[_Row]:
    """Path, both values and a note, for each place where two JSON values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            yield from _differences((*path, key), ours.get(key, _ABSENT), theirs.get(key, _ABSENT))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences((*path, str(index)), one, other)
    elif not _equal(ours, theirs):
        yield ".".join(["$", *path]), _text(ours), _text(theirs), _note(path, ours, theirs)


def _equal(ours: Any, theirs: Any) -> bool:
    if _is_number(ours) and _is_number(theirs):
        return _exact(ours) == _exact(theirs)
    return type(ours) is type(theirs) and bool(ours == theirs)


def _note(path: tuple[str, ...], ours: Any, theirs: Any) -> str | None:
    if _is_number(ours) and _is_number(theirs):
        return DOUBLES if float(ours) == float(theirs) else None
    if path == ("timestamp",) and isinstance(ours, str) and isinstance(theirs, str):
        return INSTANT if _instant(ours) == _instant(theirs) is not None else None
    return None


def _instant(text: str) -> pd.Timestamp | None:
    try:
        stamp = pd.Timestamp(text)
    except ValueError:
        return None
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _exact(number: float | Decimal) -> Decimal:
    """The number as it was written: the shortest text that is this double."""
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


def _text(value: Any) -> str | None:
    return None if value is _ABSENT else canonical(value)
