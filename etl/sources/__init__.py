"""Where track events come from: one module per kind of storage, each a ``Source``."""
