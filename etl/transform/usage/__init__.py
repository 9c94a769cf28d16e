"""Usage events, from the five fields of a mapping: coerced and checked (``schema``, ``timestamps``), written (``body``).

Pure. Not here: Metronome's own limits, which the pipeline checks before it sends.
"""
