"""Every ``transaction_id`` that Metronome confirmed: appended rows, an index on 64 bits of each key, and pruning.

What a run asks ("which of these were sent, and with this content?") and what it appends; runs and dead letters are next
door in ``etl.state``.
"""
