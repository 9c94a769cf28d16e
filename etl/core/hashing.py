"""The hash of ids and of bodies. Pure, and without numpy or Arrow: the process that sends loads neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xxhash import xxh3_128_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Bytes of a hash.
WIDTH = 16


def hashes(texts: Iterable[bytes]) -> list[bytes]:
    """XXH3, 128 bits, of each text.

    It need not be cryptographic, which would take six times as long. For ids: the sent log compares them letter for
    letter, and whoever could choose two ids of one run so that their keys are the same could choose the same id twice.
    For bodies: a digest separates what was sent under one id, and nobody gains by another body of the same digest.
    """
    return list(map(xxh3_128_digest, texts))
