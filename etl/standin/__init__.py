"""A local Metronome stand-in: ``POST /v1/ingest`` with the documented rules, read-back, and faults to order.

For development: ``python -m etl.standin --token dev`` and ``base_url: http://127.0.0.1:8765`` in the config.
For tests and the demo: ``with Standin() as standin: ...``. It keeps to the loopback interface. The server
needs the extra ``standin``; importing this package does not.
"""

from __future__ import annotations

from etl.standin.process import AcceptedEvent, Standin, accepted_events, read_record

__all__ = ["AcceptedEvent", "Standin", "accepted_events", "read_record"]
