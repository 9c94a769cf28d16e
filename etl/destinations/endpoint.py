"""Where requests go, and what there is when none came back. Plain data: it costs nothing to load, and can be handed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping


@dataclass(frozen=True)
class NoAnswer:
    """A request that failed on its way: whether Metronome took the events is not known."""

    reason: str


@dataclass(frozen=True)
class Endpoint:
    """Where requests go, and how. ``headers`` hold the token: they show in no representation.

    ``timeout``: seconds for one request, from connecting to the last byte of its answer. ``tls``: None = the
    public authorities. ``proxy``: the URL of an HTTP proxy, or None.
    """

    url: str
    headers: Mapping[str, str]
    timeout: float
    connections: int
    gzip: bool
    tls: ssl.SSLContext | None = None
    proxy: str | None = None

    def __repr__(self) -> str:
        """Only the URL."""
        return f"Endpoint({self.url!r})"
