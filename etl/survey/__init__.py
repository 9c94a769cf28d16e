"""Which paths track events have, of which types, how often filled: what Segment's variables picker shows. Pure."""

from etl.survey.survey import Survey

__all__ = ["Survey"]
