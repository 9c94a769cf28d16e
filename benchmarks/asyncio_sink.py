"""The sink where nginx is not to be had: ``python -m benchmarks.asyncio_sink PORT LOG``."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import httptools

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
LINES: list[str] = []


class Answering(asyncio.Protocol):
    """Answers 200 at the end of every request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._bytes = 0

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._bytes += len(body)

    def on_message_complete(self) -> None:
        self._transport.write(ANSWER)  # type: ignore[attr-defined]
        LINES.append(f"200 {self._bytes}\n")
        self._bytes = 0


async def serve(port: int, log: Path) -> None:
    """Until terminated; SIGUSR1 writes what came so far."""
    log.touch()  # noqa: ASYNC240 - before anything is served

    def flush() -> None:
        with log.open("a") as file:
            file.writelines(LINES)
        LINES.clear()

    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, flush)
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    async with await loop.create_server(Answering, "127.0.0.1", port):
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
