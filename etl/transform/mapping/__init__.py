"""Mappings: from Segment's JSON of directives to functions from a frame of track events to columns. Pure."""
