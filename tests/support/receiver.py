"""A server on loopback that keeps what is sent to it: a webhook, a Pushgateway."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: (path, body) of each request.
Received = list[tuple[str, str]]


@contextmanager
def receiver(status: int = 200) -> Iterator[tuple[str, Received]]:
    """Its URL, and what was POSTed or PUT there; ``status`` is what it answers."""
    received: Received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((self.path, body.decode()))
            self.send_response(status)
            self.end_headers()

        do_PUT = do_POST  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
