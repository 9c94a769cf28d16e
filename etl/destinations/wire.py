"""One POST to Metronome: the connection, the headers, and what comes back. The token lives nowhere else.

The transport is httpx over aiohttp (``httpx-aiohttp``), asked directly: an ``httpx.AsyncClient`` before it adds
redirects, cookies and auth flows that ingest must not use, and doubles what a request costs (docs/delivery.md).
"""

from __future__ import annotations

import asyncio
import gzip
import ssl
from typing import TYPE_CHECKING, Self, cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from etl.destinations.answers import Answer
from etl.destinations.endpoint import NoAnswer

if TYPE_CHECKING:
    from types import TracebackType

    from etl.destinations.endpoint import Endpoint

#: Of an answer no more than this is read: enough for any message, too little to hurt.
_ANSWER_BYTES = 65_536
_IDLE_SECONDS = 15.0


class Wire:
    """Open connections to one endpoint; use as an asynchronous context manager within a running loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._url = httpx.URL(endpoint.url)
        self._token = endpoint.headers["authorization"].removeprefix("Bearer ").encode()
        # With the encoding given, httpx need not find it out anew for each request.
        self._headers = httpx.Headers(dict(endpoint.headers), encoding="ascii")

    async def __aenter__(self) -> Self:
        """Nothing is connected before the first request."""
        tls = self._endpoint.tls or _tls(self._url)
        self._transport = AiohttpTransport(
            verify=tls,
            proxy=httpx.Proxy(self._endpoint.proxy) if self._endpoint.proxy else None,
            client=lambda: _session(self._endpoint.connections, tls),
        )
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
        except (httpx.TransportError, aiohttp.ClientError, OSError, EOFError) as error:
            return NoAnswer(_explain(error))

    async def _exchange(self, body: bytes) -> Answer:
        if self._endpoint.gzip:
            body = gzip.compress(body, 1, mtime=0)
        request = _Post(self._url, self._headers, body)
        response = await self._transport.handle_async_request(request)
        try:
            text = await _beginning(cast("httpx.AsyncByteStream", response.stream))
        finally:
            await response.aclose()
        return _answer(response, text.replace(self._token, "…".encode()))


class _Post(httpx.Request):
    """A request whose parts are ready: building headers and streams anew is a tenth of what sending one costs."""

    def __init__(self, url: httpx.URL, headers: httpx.Headers, body: bytes) -> None:
        self.method = "POST"
        self.url = url
        self.headers = headers
        self.extensions = {}
        self._body = body

    @property
    def content(self) -> bytes:
        return self._body


def _tls(url: httpx.URL) -> ssl.SSLContext:
    """Plain http needs no authorities, and loading them takes a tenth of a second."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.scheme == "http" else httpx.create_ssl_context()


def _session(connections: int, tls: ssl.SSLContext) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ssl=tls, keepalive_timeout=_IDLE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
    )


async def _beginning(stream: httpx.AsyncByteStream) -> bytes:
    text = b""
    async for piece in stream:
        text += piece
        if len(text) >= _ANSWER_BYTES:
            break
    return text


def _answer(response: httpx.Response, text: bytes) -> Answer:
    headers = {name.lower(): value.decode("latin-1") for name, value in response.headers.raw}
    content_type = headers.get(b"content-type", "").partition(";")[0].strip().lower()
    return Answer(response.status_code, content_type, headers.get(b"retry-after"), text)


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
    cause = error if isinstance(error, aiohttp.ClientError) else error.__cause__ or error
    reason = next((text for kind, text in _FAULTS if isinstance(cause, kind)), "the connection broke")
    detail = cause.strerror if isinstance(cause, OSError) else None
    if isinstance(cause, aiohttp.ClientConnectorError):
        detail = cause.os_error.strerror
    return f"{reason} ({detail})" if detail else reason
