"""How the process gets memory for columns."""

from __future__ import annotations

import pyarrow as pa


def reuse_buffers() -> None:
    """Let Arrow take its buffers from jemalloc where it has it.

    Arrow's default (mimalloc) gives large buffers back at once, and taking them anew for every batch is a tenth of a
    run's CPU time; jemalloc keeps them for a second, and a run's peak is a tenth lower (docs/performance.md). For
    commands only: in a notebook the process is not ours.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
