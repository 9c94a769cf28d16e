"""How fast the job is, next to what could be written instead of it: ``make bench`` and ``make bench-growth``."""
