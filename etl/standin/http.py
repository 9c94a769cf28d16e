"""One request of the ASGI server: its body, its answer, and the ways to break the connection under it."""

from __future__ import annotations

import json
import socket
import struct
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

#: The key of the scope's state under which ``etl.standin.__main__`` puts the connection's asyncio transport.
TRANSPORT = "etl.standin.transport"

Headers = tuple[tuple[bytes, bytes], ...]
_JSON: Headers = ((b"content-type", b"application/json"),)
_HTML: Headers = ((b"content-type", b"text/html; charset=utf-8"),)
_NDJSON: Headers = ((b"content-type", b"application/x-ndjson"),)
_WEB_PAGE = b"<!doctype html><html><title>Sign in</title><body>Please sign in to continue.</body></html>"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Request:
    """An HTTP request that can be read and answered, or left hanging."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.status = 0

    def header(self, name: bytes) -> str:
        """The first header of this (lower-case) name, or an empty string."""
        return next((v.decode("latin-1") for n, v in self._scope["headers"] if n == name), "")

    def headers(self) -> dict[str, str]:
        """All headers but the authorization."""
        pairs = ((n.decode("latin-1"), v.decode("latin-1")) for n, v in self._scope["headers"])
        return {name: value for name, value in pairs if name != "authorization"}

    async def body(self, limit: int) -> bytes | None:
        """The whole body, kept as far as a little over ``limit`` bytes; None if the client went away."""
        message = await self._receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body"):
            message = await self._receive()
            if len(body) <= limit:
                body += message.get("body", b"")
        return None if message["type"] == "http.disconnect" else body

    async def answer(self, status: int, content: Any, headers: Headers = ()) -> None:
        """Answer with ``content`` as JSON."""
        await self._respond(status, _json(content), (*_JSON, *headers))

    async def web_page(self) -> None:
        """A 200 as a captive portal or a login proxy gives it."""
        await self._respond(200, _WEB_PAGE, _HTML)

    async def stream(self, pieces: Iterator[bytes]) -> None:
        """Answer 200 with NDJSON, piece by piece."""
        self.status = 200
        await self._send({"type": "http.response.start", "status": 200, "headers": _NDJSON})
        for piece in pieces:
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def _respond(self, status: int, body: bytes, headers: Headers) -> None:
        self.status = status
        length = (b"content-length", str(len(body)).encode())
        start = {"type": "http.response.start", "status": status, "headers": (length, *headers)}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})

    async def truncate(self) -> None:
        """Begin a 200, then close the connection before its body is complete."""
        headers = ((b"content-length", b"4096"), *_JSON)
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"{", "more_body": True})
        self._transport.close()
        await self.disconnected()

    async def reset(self) -> None:
        """Send a TCP reset at once."""
        connection: socket.socket = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()
        await self.disconnected()

    async def disconnected(self) -> None:
        """Wait until the connection is gone, reading and dropping what comes."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    @property
    def _transport(self) -> asyncio.Transport:
        transport: asyncio.Transport = self._scope["state"][TRANSPORT]
        return transport


def _json(content: Any) -> bytes:
    try:
        return orjson.dumps(content)
    except TypeError:  # lone surrogates, integers beyond 64 bits
        return json.dumps(content).encode()
