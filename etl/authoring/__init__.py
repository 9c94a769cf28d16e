"""Before the first bill: make a config, import one from Segment, check it, compare its usage events with recorded ones.

``init`` and ``import_segment`` write configs; ``check`` and ``lints/`` explain them; ``survey`` counts what a source
holds; ``parity`` compares; ``event_files`` reads events from files; ``notebook`` has what notebooks call. Nothing here
sends usage events or changes the state.
"""
