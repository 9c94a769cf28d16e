"""Where track events come from: Parquet, raw logs, warehouses; each yields record batches of one file or table.

Nothing here knows mappings, Metronome or the state; values are read as they were stored, or refused with a reason.
"""
