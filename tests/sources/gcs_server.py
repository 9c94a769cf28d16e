"""Google Cloud Storage's API in a process of its own: pyarrow holds the interpreter while it waits for an answer.

``python -m tests.sources.gcs_server`` prints the port, and ends when its stdin does.
"""

from __future__ import annotations

import sys
from functools import partial
from http.server import ThreadingHTTPServer
from threading import Thread

from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage


class Quiet(RequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, Storage(use_memory_fs=True))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()
