"""A proxy in front of Postgres that loses answers: the client never hears whether its COMMIT came through."""

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
PORT_FILE = ".s.PGSQL.5432"


class LossyProxy:
    """Every `every`-th COMMIT is carried out, and the connection is cut before its answer. `cuts` counts them.

    `pause` seconds lie between two cuts, so that not every try at the same commit meets with one.
    """

    def __init__(self, database_url: str, every: int = 3, pause: float = 0.2):
        self._folder = tempfile.TemporaryDirectory(prefix="perdure-", dir="/tmp")
        parts = urlsplit(database_url)
        self._target = str(Path(parse_qs(parts.query)["host"][0]) / PORT_FILE)
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path}?host={self._folder.name}"
        self.cuts = 0
        self._every = every
        self._pause = pause
        self._commits = 0
        self._cut_at = 0.0
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> "LossyProxy":
        self._listener.bind(os.path.join(self._folder.name, PORT_FILE))
        self._listener.listen(100)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                link = _Link(client, server, self._is_lost)
                for work in (link.forth, link.back):
                    threading.Thread(target=work, daemon=True).start()

    def _is_lost(self) -> bool:
        """Whether the answer to this COMMIT is one that never arrives."""
        with self._lock:
            self._commits += 1
            now = time.monotonic()
            if self._commits % self._every or now < self._cut_at + self._pause:
                return False
            self._cut_at = now
            self.cuts += 1
            return True


class _Link:
    """One connection through the proxy, a thread for each direction."""

    def __init__(self, client: socket.socket, server: socket.socket, is_lost: Callable[[], bool]):
        self._client = client
        self._server = server
        self._is_lost = is_lost
        self._lost = False

    def forth(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(65536):
                if data.endswith(COMMIT) and self._is_lost():
                    self._lost = True
                self._server.sendall(data)
        self._end()

    def back(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(65536):
                if self._lost:
                    break
                self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
