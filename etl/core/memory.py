"""How a process gets memory and looks for garbage. For processes of our own only, which a notebook's is not."""

from __future__ import annotations

import gc

#: Between two looks for garbage.
_ALLOCATIONS = 50_000


def settle() -> None:
    """What a run needs is loaded: from now on, buffers are used again, and garbage is looked for in what is made later.

    Arrow's default (mimalloc) gives large buffers back at once, and taking them anew for every batch is a tenth of a
    run's CPU time; jemalloc keeps them for a second, and a run's peak is a tenth lower (docs/performance.md).
    """
    import pyarrow as pa

    look_at_new_objects()
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())


def look_at_new_objects() -> None:
    """What is loaded is here to stay: garbage is looked for, less often than by itself, in what is made later."""
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
