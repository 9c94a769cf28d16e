"""Numbers longer than any double or decimal context keeps."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

import etl
from etl.core.subscription import DEFAULT_MAPPING

LONG = ["0." + "123456789" * 8, "-12345678901234567890." + "1" * 50, "0.0000000001" + "2" * 40, "1" * 76]


@pytest.mark.parametrize("digits", LONG)
@pytest.mark.parametrize("typed", [False, True])
def test_long_fractions_keep_every_digit(digits: str, typed: bool) -> None:
    """In JSON text and in a decimal(76, s) column."""
    if typed:
        properties = pa.StructArray.from_arrays([pa.array([Decimal(digits)])], ["n"])
    else:
        properties = pa.array([f'{{"n": {digits}}}'])
    event = {
        "type": ["track"],
        "event": ["e"],
        "messageId": ["m"],
        "timestamp": ["2026-11-01T00:00:00Z"],
        "context": ['{"groupId": "g"}'],
        "properties": properties,
    }
    frame = etl.map_events(pa.table(event), etl.Subscription("s", 'type = "track"', DEFAULT_MAPPING))
    found = frame["body"][0].split('"n":')[1].rstrip("}")
    assert Decimal(found) == Decimal(digits)
