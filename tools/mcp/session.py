"""One session with an MCP server for each call. The `mcp` package is asynchronous: its sessions run in a thread of
their own, one for the whole process, and the threads that call wait for it, never longer than they were told to.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Generic, TypeVar

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    PARSE_ERROR,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
)
from pydantic import ValidationError

from tools.abort import Abort
from tools.mcp.answers import answer
from tools.mcp.calls import Answer, RemoteTool
from tools.mcp.errors import McpError, Rejected, TimedOut, Unreachable
from tools.mcp.http import ANSWER_LIMIT, CONNECT_SECONDS, Watched, client
from tools.mcp.stdio import Command
from tools.mcp.targets import Target

START_SECONDS = 30.0  # for a command, which may have to be fetched first
CLOSING_SECONDS = 5.0
MAX_TOOLS = 500
MAX_PAGES = 50
MAX_WORDS = 2000  # characters of an error's text

# What the package itself says in the server's name; of some codes only the text tells whose they are.
_OF_TRANSPORT = ("Unexpected content type", "Redirect to")
_GENERIC = ("Server returned an error response", "Not Found", "Session terminated", "Connection closed")

T = TypeVar("T")

# It logs tracebacks of whatever a server does wrong, with URLs in them; here all of that is told to who asked.
logging.getLogger("mcp").setLevel(logging.CRITICAL)


def call(target: Target, name: str, arguments: dict[str, Any], seconds: float, abort: Abort | None) -> Answer:
    """Raises McpError, or what `abort.check` raises."""
    return answer(_held(target, partial(_call, name=name, arguments=arguments), seconds, abort))


def remote_tools(target: Target, seconds: float) -> list[RemoteTool]:
    """Raises McpError."""
    return _held(target, _remote_tools, seconds, None)


async def _call(session: Client, name: str, arguments: dict[str, Any]) -> CallToolResult:
    # Not `call_tool`: it checks the answer with a schema of the server's own, whose patterns may take for ever.
    request = CallToolRequest(params=CallToolRequestParams(name=name, arguments=arguments))
    try:
        return await session.session.send_request(request, CallToolResult)
    except MCPError as error:
        if error.code != HEADER_MISMATCH:
            raise
        await session.session.list_tools()  # which arguments the server wants as headers is in its list
        return await session.session.send_request(request, CallToolResult)


async def _remote_tools(session: Client) -> list[RemoteTool]:
    found: list[RemoteTool] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await session.list_tools(cursor=cursor, cache_mode="bypass")
        found += [RemoteTool(tool.name, tool.description or "", tool.input_schema) for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None or len(found) > MAX_TOOLS:
            break
    if cursor is not None or len(found) > MAX_TOOLS:
        raise Unreachable(f"It has more than {MAX_TOOLS} tools, or they come in more than {MAX_PAGES} pages.")
    return found


def _held(target: Target, work: Callable[[Client], Awaitable[T]], seconds: float, abort: Abort | None) -> T:
    session = _Session(target, work, seconds)
    forget = abort.on_press(session.stop) if abort else None
    asyncio.run_coroutine_threadsafe(session.run(), _loop())
    try:
        return session.result.result(session.longest)
    except TimeoutError:
        session.stop()
        raise TimedOut(f"The MCP server did not answer within {seconds:.0f} seconds.") from None
    except _Stopped:
        assert abort
        abort.check()
        raise
    finally:
        if forget:
            forget()


class _Stopped(Exception):
    """The button was pressed."""


class _Session(Generic[T]):
    """Connects, works, and closes, each in its time. `result` is there before the closing, which nobody waits for."""

    def __init__(self, target: Target, work: Callable[[Client], Awaitable[T]], seconds: float):
        self.result: Future[T] = Future()
        self._target = target
        self._work = work
        self._seconds = seconds
        self._connecting = START_SECONDS if target.kind == "stdio" else CONNECT_SECONDS
        self._scope: anyio.CancelScope | None = None
        self._is_connected = False
        # The scope ends everything that awaits. This is for what does not: a loop that something else holds up.
        self.longest = self._connecting + seconds + CLOSING_SECONDS

    def stop(self) -> None:
        """From any thread."""
        self._fail(_Stopped())
        _loop().call_soon_threadsafe(self._cancel)

    async def run(self) -> None:
        if self.result.done():
            return  # stopped before it began
        peer = _Peer(self._target, self._cancel)
        try:
            with anyio.CancelScope() as self._scope:
                self._allow(self._connecting)
                async with peer.connected() as session:
                    self._is_connected = True
                    self._allow(self._seconds)
                    self._settle(await self._work(session))
                    self._allow(CLOSING_SECONDS)
        except Exception as error:  # what a server does wrong may come as anything, in groups too
            self._fail(peer.told(error, self._is_connected))
        finally:
            self._fail(peer.broken() or self._too_late())

    def _cancel(self) -> None:
        if self._scope is not None:
            self._scope.cancel()

    def _allow(self, seconds: float) -> None:
        assert self._scope
        self._scope.deadline = anyio.current_time() + seconds

    def _settle(self, result: T) -> None:
        with suppress(InvalidStateError):
            self.result.set_result(result)

    def _fail(self, error: Exception) -> None:
        """Of no effect where there is a result, or an earlier error."""
        with suppress(InvalidStateError):
            self.result.set_exception(error)

    def _too_late(self) -> TimedOut:
        if self._is_connected:
            return TimedOut(f"The MCP server did not answer within {self._seconds:.0f} seconds.")
        return TimedOut(f"There was no session with the MCP server within {self._connecting:.0f} seconds.")


class _Peer:
    """The other side of a session, by its kind of transport, and what is known of what went wrong there."""

    def __init__(self, target: Target, give_up: Callable[[], None]):
        self._target = target
        self._command = Command(target)
        # Who waits for an event is not told by the package that no more will come.
        self._watched = Watched(target, give_up if target.kind == "sse" else None)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        async with Client(
            self._streams(), client_info=Implementation(name="perdure", version="1"), cache=None, mode="auto"
        ) as session:
            yield session

    def told(self, error: BaseException, is_connected: bool) -> McpError:
        """The error in words for clients and models."""
        error = _first(error)
        if isinstance(error, McpError):
            return error
        if self._watched.trouble:
            return Unreachable(self._watched.trouble)
        if isinstance(error, ValidationError) or (isinstance(error, MCPError) and error.code == PARSE_ERROR):
            return Unreachable("What it answers is not MCP.")
        if isinstance(error, MCPError) and error.message not in _GENERIC:
            is_theirs = is_connected and error.code != CONNECTION_CLOSED and not error.message.startswith(_OF_TRANSPORT)
            words = error.message[:MAX_WORDS]
            return Rejected(words) if is_theirs else Unreachable(words)
        if isinstance(error, httpx2.HTTPStatusError):
            return _refused(error.response.status_code)
        if self._watched.status:
            return _refused(self._watched.status)
        complaint = f" It said: {self._command.complaint.strip()}" if self._command.complaint else ""
        return Unreachable(f"{str(error)[:MAX_WORDS] or type(error).__name__}.{complaint}")

    def broken(self) -> McpError | None:
        """What ended the session before its time was over."""
        if self._watched.trouble:
            return Unreachable(self._watched.trouble)
        return _refused(self._watched.status) if self._watched.status else None

    def _streams(self) -> Any:
        target = self._target
        if target.kind == "stdio":
            return self._command.streams()
        if target.kind == "sse":
            return sse_client(target.url, httpx_client_factory=self._client)
        return self._over_http()

    def _client(self, *_: Any, **__: Any) -> httpx2.AsyncClient:
        return client(self._target, self._watched)

    @asynccontextmanager
    async def _over_http(self) -> AsyncIterator[Any]:
        async with client(self._target, self._watched) as http:
            url, limit = self._target.url, ANSWER_LIMIT
            async with streamable_http_client(url, http_client=http, max_sse_event_size=limit) as streams:
                yield streams


def _refused(status: int) -> Unreachable:
    hint = " Check auth_token and custom_headers." if status in (401, 403) else ""
    hint = hint or (" It redirects to another host, which is not followed." if status < 400 else "")
    return Unreachable(f"It answered with HTTP status {status}.{hint}")


def _first(error: BaseException) -> BaseException:
    """Of a group of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


_lock = threading.Lock()
_running: asyncio.AbstractEventLoop | None = None


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of all sessions, in a thread that ends with the process."""
    global _running
    with _lock:
        if _running is None:
            _running = asyncio.new_event_loop()
            threading.Thread(target=_running.run_forever, daemon=True, name="mcp").start()
        return _running
