"""Pairs counted by subscription, and a quantity of their events summed beside the counts, digit for digit. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.core.report import total

if TYPE_CHECKING:
    import pandas as pd

    from etl.core.layouts import Path
    from etl.core.report import Counts
    from etl.pipeline.pairs import Examined

#: The column of pairs that holds the quantity, where one is asked for.
QUANTITY = "quantity"
#: JSON's numbers, which events also hold as texts.
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
#: Beyond a double's it is no number to JavaScript, and exact sums would need a page.
_GREATEST_EXPONENT = 400


def count(counts: Counts, outcome: str, pairs: pd.DataFrame, sign: int = 1) -> None:
    """Count ``pairs`` (columns ``subscription`` and, where asked for, ``quantity``) under ``outcome``."""
    numbers = pairs["subscription"].value_counts()
    counts.add(outcome, {str(name): sign * int(number) for name, number in numbers.items()})
    if QUANTITY in pairs and len(pairs):
        sums = pairs.groupby("subscription", sort=False)[QUANTITY].agg(total)
        counts.add_quantities(outcome, {str(name): sign * value for name, value in sums.items()})


def with_quantities(examined: Examined, path: Path) -> Examined:
    """Its pairs with the number at ``path`` of their track event; zero where there is none."""
    values = np.array([number(value) for value in examined.events.column(path)], object)
    pairs, rejected = (
        frame.assign(**{QUANTITY: values[frame["row"].to_numpy(np.int64)]})
        for frame in (examined.pairs, examined.rejected)
    )
    return replace(examined, pairs=pairs, rejected=rejected)


def number(value: Any) -> Decimal:
    """The number that ``value`` is, or spells, exactly as JSON would write it; zero for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return Decimal(0)
    if isinstance(value, float) and not math.isfinite(value):
        return Decimal(0)
    text = value if isinstance(value, str) else str(value)
    try:
        found = Decimal(text) if _NUMBER.fullmatch(text) else Decimal(0)
    except InvalidOperation:  # an exponent beyond all bounds
        return Decimal(0)
    return found if abs(found.adjusted()) <= _GREATEST_EXPONENT else Decimal(0)
