"""One run, from the source to the books: read, map, decide, send, record.

``run`` is the story, ``wiring`` and ``schedule`` set it up, ``api`` and ``backfill`` start it; the other modules are its
steps. No HTTP and no SQL here, no file formats and no terminal: those are what sources, ``metronome``, ``state`` and
``cli`` are for. What happens after a run (reports, alarms, retries) is in ``operations``.
"""
