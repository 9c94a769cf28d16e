"""Fingerprints: of a transaction_id, to find it fast, and of a body, to tell whether its content changed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from etl.hashing import WIDTH, hashes

if TYPE_CHECKING:
    import numpy as np

_KEY = pa.binary(WIDTH)


def transaction_keys(transaction_ids: pd.Series) -> pd.Series:
    """16 bytes per id, of its UTF-8 (``hashing.hashes``), as ``binary[16]``; same index."""
    return _hashed(transaction_ids)


def digests(bodies: pd.Series) -> pd.Series:
    """16 bytes per body, of its canonical JSON text (``hashing.hashes``), as ``binary[16]``; same index."""
    return _hashed(bodies)


def _hashed(texts: pd.Series) -> pd.Series:
    utf8 = pa.array(texts).cast(pa.binary()).to_numpy(zero_copy_only=False).tolist()
    return pd.Series(fingerprint_array(b"".join(hashes(utf8))), index=texts.index)


def fingerprint_array(fingerprints: bytes | np.ndarray) -> pd.arrays.ArrowExtensionArray:
    """Fingerprints in a row, 16 bytes each, as ``binary[16]``."""
    found = pa.py_buffer(fingerprints)
    return pd.arrays.ArrowExtensionArray(pa.Array.from_buffers(_KEY, found.size // WIDTH, [None, found]))
