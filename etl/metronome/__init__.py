"""Metronome: from chunks to confirmed chunks. HTTP, what answers mean, pace, and the process that sends.

Nothing here knows sources, mappings or the state database; the token and the environment are passed in.
"""
