"""One POST to Metronome: the connection, the headers, and what comes back. The token lives nowhere else.

The client is aiohttp's: what httpx adds around it (redirects, cookies and auth flows that ingest must not use; requests
and responses of its own) is two thirds of what a request costs (docs/decisions/0009-aiohttp-for-ingest.md).
"""

from __future__ import annotations

import asyncio
import gzip
import ssl
from typing import TYPE_CHECKING, Self

import aiohttp
from yarl import URL

from etl.metronome.answers import Answer, NoAnswer

if TYPE_CHECKING:
    from types import TracebackType

    from etl.metronome.chunk import Endpoint

#: Of an answer no more than this is read: enough for any message, too little to hurt.
_ANSWER_BYTES = 65_536
_IDLE_SECONDS = 15.0


class Wire:
    """Open connections to one endpoint; use as an asynchronous context manager within a running loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._url = URL(endpoint.url, encoded=True)
        self._token = endpoint.headers["authorization"].removeprefix("Bearer ").encode()

    async def __aenter__(self) -> Self:
        """Nothing is connected before the first request."""
        self._session = _session(self._endpoint, _tls(self._url, self._endpoint.ca_file))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes every connection at once."""
        await self._session.close()

    async def post(self, body: bytes) -> Answer | NoAnswer:
        """Sends one body. Never raises for what the network or Metronome does.

        The exceptions of the HTTP library stay in here: some carry the request's headers, and so the token.
        """
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                return await self._exchange(body)
        except TimeoutError:
            return NoAnswer(f"no answer within {self._endpoint.timeout:g} s")
        except (aiohttp.ClientError, OSError, EOFError) as error:
            return NoAnswer(_explain(error))

    async def _exchange(self, body: bytes) -> Answer:
        if self._endpoint.gzip:
            body = gzip.compress(body, 1, mtime=0)
        posted = self._session.post(self._url, data=body, proxy=self._endpoint.proxy, allow_redirects=False)
        async with posted as response:
            text = await _beginning(response.content)
            content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            retry_after = response.headers.get("retry-after")
        return Answer(response.status, content_type, retry_after, text.replace(self._token, "…".encode()))


def _tls(url: URL, ca_file: str | None) -> ssl.SSLContext:
    """The public authorities as httpx has them; plain http needs none, and loading them takes a tenth of a second."""
    if url.scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        return ssl.create_default_context(cafile=ca_file)
    import httpx

    return httpx.create_ssl_context()


def _session(endpoint: Endpoint, tls: ssl.SSLContext) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers=endpoint.headers,
        connector=aiohttp.TCPConnector(limit=endpoint.connections, ssl=tls, keepalive_timeout=_IDLE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        auto_decompress=False,
    )


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    text = b""
    while len(text) < _ANSWER_BYTES and (piece := await content.readany()):
        text += piece
    return text


_FAULTS: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "the host name is not known"),
    (aiohttp.ClientConnectorCertificateError, "TLS failed: the certificate is not trusted"),
    (aiohttp.ClientSSLError, "TLS failed"),
    (aiohttp.ClientHttpProxyError, "the proxy refused the connection"),
    (aiohttp.ClientConnectorError, "no connection"),
    (aiohttp.ServerDisconnectedError, "the connection was closed before an answer"),
    (aiohttp.ClientPayloadError, "the answer was cut short"),
    (aiohttp.ClientResponseError, "the answer is not HTTP"),
)


def _explain(error: BaseException) -> str:
    """In our words: what the library says may hold headers, or bytes of the server's choosing."""
    reason = next((text for kind, text in _FAULTS if isinstance(error, kind)), "the connection broke")
    detail = error.strerror if isinstance(error, OSError) else None
    if isinstance(error, aiohttp.ClientConnectorError):
        detail = error.os_error.strerror
    return f"{reason} ({detail})" if detail else reason
