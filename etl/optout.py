"""Segment's ``integrations`` object: an event opted out of Metronome is not billed (DESIGN §8, FACTS §4). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

    from etl.events import Path
    from etl.transform.tracks import Roots

#: The destination's exact, case-sensitive name in Segment.
DESTINATION = "Metronome (Actions)"

PATHS: frozenset[Path] = frozenset({("integrations", "All"), ("integrations", DESTINATION)})


def opted_out(events: Roots) -> np.ndarray:
    """Bool per event: ``{"All": false}`` or ``{"Metronome (Actions)": false}``.

    An explicit key beats ``All``; anything but ``false`` there (an object, null) counts as true.
    """
    named = events.column(("integrations", DESTINATION))
    out: np.ndarray = _false(named) | (_absent(named) & _false(events.column(("integrations", "All"))))
    return out


def _false(column: pd.Series) -> np.ndarray:
    if column.dtype == object:
        return np.fromiter((value is False for value in column), bool, len(column))
    array = pa.array(column)
    if not pa.types.is_boolean(array.type):
        return np.zeros(len(column), bool)
    return np.array(pc.fill_null(pc.invert(array), fill_value=False).to_numpy(zero_copy_only=False))


def _absent(column: pd.Series) -> np.ndarray:
    from etl.transform import UNDEFINED

    if column.dtype == object:
        return np.fromiter((value is UNDEFINED for value in column), bool, len(column))
    return np.array(column.isna())
