"""Track events → usage events, exactly as Segment's "Metronome (Actions)" destination would: pure, no clock, no I/O.

A mapping is a function from a frame of track events to a column; a trigger, to a boolean column.
"""

from etl.transform.compiled import Compiled, Mapped, compile_subscription
from etl.transform.frame import event_json, map_events
from etl.transform.mapping import compile_mapping
from etl.transform.tracks import Events
from etl.transform.values import UNDEFINED

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
