"""Fingerprints: of a transaction_id, to find it fast, and of a body, to tell whether its content changed. Pure."""

from __future__ import annotations

from hashlib import blake2b

import pandas as pd
import pyarrow as pa

_BINARY16 = pd.ArrowDtype(pa.binary(16))


def transaction_keys(transaction_ids: pd.Series) -> pd.Series:
    """16 bytes per id (BLAKE2b of its UTF-8), as ``binary[16]``; same index."""
    return _hashes(transaction_ids)


def digests(bodies: pd.Series) -> pd.Series:
    """16 bytes per body (BLAKE2b of its canonical JSON text), as ``binary[16]``; same index."""
    return _hashes(bodies)


def _hashes(texts: pd.Series) -> pd.Series:
    raw = pa.array(texts).cast(pa.binary()).to_pylist()
    hashes = pa.array([blake2b(text, digest_size=16).digest() for text in raw], pa.binary(16))
    return pd.Series(hashes, index=texts.index, dtype=_BINARY16)
