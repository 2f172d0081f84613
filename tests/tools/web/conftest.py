"""A web of one server on the loopback, which a test allows or not."""

import gzip
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tools.guard import Guard

ARTICLE = """<!doctype html><html><head><title>On herons</title><style>p {color: red}</style>
<script>var hidden = 1</script></head><body><nav><a href="/">Home</a> <a href="/about">About</a></nav>
<article><h1>On herons</h1><p>The heron is a tall bird that stands in shallow water and waits for fish. It can wait
for a long time, and it seldom misses.</p><p>Read more on <a href="/nests">their nests</a>, which are built of sticks
high up in trees, often many of them close together.</p></article><footer>Imprint</footer></body></html>"""


class Site(http.server.BaseHTTPRequestHandler):
    """`/status/<n>`, `/to?<url>` and so on; what was asked is kept in `server.asked`."""

    server: Any

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path, dict(self.headers), self._body()))
        place = urlsplit(self.path)
        with suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, f"_{place.path.strip('/').partition('/')[0] or 'article'}", self._missing)(place)

    do_POST = do_GET

    def _body(self) -> str:
        return self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()

    def say(self, body: bytes, kind: str = "text/html; charset=utf-8", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _article(self, place: Any) -> None:
        self.say(ARTICLE.encode())

    def _text(self, place: Any) -> None:
        self.say("grün\n  as it is".encode("latin-1"), "text/plain; charset=iso-8859-1")

    def _json(self, place: Any) -> None:
        self.say(b'{"a": [1, 2]}', "application/json")

    def _picture(self, place: Any) -> None:
        self.say(b"\x89PNG\0\0", "image/png")

    def _packed(self, place: Any) -> None:
        self.say(gzip.compress(b"packed text"), "text/plain", Content_Encoding="gzip")

    def _bomb(self, place: Any) -> None:
        self.say(gzip.compress(b"0" * 30_000_000), "text/plain", Content_Encoding="gzip")

    def _brotli(self, place: Any) -> None:
        self.say(b"xyz", "text/plain", Content_Encoding="br")

    def _large(self, place: Any) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(400):
            self.wfile.write(b"x" * 65_536)

    def _promised(self, place: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000000")
        self.end_headers()

    def _cut(self, place: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"only this")

    def _drip(self, place: Any) -> None:
        """A byte now and then, for ever: no single wait is long."""
        self.send_response(200)
        self.end_headers()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            self.wfile.write(b"x")
            self.wfile.flush()
            self.server.dripping.set()
            time.sleep(0.02)

    def _status(self, place: Any) -> None:
        self.say(b"no", status=int(place.path.rpartition("/")[2]))

    def _to(self, place: Any) -> None:
        self.say(b"", status=302, Location=place.query)

    def _hops(self, place: Any) -> None:
        left = int(place.path.rpartition("/")[2])
        self.say(b"", status=302, Location=f"/hops/{left - 1}" if left > 1 else "/text")

    def _search(self, place: Any) -> None:
        self.say(json.dumps(self.server.results).encode(), "application/json")

    def _res(self, place: Any) -> None:
        self._search(place)

    def _missing(self, place: Any) -> None:
        self.say(b"nothing here", status=404)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Site)
        self.asked: list[tuple[str, str, dict[str, str], str]] = []
        self.dripping = threading.Event()
        self.results: Any = {}

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.place}"

    @property
    def guard(self) -> Guard:
        """Lets through to this very server, and to nothing else of the loopback."""
        return Guard((self.place,), "PERDURE_WEB_PRIVATE_HOSTS")

    def fields(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.asked[-1][1]).query)


@pytest.fixture(scope="module")
def _serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def site(_serving: Server) -> Server:
    _serving.asked.clear()
    _serving.dripping.clear()
    return _serving
