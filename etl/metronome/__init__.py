"""Destinations: where usage events go. ``metronome.Metronome`` is the one there is."""
