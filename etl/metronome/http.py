"""One POST to Metronome: the headers, and what comes back. The token lives nowhere else.

httpx's transport is asked directly: what its client adds (redirects, cookies and auth flows, which ingest must not use)
is most of what a request costs (docs/decisions/0009-aiohttp-for-ingest.md).
"""

from __future__ import annotations

import asyncio
import gzip
from http import HTTPStatus
from typing import TYPE_CHECKING, Self, cast

import aiohttp
import httpx

from etl.metronome.answers import Answer, NoAnswer

if TYPE_CHECKING:
    from types import TracebackType

    from etl.metronome.chunk import Endpoint

#: Of an answer no more than this is read: enough for any message, too little to hurt.
_ANSWER_BYTES = 65_536


class Wire:
    """Open connections to one endpoint; use as an asynchronous context manager within a running loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._url = httpx.URL(endpoint.url)
        self._token = endpoint.headers["authorization"].removeprefix("Bearer ").encode()

    async def __aenter__(self) -> Self:
        """Nothing is connected before the first request."""
        to = self._endpoint
        self._transport = to.network.transport(to.url, to.headers, to.connections)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes every connection at once."""
        await self._transport.aclose()

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
            return _failed(error)

    async def _exchange(self, body: bytes) -> Answer:
        if self._endpoint.gzip:
            body = gzip.compress(body, 1, mtime=0)
        # As a stream: what httpx works out about a content costs five times as much as the rest of a request.
        request = httpx.Request("POST", self._url, stream=httpx.ByteStream(body))
        response = await self._transport.handle_async_request(request)
        try:
            text = await _beginning(cast("httpx.AsyncByteStream", response.stream))
        finally:
            await response.aclose()
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        retry_after = response.headers.get("retry-after")
        return Answer(
            response.status_code, content_type, retry_after, text.replace(self._token, "…".encode())
        )


async def _beginning(stream: httpx.AsyncByteStream) -> bytes:
    text = b""
    async for piece in stream:
        text += piece
        if len(text) >= _ANSWER_BYTES:
            break
    return text


_FAULTS: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "the host name is not known"),
    (aiohttp.ClientConnectorCertificateError, "TLS failed: the certificate is not trusted"),
    (aiohttp.ClientSSLError, "TLS failed"),
    (aiohttp.ClientProxyConnectionError, "the proxy cannot be reached"),
    (aiohttp.ClientHttpProxyError, "the proxy refused the connection"),
    (aiohttp.ClientConnectorError, "no connection"),
    (aiohttp.ServerDisconnectedError, "the connection was closed before an answer"),
    (aiohttp.ClientPayloadError, "the answer was cut short"),
    (aiohttp.ClientResponseError, "the answer is not HTTP"),
)


def _failed(error: BaseException) -> Answer | NoAnswer:
    """In our words: what the library says may hold headers, or bytes of the server's choosing."""
    if (
        isinstance(error, aiohttp.ClientHttpProxyError)
        and error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
    ):
        return Answer(error.status)
    reason = next((text for kind, text in _FAULTS if isinstance(error, kind)), "the connection broke")
    detail = error.strerror if isinstance(error, OSError) else None
    if isinstance(error, aiohttp.ClientConnectorError):
        detail = error.os_error.strerror
    if isinstance(error, aiohttp.ClientHttpProxyError):
        detail = str(error.status)
    return NoAnswer(f"{reason} ({detail})" if detail else reason)
