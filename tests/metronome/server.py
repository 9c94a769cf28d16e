"""A scripted HTTP server on loopback that also does what well-behaved servers cannot: reset, cut short, hang."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
import threading
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


@dataclass(frozen=True)
class Received:
    """One request; ``events`` is its body parsed, gunzipped where needed."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        text = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        return json.loads(text)

    @property
    def ids(self) -> list[str]:
        return [event["transaction_id"] for event in self.events]


@dataclass(frozen=True)
class Reply:
    """An answer. ``how``: ``whole``, ``cut`` (half the body), ``reset``, ``close`` (no byte), ``hang`` or ``raw``."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    how: str = "whole"


def refusal(status: int, message: str, **headers: str) -> Reply:
    return Reply(
        status, json.dumps({"message": message}).encode(), {"content-type": "application/json", **headers}
    )


OK = Reply(200, b"{}", {"content-type": "application/json"})


async def _settle() -> None:
    """Lets connections that were just accepted or aborted come to their callbacks."""
    for _ in range(10):
        await asyncio.sleep(0)


class Server:
    """Answers each request as ``answer`` says; a context manager. ``open``: requests not yet answered, ``busiest``: the most at once.

    ``held``: answers wait for :meth:`release`. ``greeting``: all that is ever sent, unasked.
    """

    def __init__(
        self,
        answer: Callable[[Received], Reply],
        *,
        tls: ssl.SSLContext | None = None,
        held: bool = False,
        greeting: bytes = b"",
    ) -> None:
        self.received: list[Received] = []
        self.busiest = 0
        self.arrived = threading.Semaphore(0)
        self._answer = answer
        self._tls = tls
        self._held = held
        self._greeting = greeting
        self.open = 0
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def release(self) -> None:
        """Lets held answers go."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def hold(self) -> None:
        """Lets no more answers go."""
        self._loop.call_soon_threadsafe(self._gate.clear)

    def wait_for(self, requests: int) -> None:
        """Blocks until so many further requests have arrived."""
        for _ in range(requests):
            assert self.arrived.acquire(timeout=20)

    async def _serve(self) -> None:
        self._loop, self._stop, self._gate = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        if not self._held:
            self._gate.set()
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self.url = (
            f"{'https' if self._tls else 'http'}://{'localhost' if self._tls else '127.0.0.1'}:{self.port}"
        )
        self._started.set()
        await self._stop.wait()
        for listener in server.sockets:  # a connection accepted in the very moment of close() would leak
            self._loop.remove_reader(listener.fileno())
        await _settle()
        server.close()
        for task, writer in self._connections.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await _settle()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._connection(reader, writer))
        self._connections[task] = writer

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(self._greeting)
            while not self._greeting and await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        request = Received(head[0], headers, await reader.readexactly(int(headers["content-length"])))
        self.received.append(request)
        self.open += 1
        self.busiest = max(self.busiest, self.open)
        self.arrived.release()
        await self._gate.wait()
        self.open -= 1
        return await self._reply(self._answer(request), writer)

    async def _reply(self, reply: Reply, writer: asyncio.StreamWriter) -> bool:
        if reply.how == "hang":
            await self._stop.wait()
        if reply.how == "reset":
            writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        if reply.how in ("reset", "close", "hang"):
            return False
        if reply.how == "raw":
            writer.write(reply.body)
            await writer.drain()
            return False
        headers = {"content-length": str(len(reply.body)), **reply.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        body = reply.body[: len(reply.body) // 2] if reply.how == "cut" else reply.body
        writer.write(f"HTTP/1.1 {reply.status} X\r\n{lines}\r\n".encode() + body)
        await writer.drain()
        return reply.how == "whole"
