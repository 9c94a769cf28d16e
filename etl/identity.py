"""Fingerprints: of a transaction_id, to find it fast, and of a body, to tell whether its content changed. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
from xxhash import xxh3_128_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

_BINARY16 = pd.ArrowDtype(pa.binary(16))


def transaction_keys(transaction_ids: pd.Series) -> pd.Series:
    """16 bytes per id (BLAKE2b of its UTF-8), as ``binary[16]``; same index."""
    hashes = [blake2b(text, digest_size=16).digest() for text in _utf8(transaction_ids)]
    return _series(hashes, transaction_ids)


def digests(bodies: pd.Series) -> pd.Series:
    """16 bytes per body (XXH3 of its canonical JSON text), as ``binary[16]``; same index.

    A digest tells apart what was sent under one id: nobody gains by another body of the same digest, so it need not
    be cryptographic, which would take eight times as long.
    """
    return _series(list(map(xxh3_128_digest, _utf8(bodies))), bodies)


def _utf8(texts: pd.Series) -> list[bytes]:
    found: list[bytes] = pa.array(texts).cast(pa.binary()).to_pylist()
    return found


def _series(hashes: Sequence[bytes], like: pd.Series) -> pd.Series:
    return pd.Series(pa.array(hashes, pa.binary(16)), index=like.index, dtype=_BINARY16)
