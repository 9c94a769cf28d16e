"""Mappings: Segment's directives compiled to functions on columns.

Here: ``compiler`` (a whole mapping), ``expression`` (a value of it), ``validation`` (what Segment checks before any
event), ``directive`` (what a directive consists of) and ``directives/``, one file each. Not here: what the five fields
must hold (``transform.usage``), and where in a config file something stands (``authoring.lints``).
"""
