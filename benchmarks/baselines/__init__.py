"""What one could write instead of the job; each is a program of its own, run as ``python -m``."""
