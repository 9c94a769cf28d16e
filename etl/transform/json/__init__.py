"""JSON text: parsed and written value by value (``text``), whole typed columns (``encode``), columns of text (``objects``).

Pure. Not here: what Segment makes of a value once it is parsed.
"""
