"""The HTTP client for MCP servers: it goes only where the rules let it, and reads only so much."""

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from functools import cache, partial
from typing import Any

import anyio
import anyio.to_thread
import httpcore2
import httpx2

from tools import guard as guards
from tools.guard import Guard
from tools.mcp.errors import Forbidden
from tools.mcp.targets import Target

ANSWER_LIMIT = 4 * 1024 * 1024  # bytes of one session, headers aside
CONNECT_SECONDS = 10.0

# Name lookups cannot be interrupted. The wait for one can, but its thread stays until the resolver gives up.
_lookups = anyio.CapacityLimiter(64)


class Guarded(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that were checked, not to names: a name may point elsewhere the second time."""

    def __init__(self, target: Target):
        self._guard = target.guard
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        lookup = partial(_resolve, self._guard, host, port)
        addresses = await anyio.to_thread.run_sync(lookup, abandon_on_cancel=True, limiter=_lookups)
        problem: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                problem = error
        raise problem

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        raise Forbidden("MCP servers are not reached by unix sockets.")

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class Watched(httpx2.AsyncBaseTransport):
    """Counts what is read, and remembers what went wrong: the session above it tells that in fewer words.

    trouble   of the network, of the last request; None where there was none
    status    that the last request was refused with; None where it was not
    give_up   called when there is something of either; None for a transport that tells who waits by itself
    """

    def __init__(self, target: Target, give_up: Callable[[], None] | None = None):
        self.trouble: str | None = None
        self.status: int | None = None
        self._give_up = give_up
        self._left = ANSWER_LIMIT
        self._inner = httpx2.AsyncHTTPTransport(verify=_tls())
        # There is no argument for the network backend.
        self._inner._pool = httpcore2.AsyncConnectionPool(ssl_context=_tls(), network_backend=Guarded(target))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # The other requests are a stream that a server need not offer, and the good-bye.
        counts = request.method == "POST" or self._give_up is not None
        try:
            response = await self._inner.handle_async_request(request)
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise httpx2.DecodingError("The answer is compressed, which was not asked for.")
        except Exception as error:
            if counts:
                self.note(reason(error))
            raise
        if counts:
            self.note(None, response.status_code if response.status_code >= 300 else None)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Counted(response.stream, self)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    def note(self, trouble: str | None, status: int | None = None) -> None:
        self.trouble, self.status = trouble, status
        if self._give_up and (trouble or status):
            self._give_up()

    def count(self, part: bytes) -> None:
        self._left -= len(part)
        if self._left < 0:
            raise httpx2.ReadError(f"The answer is larger than {ANSWER_LIMIT:,} bytes.")


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, watched: Watched):
        self._stream = stream
        self._watched = watched

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                self._watched.count(part)
                yield part
        except httpx2.TransportError as error:
            self._watched.note(reason(error))
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()


def client(target: Target, watched: Watched) -> httpx2.AsyncClient:
    """It ignores proxies and credentials of the environment. How long all may take is the session's concern."""
    return httpx2.AsyncClient(
        transport=watched,
        headers={**target.headers, "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        trust_env=False,
        follow_redirects=False,
    )


def reason(error: BaseException) -> str:
    """In a line, without the URL, which may hold a key."""
    if isinstance(error, Forbidden):
        return str(error)
    if isinstance(error, httpx2.ConnectTimeout):
        return f"There was no connection within {CONNECT_SECONDS:.0f} seconds."
    if isinstance(error, httpx2.ConnectError):
        return f"There is no connection: {error}"
    return f"The connection broke: {error}" if isinstance(error, httpx2.TransportError) else str(error)


def _resolve(guard: Guard, host: str, port: int) -> list[str]:
    try:
        return guard.resolve(host, port)
    except guards.Forbidden as error:
        raise Forbidden(str(error)) from None
    except OSError as error:
        raise httpcore2.ConnectError(f"{host} cannot be resolved: {error}") from error


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()
