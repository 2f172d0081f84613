"""One HTTP request to wherever the guard lets it go: bounded in time and size, whatever the server does.

The socket is connected here, to an address that was checked, and given to the standard library's client, which never
connects by itself. A timer, and whoever stops the call, shut the socket: that ends every wait but the look-up of a
name, for which nobody waits longer than there is time.
"""

import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import SplitResult, quote, urljoin

from tools.abort import Abort
from tools.guard import Forbidden, Guard, check_url, origin
from tools.spec import ToolError

LARGEST = 10_000_000  # bytes, after decompression
SECONDS = 15.0
REDIRECTS = 3
AGENT = "Mozilla/5.0 (compatible; Perdure)"
_MOVED = (301, 302, 303, 307, 308)
_CHUNK = 1 << 16
_PATH_CHARACTERS = "/:@!$&'()*+,;=~%-._"

# Name look-ups cannot be interrupted: these threads wait for them, and no call waits for the threads.
_lookups = ThreadPoolExecutor(32, thread_name_prefix="lookup")


class FetchError(ToolError):
    """There is no answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` are for the host of `url` and are left out when another one takes its place."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    redirects: int = REDIRECTS


@dataclass(frozen=True, slots=True)
class Response:
    """`url` is where it came from in the end; `content_type` is as sent, in lower case."""

    url: str
    status: int
    content_type: str
    body: bytes


class Clock:
    """The time that is left, and the button that ends a wait early."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends_at = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._shut = False

    def left(self) -> float:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise FetchError(self.late)
        return left

    @property
    def late(self) -> str:
        return f"It took longer than {self._seconds:g} s."

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._ends_at

    @contextmanager
    def watching(self, sock: socket.socket) -> Iterator[None]:
        """The socket is shut when time is up, or the button pressed."""
        with self._lock:
            self._socket = sock
            if self._shut:
                _shut(sock)
        try:
            yield
        finally:
            with self._lock:
                self._socket = None

    def check(self) -> None:
        if self._shut:
            raise OSError("it was shut")

    def shut(self) -> None:
        with self._lock:
            self._shut = True
            if self._socket is not None:
                _shut(self._socket)


def fetch(request: Request, guard: Guard, abort: Abort | None = None, seconds: float = SECONDS) -> Response:
    """Raises FetchError. Any status that is no redirect is an answer."""
    clock = Clock(seconds)
    timer = threading.Timer(seconds, clock.shut)
    timer.daemon = True
    timer.start()
    forget = abort.on_press(clock.shut) if abort else None
    try:
        return _followed(request, guard, clock)
    except (OSError, http.client.HTTPException, ValueError, zlib.error) as error:
        raise FetchError(_reason(error, clock, abort)) from None
    except Forbidden as error:
        raise FetchError(str(error)) from None
    finally:
        timer.cancel()
        if forget:
            forget()


def _followed(request: Request, guard: Guard, clock: Clock) -> Response:
    for left in range(request.redirects, -1, -1):
        parts = check_url(request.url)
        response, location = _exchanged(request, parts, guard, clock)
        if location is None:
            return response
        if not left:
            raise FetchError(f"{request.url} leads on to {location}, which is one redirect too many.")
        request = _redirected(request, location)
    raise AssertionError("unreachable")


def _redirected(request: Request, location: str) -> Request:
    target = urljoin(request.url, location)
    check_url(target)
    if request.url.startswith("https:") and not target.startswith("https:"):
        raise FetchError(f"{request.url} leads on to an address without https, {target}.")
    headers = request.headers if origin(target) == origin(request.url) else {}
    return Request(target, headers, None, request.redirects)


def _exchanged(request: Request, parts: SplitResult, guard: Guard, clock: Clock) -> tuple[Response, str | None]:
    """The response, and where it leads on to, if it does."""
    scheme, host, port = origin(request.url)
    host = host if ":" in host else host.encode("idna").decode()
    with closing(_connected(host, port, scheme == "https", guard, clock)) as sock, clock.watching(sock):
        connection = http.client.HTTPConnection(host, port)
        connection.auto_open = 0
        connection.sock = sock
        default_port = port == (443 if scheme == "https" else 80)
        name = f"[{host}]" if ":" in host else host
        headers = {
            "Host": name if default_port else f"{name}:{port}",
            "User-Agent": AGENT,
            "Accept-Encoding": "gzip",
            "Connection": "close",
        } | dict(request.headers)
        connection.request("POST" if request.body is not None else "GET", _path(parts), request.body, headers)
        with connection.getresponse() as answer:
            location = answer.headers.get("Location") if answer.status in _MOVED else None
            body = b"" if location else _read(answer, clock)
            kind = (answer.headers.get("Content-Type") or "").lower()
            return Response(request.url, answer.status, kind, body), location


def _path(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_PATH_CHARACTERS)
    return f"{path}?{quote(parts.query, safe=_PATH_CHARACTERS + '?')}" if parts.query else path


def _connected(host: str, port: int, secure: bool, guard: Guard, clock: Clock) -> socket.socket:
    looked_up: Future[list[str]] = _lookups.submit(guard.resolve, host, port)
    try:
        addresses = looked_up.result(clock.left())
    except TimeoutError:
        looked_up.cancel()
        raise FetchError(clock.late) from None
    except OSError:
        raise FetchError(f"{host} cannot be resolved.") from None
    problem: OSError = OSError(f"{host} has no address")
    for address in addresses:
        try:
            sock = socket.create_connection((address, port), clock.left())
        except OSError as error:
            problem = error
            continue
        return _secured(sock, host, clock) if secure else sock
    raise problem


def _secured(sock: socket.socket, host: str, clock: Clock) -> socket.socket:
    try:
        # Wrapping takes the plain socket's number away, so a duplicate stands by to be shut.
        with sock.dup() as duplicate, clock.watching(duplicate):
            sock.settimeout(clock.left())
            return _tls().wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def _read(answer: http.client.HTTPResponse, clock: Clock) -> bytes:
    if (answer.length or 0) > LARGEST:
        raise FetchError(_too_large())
    encoding = (answer.headers.get("Content-Encoding") or "identity").lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise FetchError(f"The answer is packed in a way that was not asked for ({encoding[:40]}).")
    unpack = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
    body = bytearray()
    while chunk := answer.read1(_CHUNK):
        body += unpack.decompress(chunk, LARGEST + 1) if unpack else chunk
        if len(body) > LARGEST:
            raise FetchError(_too_large())
    clock.check()  # a socket that was shut looks like the end of the body
    if answer.length:
        raise http.client.IncompleteRead(bytes(body), answer.length)
    return bytes(body)


def _too_large() -> str:
    return f"The answer is larger than {LARGEST:,} bytes."


def _reason(error: Exception, clock: Clock, abort: Abort | None) -> str:
    """In a line, without the headers, which may hold a key."""
    if abort and abort.reason is not None:
        return "The request was stopped before it was answered."
    if clock.is_over:
        return clock.late
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The server's certificate is not valid: {getattr(error, 'verify_message', error)}."
    if isinstance(error, http.client.HTTPException):
        return f"The server does not answer as HTTP wants it ({type(error).__name__})."
    if isinstance(error, ValueError):
        return f"The URL cannot be used: {error}."
    return f"There is no connection, or it broke: {error}."


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        # Not SSLSocket.shutdown, which takes the TLS state away from the thread that is reading with it.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


@cache
def _tls() -> ssl.SSLContext:
    import httpx2  # not before it is needed: the settings read the names of variables from this package

    return httpx2.create_ssl_context()
