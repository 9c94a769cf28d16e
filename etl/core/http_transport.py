"""httpx's transport over aiohttp: a third of the cost of httpx's own, half of that of the package ``httpx-aiohttp``.

The figures are in docs/decisions/0009-aiohttp-for-ingest.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import httpx
from yarl import URL

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

_IDLE_SECONDS = 15.0


class AiohttpTransport(httpx.AsyncBaseTransport):
    """See ``etl.core.http.Network.transport``; to be used within a running loop.

    ``headers`` are those of every request: put together once. ``proxy``: its URL.
    """

    def __init__(
        self, verify: ssl.SSLContext, proxy: str | None, headers: Mapping[str, str], connections: int
    ) -> None:
        connector = aiohttp.TCPConnector(limit=connections, ssl=verify, keepalive_timeout=_IDLE_SECONDS)
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
        )
        self._proxy = URL(proxy) if proxy else None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request; whoever reads the response closes it. No time limit. Raises aiohttp's and the system's errors."""
        response = await self._session.request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=request.headers,
            data=await request.aread(),
            proxy=self._proxy,
            allow_redirects=False,
        )
        return httpx.Response(response.status, headers=response.raw_headers, stream=_Body(response))

    async def aclose(self) -> None:
        """Closes every connection at once."""
        await self._session.close()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._response.content.readany():
            yield piece

    async def aclose(self) -> None:
        self._response.release()
        await self._response.wait_for_close()
