"""Metronome's limits on a usage event: what would poison a chunk is rejected here, at stage ``limits``. Pure.

Sources: Metronome's API reference (ids of 1 to 128 characters, non-empty customer and event type, RFC 3339 with a
four-digit year); the 256-byte property value and the 1 MB body are not documented by Metronome.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.core.subscription import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    #: Bytes of each text, by column.
    Lengths = Mapping[str, np.ndarray]

MAX_ID_CHARACTERS = 128
MAX_BODY_BYTES = 1_000_000
_FRAME_BYTES = len(json.dumps(dict.fromkeys(FIELDS, ""), separators=(",", ":"))) - len('""')
_TEXTS = [name for name in FIELDS if name != "properties"]
_MEASURED = [*_TEXTS, "body"]
_STAMP_CHARACTERS = len("2026-11-01T00:00:00.000Z")


@dataclass(frozen=True)
class Limits:
    """What is refused or warned about beyond Metronome's documented rules.

    ``property_value``: whether a string inside ``properties`` over ``property_value_bytes`` (UTF-8) is only
    warned about (it is sent) or rejected.
    """

    property_value: Literal["warn", "reject"] = "warn"
    property_value_bytes: int = 256


def check(pairs: pd.DataFrame, limits: Limits) -> tuple[pd.Series, int]:
    """Each accepted pair against the limits: a reason per row, NA where it is within them; rows with a long value.

    ``pairs``: string columns ``transaction_id, customer_id, event_type, timestamp, body``. The first limit that
    a pair breaks is its reason; reasons never quote values.
    """
    lengths = {name: _lengths(pairs[name]) for name in _MEASURED}
    long_values = _long_values(pairs, lengths, limits.property_value_bytes)
    too_long = f"a property value is longer than {limits.property_value_bytes} bytes"
    refused = [(long_values, too_long)] if limits.property_value == "reject" else []
    warned = int(long_values.sum()) if limits.property_value == "warn" else 0
    reasons = np.full(len(pairs), None, dtype=object)
    for broken, reason in [*_rules(pairs, lengths), *refused][::-1]:  # the first that is broken is told
        reasons[broken] = reason
    told = pd.arrays.ArrowExtensionArray(pa.array(reasons, pa.string()))
    return pd.Series(told, index=pairs.index), warned


def _rules(pairs: pd.DataFrame, lengths: Lengths) -> Iterator[tuple[np.ndarray, str]]:
    ids = lengths["transaction_id"]
    yield ids == 0, "transaction_id is empty; Metronome takes 1 to 128 characters"
    yield (
        _longer(pairs["transaction_id"], ids),
        "transaction_id is longer than 128 characters; Metronome takes 1 to 128",
    )
    yield lengths["customer_id"] == 0, "customer_id is empty"
    yield lengths["event_type"] == 0, "event_type is empty"
    yield (
        lengths["timestamp"] != _STAMP_CHARACTERS,
        "timestamp has no four-digit year; Metronome takes RFC 3339",
    )
    yield lengths["body"] > MAX_BODY_BYTES, "the usage event is larger than 1 MB"


def _long_values(pairs: pd.DataFrame, lengths: Lengths, limit: int) -> np.ndarray:
    """Rows with a string over ``limit`` bytes in ``properties``: candidates by size and pattern, then parsed."""
    bodies = _arrow(pairs["body"])
    long_values = _properties_bytes(lengths) > limit
    positions = np.flatnonzero(long_values)
    long_values[:] = False
    for position in positions[_has_long_run(bodies.take(pa.array(positions)), limit)]:
        # json, not orjson: a body may carry an escaped lone surrogate, as Segment's does.
        properties = json.loads(bodies[position].as_py())["properties"]
        long_values[position] = _has_long_value(properties, limit)
    return long_values


def _properties_bytes(lengths: Lengths) -> np.ndarray:
    """How long the JSON of ``properties`` is at most: the body without its other fields, whose escapes only add."""
    return lengths["body"] - sum(lengths[name] for name in _TEXTS) - _FRAME_BYTES


def _has_long_run(bodies: pa.Array, limit: int) -> np.ndarray:
    # JSON escapes only lengthen a value, so a long value always shows as a long run without a quote, except where
    # it holds escaped quotes. RE2 counts repetitions up to 1000.
    run = f'"[^"]{{{min(limit + 1, 1000)}}}'
    return _numpy(pc.or_(pc.match_substring_regex(bodies, run), pc.match_substring(bodies, '\\"')))


def _has_long_value(value: Any, limit: int) -> bool:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass")) > limit
    if isinstance(value, dict):
        return any(_has_long_value(v, limit) for v in value.values())
    if isinstance(value, list):
        return any(_has_long_value(v, limit) for v in value)
    return False


def _arrow(column: pd.Series) -> pa.Array:
    array = pa.array(column)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _lengths(column: pd.Series) -> np.ndarray:
    """In bytes."""
    return _numpy(pc.binary_length(_arrow(column)))


def _longer(ids: pd.Series, lengths: np.ndarray) -> np.ndarray:
    """Which have more than ``MAX_ID_CHARACTERS``; with no more bytes than that, none has."""
    longer = lengths > MAX_ID_CHARACTERS
    return _numpy(pc.utf8_length(_arrow(ids))) > MAX_ID_CHARACTERS if longer.any() else longer


def _numpy(array: pa.Array) -> np.ndarray:
    return np.array(array.to_numpy(zero_copy_only=False))
