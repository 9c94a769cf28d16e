"""Track events → usage events, exactly as Segment's "Metronome (Actions)" destination would: pure, no clock, no I/O.

A mapping is a function from a frame of track events to a column; a trigger, to a boolean column.
"""

from etl.transform.columns.tracks import Events
from etl.transform.compiled import Compiled, Mapped, compile_subscription
from etl.transform.frame import event_json, map_events
from etl.transform.javascript.values import UNDEFINED
from etl.transform.mapping.compiler import compile_mapping

__all__ = [
    "UNDEFINED",
    "Compiled",
    "Events",
    "Mapped",
    "compile_mapping",
    "compile_subscription",
    "event_json",
    "map_events",
]
