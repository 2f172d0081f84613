"""Sockets that another thread can shut: a blocked model call ends at once when it is stopped, and in time when not.

`Call` is one model call on the wire. While a thread works for it (`attached`), each socket operation of that thread
is registered with it for as long as it lasts, so that `Abort.press` can shut exactly the socket that is being waited
for, be it new, reused from the pool, or in the middle of a TLS handshake. Only a name lookup cannot be interrupted.
"""

import contextlib
import itertools
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore2
import httpx2

from agents.errors import LLMError
from agents.loop.ports import Abort

ANSWER_LIMIT = 4 * 1024 * 1024  # bytes
_DRAIN_SECONDS = 0.1
_POOLS = 16
_IDLE = 16  # connections kept open in each
_current = threading.local()


class Call:
    """One model call: its stop button, its deadline (monotonic), and how much was read for it."""

    def __init__(self, abort: Abort, total: float, limit: int = ANSWER_LIMIT):
        self.abort = abort
        self.ends_at = time.monotonic() + total
        self._limit = limit
        self._received = 0
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def __enter__(self) -> "Call":
        self._forget = self.abort.on_press(self._shut)
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """The calling thread's socket operations are this call's."""
        before = getattr(_current, "call", None)
        _current.call = self
        try:
            yield
        finally:
            _current.call = before

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self.ends_at

    def wait(self, timeout: float | None) -> float:
        """Seconds that an operation with this timeout may take."""
        left = self.ends_at - time.monotonic()
        return left if timeout is None else min(timeout, left)

    def count(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self._limit:
            raise LLMError("server_error", f"The model's answer was cut off: it is larger than {self._limit:,} bytes.")

    @contextlib.contextmanager
    def using(self, sock: socket.socket) -> Iterator[None]:
        """Shut `sock` if the button is pressed within this block."""
        with self._lock:
            self._socket = sock
        try:
            # After registering: a press before it found no socket to shut, one from here on does.
            self.abort.check()
            yield
        finally:
            with self._lock:
                self._socket = None

    def _shut(self) -> None:
        # Under the lock, so that the socket cannot go back to the pool and serve another call meanwhile.
        with self._lock:
            if self._socket is not None:
                _shut(self._socket)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not SSLSocket.shutdown, which takes the TLS state away from the thread that is reading with it.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


@contextlib.contextmanager
def _operation(
    sock: socket.socket, timeout: float | None, timed_out: type[Exception], failed: type[Exception]
) -> Iterator[None]:
    """Run one socket operation for the thread's call, in the time that is left to it."""
    call: Call | None = getattr(_current, "call", None)
    seconds = timeout if call is None else call.wait(timeout)
    if seconds is not None and seconds <= 0:
        raise timed_out("the call's time is over")
    try:
        with call.using(sock) if call else contextlib.nullcontext():
            sock.settimeout(seconds)
            yield
    except TimeoutError as error:
        raise timed_out(str(error)) from error
    except OSError as error:
        raise failed(str(error)) from error


class _Stream(httpcore2.NetworkStream):
    def __init__(self, sock: socket.socket):
        self._socket = sock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _operation(self._socket, timeout, httpcore2.ReadTimeout, httpcore2.ReadError):
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _operation(self._socket, timeout, httpcore2.WriteTimeout, httpcore2.WriteError):
            self._socket.sendall(buffer)

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        # Wrapping detaches the plain socket, so a duplicate stands by to be shut. A handshake as a step of its own
        # would need none, but contexts that verify by the system's trust store want to do both at once.
        try:
            with (
                self._socket.dup() as duplicate,
                _operation(duplicate, timeout, httpcore2.ConnectTimeout, httpcore2.ConnectError),
            ):
                self._socket.settimeout(duplicate.gettimeout())
                return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname))
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return _is_readable(self._socket)
        if info == "socket":
            return self._socket
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        return None


def _is_readable(sock: socket.socket) -> bool:
    """Whether an idle connection has something to say, which can only be its end."""
    if sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class _Backend(httpcore2.NetworkBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host}: {error}") from error
        return _Stream(_connect_any(addresses, timeout))


def _connect_any(addresses: list[Any], timeout: float | None) -> socket.socket:
    """The first of these addresses that answers; the error of the last when none does."""
    failure: Exception = httpcore2.ConnectError("the name has no address")
    for family, kind, protocol, _, address in addresses:
        try:
            return _connect(socket.socket(family, kind, protocol), address, timeout)
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
            failure = error
    raise failure


def _connect(sock: socket.socket, address: Any, timeout: float | None) -> socket.socket:
    try:
        with _operation(sock, timeout, httpcore2.ConnectTimeout, httpcore2.ConnectError):
            sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


class _Body(httpx2.SyncByteStream):
    """A response's body, read for the call that asked for it, whichever thread reads."""

    def __init__(self, stream: httpx2.SyncByteStream, call: Call):
        self._stream = stream
        self._parts = iter(stream)
        self._call = call
        self._tail = b""

    def __iter__(self) -> Iterator[bytes]:
        while (part := self._next()) is not None:
            self._call.count(part)
            self._tail = (self._tail + part)[-32:]
            yield part

    def close(self) -> None:
        if b"[DONE]" in self._tail and not self._call.abort.reason:
            self._drain()
        self._stream.close()

    def _next(self) -> bytes | None:
        with self._call.attached():
            return next(self._parts, None)

    def _drain(self) -> None:
        """Read the end of the body. The SDK stops at [DONE], and a connection that was not read to its end is lost."""
        self._call.ends_at = min(self._call.ends_at, time.monotonic() + _DRAIN_SECONDS)
        with contextlib.suppress(Exception):
            while self._next() is not None:
                pass


class WatchedTransport(httpx2.BaseTransport):
    """An HTTP/1.1 transport whose sockets belong to the calls that use them. One per provider and process.

    It is several pools, and a thread keeps to one of them: a pool looks at all of its connections, under a lock, at
    the beginning and the end of each request, which with a thousand streams in one pool is most of a call's CPU time.
    """

    def __init__(self) -> None:
        context = httpx2.create_ssl_context()
        self._pools = [_pool(context) for _ in range(_POOLS)]
        self._threads = itertools.count()
        self._thread = threading.local()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._own_pool().handle_request(request)
        call: Call | None = getattr(_current, "call", None)
        if call is not None and isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Body(response.stream, call)
        return response

    def close(self) -> None:
        for pool in self._pools:
            pool.close()

    def _own_pool(self) -> httpx2.HTTPTransport:
        if not hasattr(self._thread, "pool"):
            self._thread.pool = self._pools[next(self._threads) % _POOLS]
        pool: httpx2.HTTPTransport = self._thread.pool
        return pool


def _pool(context: ssl.SSLContext) -> httpx2.HTTPTransport:
    transport = httpx2.HTTPTransport(verify=context)
    # There is no argument for the network backend. How many connections there may be is the workers' concern, not the
    # pool's: a limit here would be a second queue that no one sees.
    transport._pool = httpcore2.ConnectionPool(
        ssl_context=context,
        max_connections=None,
        max_keepalive_connections=_IDLE,
        keepalive_expiry=30.0,
        network_backend=_Backend(),
    )
    return transport


def http_client(connect: float, read: float) -> httpx2.Client:
    """A client that ignores proxies and credentials of the environment and follows no redirect with a key in hand."""
    timeout = httpx2.Timeout(connect=connect, read=read, write=read, pool=connect)
    return httpx2.Client(transport=WatchedTransport(), timeout=timeout, trust_env=False, follow_redirects=False)
