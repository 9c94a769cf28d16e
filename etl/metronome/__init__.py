"""Metronome: everything that speaks to it, from the chunk that the pipeline cut to the answer it got.

``client`` is the destination that the wiring makes; ``delivery`` stands between the pipeline's thread and ``process``,
which starts the process that sends and keeps its pipes; ``worker`` is that process, ``sender`` the rules of one chunk
in it, ``http`` one request. What an answer means is decided in ``answers``, and nowhere else.

No knowledge of sources, mappings or the state belongs here, and nothing of the environment is read.
"""
