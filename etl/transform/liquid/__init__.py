"""``@liquid``: Segment's Liquid, which is liquidjs 10.30.1 without the tags and filters that Segment disables.

``engine`` offers it to mappings. ``tokens`` cuts a template up; ``expressions`` and ``tags`` compile the parts into
closures over a ``scope``, which holds one rendering and its limits; ``values`` has Liquid's own rules for values.
``filters`` names all filters: ``strings``, ``arrays``, ``maths``, ``dates`` and ``markup`` by what they are about.
"""
