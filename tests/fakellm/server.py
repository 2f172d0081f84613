"""The fake's HTTP side: a small asyncio server, cheap enough that thousands of calls may hang in it at once."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fakellm.answers import Answer, Asked, Scripts, answer_to, asked
from tests.fakellm.embeddings import EmbeddingScripts, embedding_body
from tests.fakellm.formats import JSON, anthropic_body, anthropic_events, openai_body, openai_events
from tests.fakellm.windows import within

MODELS = ("fake-1", "fake-2")
_KEPT = 1_000
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class State:
    """What was asked so far, what is in flight, and what is still to be answered."""

    def __init__(self) -> None:
        self.scripts = Scripts()
        self.embeddings = EmbeddingScripts()
        self.reset()

    def reset(self) -> None:
        self.scripts.clear()
        self.embeddings.clear()
        self.calls: deque[JSON] = deque(maxlen=_KEPT)
        self.count = self.active = self.max_active = 0
        self._active_of: Counter[str] = Counter()
        self.max_of: dict[str, int] = {}

    @contextmanager
    def in_flight(self, record: JSON) -> Iterator[None]:
        name = record["conversation"]
        self.count += 1
        self.active += 1
        self.max_active = max(self.max_active, self.active)
        self.calls.append(record)
        if name:
            self._active_of[name] += 1
            self.max_of[name] = max(self.max_of.get(name, 0), self._active_of[name])
        try:
            yield
            record["outcome"] = "answered"
        finally:
            record["ended"] = time.time()
            self.active -= 1
            if name:
                self._active_of[name] -= 1

    def stats(self) -> JSON:
        most = max(self.max_of.values(), default=0)
        return {
            "calls": self.count,
            "active": self.active,
            "max_active": self.max_active,
            "max_active_of_one_conversation": most,
            "max_active_by_conversation": self.max_of,
        }


class Cut(Exception):
    """The script says that the connection breaks here."""


class Connection(asyncio.Protocol):
    """One client connection: requests in turn, each answered by a task that ends when the client goes away."""

    def __init__(self, state: State):
        self._state = state
        self._buffer = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer.startswith(b"\x16"):  # a TLS handshake
            self._transport.close()
        elif self._task is None:
            self._next_request()

    def _next_request(self) -> None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        body, self._buffer = rest[:length], rest[length:]
        method, path, _ = line.split(" ", 2)
        self._task = asyncio.create_task(self._serve(method, path.partition("?")[0], headers, body))
        self._task.add_done_callback(self._served)

    def _served(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._next_request()
            return
        if not isinstance(error, Cut):
            self._reply(500, {"error": {"message": f"the fake is broken or misused: {error!r}"}})
        self._transport.close()

    async def _serve(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        sent = json.loads(body or b"{}")
        if path in ("/v1/chat/completions", "/v1/messages"):
            await self._answer(path, headers, sent)
        elif path == "/v1/embeddings":
            await self._embed(path, headers, sent)
        elif path == "/v1/models":
            self._reply(200, models(anthropic="anthropic-version" in headers))
        else:
            self._reply(*control(self._state, method, path, sent))

    async def _answer(self, path: str, headers: dict[str, str], body: JSON) -> None:
        request = asked(body)
        record = _record(path, headers, body, request, self._transport.get_extra_info("peername")[1])
        with self._state.in_flight(record):
            answer = within(body, answer_to(request, self._state.scripts), path, request.conversation)
            if answer.latency:
                await asyncio.sleep(answer.latency)
            if answer.hang:
                await asyncio.Event().wait()
            if answer.status != 200:
                self._reply(answer.status, _error(answer, path), answer.headers)
            elif body.get("stream"):
                await self._stream(answer, path, str(body.get("model")))
            else:
                whole = openai_body if path.endswith("completions") else anthropic_body
                self._reply(200, whole(answer, str(body.get("model"))))

    async def _embed(self, path: str, headers: dict[str, str], body: JSON) -> None:
        request = Asked("", 0, None, None)
        with self._state.in_flight(
            _record(path, headers, body, request, self._transport.get_extra_info("peername")[1])
        ):
            answer = self._state.embeddings.take()
            if answer.hang:
                await asyncio.Event().wait()
            if answer.status != 200:
                error = {"error": {"type": "fake_error", "message": f"the fake was told to answer {answer.status}"}}
                self._reply(answer.status, error if answer.body is None else answer.body, answer.headers)
            else:
                self._reply(200, embedding_body(body, answer) if answer.body is None else answer.body)

    async def _stream(self, answer: Answer, path: str, model: str) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items()).encode()
        events = rendered(answer, path, model)
        if not answer.delay and answer.stall < 0 and answer.cut < 0 and answer.cut_bytes < 0:
            self._transport.write(b"".join((head, extra, b"\r\n", *events, b"0\r\n\r\n")))
            return
        self._transport.write(head + extra + b"\r\n")
        await self._slowly(answer, events)
        self._transport.write(b"0\r\n\r\n")

    async def _slowly(self, answer: Answer, events: list[bytes]) -> None:
        left = answer.cut_bytes
        for number, event in enumerate(events):
            if number == answer.stall:
                await asyncio.Event().wait()
            if number == answer.cut or 0 <= left < len(event):
                self._transport.write(event[: max(left, 0)])
                raise Cut
            left -= len(event) if left >= 0 else 0
            self._transport.write(event)
            await asyncio.sleep(answer.delay)

    def _reply(self, status: int, body: Any, headers: JSON | None = None) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in {"Content-Type": "application/json", **(headers or {})}.items()]
        self._transport.write("\r\n".join([*lines, "", ""]).encode() + content)


def rendered(answer: Answer, path: str, model: str) -> list[bytes]:
    """The events as HTTP chunks. Rendering is remembered: load tests ask for the same answers again and again."""
    key = repr(answer)
    if (path, model, key) not in _rendered:
        if len(_rendered) >= _KEPT:
            _rendered.clear()
        _rendered[path, model, key] = _chunked(answer, path, model)
    return _rendered[path, model, key]


_rendered: dict[tuple[str, str, str], list[bytes]] = {}


def _chunked(answer: Answer, path: str, model: str) -> list[bytes]:
    events = openai_events if path.endswith("completions") else anthropic_events
    return [b"%x\r\n%b\r\n" % (len(event), event) for event in events(answer, model)]


def control(state: State, method: str, path: str, body: Any) -> tuple[int, Any]:
    match method, path:
        case "POST", "/script":
            state.scripts.add(body)
            return 200, {"scripts": len(body)}
        case "POST", "/script-embeddings":
            state.embeddings.add(body)
            return 200, {"scripts": len(body)}
        case "POST", "/reset":
            state.reset()
            return 200, {}
        case "GET", "/calls":
            return 200, list(state.calls)
        case "GET", "/stats":
            return 200, state.stats()
    return 404, {"error": {"message": f"the fake has no {method} {path}"}}


def models(anthropic: bool) -> JSON:
    if anthropic:
        listed = [{"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
                  for name in MODELS]  # fmt: skip
        return {"data": listed, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
    return {"object": "list", "data": [{"id": n, "object": "model", "created": 1, "owned_by": "fake"} for n in MODELS]}


def _record(path: str, headers: dict[str, str], body: JSON, request: Asked, port: int) -> JSON:
    return {
        "client_port": port,
        "path": path,
        "headers": headers,
        "body": body,
        "user": request.user,
        "conversation": request.conversation,
        "began": time.time(),
        "ended": None,
        "outcome": "broken off",
    }


def _error(answer: Answer, path: str) -> Any:
    if answer.body is not None:
        return answer.body
    error = {"type": "fake_error", "message": f"the fake was told to answer {answer.status}"}
    return {"error": error} if path.endswith("completions") else {"type": "error", "error": error}


async def serve(host: str, port: int) -> asyncio.Server:
    state = State()
    return await asyncio.get_running_loop().create_server(lambda: Connection(state), host, port, backlog=4096)
