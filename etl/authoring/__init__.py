"""Before the first bill: a config to start from, import from Segment, checks and lints, fields, parity, notebooks.

Everything here looks at configs and samples of events; nothing here sends or records.
"""
