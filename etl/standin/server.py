"""uvicorn around the stand-in: loopback only, on a socket that listens before anyone is told."""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from etl.standin.http import TRANSPORT

if TYPE_CHECKING:
    from etl.standin.app import App

# Longer than a client keeps an idle connection, so that no request meets one that is just being closed.
_KEEP_ALIVE_SECONDS = 300


class _Protocol(HttpToolsProtocol):
    """Lets the application get at the connection, which ASGI hides, to break it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][TRANSPORT] = self.transport


def listening(port: int) -> socket.socket:
    """A socket that listens on 127.0.0.1; port 0 picks a free one."""
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    listener.setblocking(False)
    return listener


def serve(app: App, listener: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[listener])


def stop_with_stdin() -> None:
    """End this process when its standard input does: when whoever started it closed the pipe, or died."""
    threading.Thread(target=_wait_for_stdin, daemon=True).start()


def _wait_for_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # the ledger is written unbuffered: nothing is lost


def stop_after(seconds: float) -> None:
    """End this process after ``seconds``, whatever happens."""
    timer = threading.Timer(seconds, os._exit, args=(0,))
    timer.daemon = True
    timer.start()
