"""What Segment's action makes of mapped values: its schema's checks and casts, timestamps, and the body's text. Pure."""
