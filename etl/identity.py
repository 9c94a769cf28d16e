"""Fingerprints: of a transaction_id, to find it fast, and of a body, to tell whether its content changed. Pure."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from etl.keys import WIDTH, hashes

_KEY = pa.binary(WIDTH)


def transaction_keys(transaction_ids: pd.Series) -> pd.Series:
    """16 bytes per id, of its UTF-8 (``keys.hashes``), as ``binary[16]``; same index."""
    return _hashed(transaction_ids)


def digests(bodies: pd.Series) -> pd.Series:
    """16 bytes per body, of its canonical JSON text (``keys.hashes``), as ``binary[16]``; same index."""
    return _hashed(bodies)


def _hashed(texts: pd.Series) -> pd.Series:
    utf8 = pa.array(texts).cast(pa.binary()).to_numpy(zero_copy_only=False).tolist()
    found = pa.py_buffer(b"".join(hashes(utf8)))
    keys = pa.Array.from_buffers(_KEY, len(utf8), [None, found])
    return pd.Series(pd.arrays.ArrowExtensionArray(keys), index=texts.index)
