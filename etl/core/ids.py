"""Fingerprints of 16 bytes: of a transaction_id, to find it among millions by arrays of numbers, and of a body. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from etl.core.hashing import WIDTH, hashes

if TYPE_CHECKING:
    from collections.abc import Iterable


def words_of(transaction_ids: Iterable[str]) -> np.ndarray:
    """The keys of ids as uint64 of shape (n, 2); half surrogate pairs count as they are."""
    texts = (text.encode(errors="surrogatepass") for text in transaction_ids)
    return np.frombuffer(b"".join(hashes(texts)), "<u8").reshape(-1, 2)


def key_words(keys: pd.Series | pa.Array | np.ndarray) -> np.ndarray:
    """The 16-byte keys (``binary[16]``, or numpy ``V16``) as uint64 of shape (n, 2), little-endian."""
    if isinstance(keys, np.ndarray) and keys.dtype.kind == "V":
        return np.ascontiguousarray(keys).view("<u8").reshape(-1, 2)
    array = pa.array(keys, pa.binary(WIDTH))
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    words = np.frombuffer(array.buffers()[1] or b"", "<u8").reshape(-1, 2)
    return words[array.offset : array.offset + len(array)]


def ordered(words: np.ndarray) -> np.ndarray:
    """The stable order (int64) of keys, shape (n, 2). Where no first words are the same, they alone decide it."""
    order = np.argsort(words[:, 0])
    first = words[order, 0]
    return order if (first[1:] != first[:-1]).all() else np.lexsort((words[:, 1], words[:, 0]))


def repeats(words: np.ndarray) -> np.ndarray:
    """Bool for every key but the first: whether it is the same as the one before."""
    same: np.ndarray = (words[1:, 0] == words[:-1, 0]) & (words[1:, 1] == words[:-1, 1])
    return same


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
