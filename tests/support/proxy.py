"""A forwarding proxy on loopback that wants a password, and knows the way to names that only it can resolve."""

from __future__ import annotations

import asyncio
import base64
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSWORD = "pr0xy-Pa55-9d2c"


class Proxy:
    """A context manager. ``routes``: host name → port on loopback. ``asked``: first lines of requests let through.

    ``url`` has the name and the password in it; ``refused`` counts requests without them.
    """

    def __init__(self, routes: Mapping[str, int]) -> None:
        self.asked: list[str] = []
        self.refused = 0
        self._routes = routes
        self._expected = "Basic " + base64.b64encode(f"etl:{PASSWORD}".encode()).decode()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"http://etl:{PASSWORD}@127.0.0.1:{self.port}"
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._connection(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._forward(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if headers.get("proxy-authorization") != self._expected:
            self.refused += 1
            writer.write(
                b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
            )
            await writer.drain()
            return
        self.asked.append(first)
        method, target, _ = first.split(" ")
        host = target.removeprefix("http://").partition("/")[0].partition(":")[0]
        there, back = await asyncio.open_connection("127.0.0.1", self._routes[host])
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:  # the next one sees neither the absolute form nor the password
            path = "/" + target.removeprefix("http://").partition("/")[2]
            kept = [line for line in lines if not line.lower().startswith("proxy-")]
            back.write("\r\n".join([f"{method} {path} HTTP/1.1", *kept]).encode())
        try:
            await asyncio.gather(_pipe(reader, back), _pipe(there, writer))
        finally:
            back.close()


async def _pipe(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        to.write(data)
        await to.drain()
    if to.can_write_eof():
        to.write_eof()
