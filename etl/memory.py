"""How a command's process gets memory and looks for garbage. For commands only: in a notebook the process is not ours."""

from __future__ import annotations

import gc

import pyarrow as pa

#: Between two looks for garbage.
_ALLOCATIONS = 50_000


def settle() -> None:
    """What a run needs is loaded: from now on, buffers are used again, and garbage is looked for in what is made later.

    Arrow's default (mimalloc) gives large buffers back at once, and taking them anew for every batch is a tenth of a
    run's CPU time; jemalloc keeps them for a second, and a run's peak is a tenth lower (docs/performance.md).
    """
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
