"""The vocabulary and the contracts: errors, windows, layouts, ids, reports, and the protocols between the rooms.

Whatever two rooms must agree on lives here. Nothing here knows a file format, a database, Metronome or the terminal, and
nothing here imports another room.
"""
