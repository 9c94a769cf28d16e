"""A proxy before PostgreSQL that can lose the server's answer to a COMMIT: committed, but nobody was told."""

from __future__ import annotations

import socket
import threading
from typing import Self

_COMMIT = b"COMMIT\0"
_APPENDS = b"sent_log"
_PIECE = 1 << 16
#: ``CommandComplete`` with its tag: how the server says that a COMMIT is done.
_COMMITTED = b"COMMIT\0Z"


class LossyProxy:
    """Passes bytes between clients and ``port`` of this host; a context manager.

    Once ``lose`` is set, the next COMMIT of a connection that wrote to the sent log is passed on, its answer is
    awaited and dropped, and the connection cut.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self.lose = threading.Event()
        self.lost = threading.Event()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake a thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server))
            losing = threading.Event()
            for source, sink, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass, args=(source, sink, answers, losing), daemon=True).start()

    def _pass(
        self, source: socket.socket, sink: socket.socket, answers: bool, losing: threading.Event
    ) -> None:
        writes = False
        with source, sink:
            try:
                while piece := source.recv(_PIECE):
                    writes |= not answers and _writes(piece)
                    if writes and self.lose.is_set() and _COMMIT in piece:
                        self.lose.clear()
                        losing.set()
                    if answers and losing.is_set() and _COMMITTED in piece:
                        self.lost.set()
                        return
                    sink.sendall(piece)
            except OSError:
                return
            finally:
                for end in (source, sink):
                    _shut(end)


def _writes(piece: bytes) -> bool:
    return _APPENDS in piece and (b"INSERT INTO" in piece or b"COPY" in piece)


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
