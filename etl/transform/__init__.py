"""Track events → usage events, exactly as Segment's "Metronome (Actions)" destination would: pure, no clock, no I/O.

``compiled`` applies a subscription: its trigger (``fql``) is a function from a frame of track events to a boolean
column, its mapping (``mapping``, ``liquid``) to a column per field; ``usage`` checks the fields and writes the body.
Below them: ``columns`` (what Arrow and JSON hold, as columns), ``json`` (its text) and ``javascript`` (conversions and
dates). Not here: sources, state, configuration files, and whatever else has to do with a run.
"""

from etl.transform.columns.tracks import Events
from etl.transform.compiled import Compiled, Mapped, compile_subscription
from etl.transform.frame import event_json, kept_table, map_events
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
    "kept_table",
    "map_events",
]
