"""The WebSocket door: send, hear, cancel, and take up a run's events again from any number. docs/websocket.md shows it.

The client sends     {"type": "send", "input": ... or "messages": [...], "stream_tokens": true, ...}
                     {"type": "subscribe", "run_id": ..., "starting_after": n, "stream_tokens": true}
                     {"type": "cancel", "run_id": ...}
The server answers   {"type": "accepted", "run_id": ...}, then the run's events, the same objects as in SSE, each with
                     its `seq_id`, then {"type": "done", "run_id": ...}; {"type": "error", "status", "detail"} if the
                     request could not be served. A client that reads nothing for 10 s is left with 4008.
"""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from django.urls import re_path

from accounts.authentication import Unauthenticated, principal_of
from accounts.fields import clean_json
from accounts.keys import Principal
from agents.accepting import accept
from agents.api.async_views import READ_AT_ONCE
from agents.api.inputs import offer_of_body
from agents.api.messages import check_model, wires
from agents.api.refusals import REFUSED, refusal
from agents.api.scope import conversation, default_conversation, one, owned
from agents.cancelling import cancel
from agents.errors import BadRequest, ClientError, invalid
from agents.following import follow, in_thread
from agents.models import Conversation, Run

log = logging.getLogger(__name__)

MAX_FRAME = 1_000_000
MAX_FOLLOWED = 20
PATIENCE_SECONDS = 10.0

UNAUTHENTICATED = 4401
FORBIDDEN = 4403
NOT_FOUND = 4404
TOO_SLOW = 4008


class AgentConsumer(AsyncWebsocketConsumer):
    """Speaks with the default conversation of the agent in the path."""

    principal: Principal

    async def connect(self) -> None:
        self.followed: dict[str, asyncio.Task[None]] = {}
        self.sending = asyncio.Lock()
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in self.scope["headers"]}
        await self.accept()
        if not _is_allowed(headers):
            await self.close(FORBIDDEN, "This origin may not connect; see PERDURE_WEBSOCKET_ORIGINS.")
            return
        try:
            self.principal = await in_thread(principal_of, headers.get("authorization"))
            await self.ready()
        except Unauthenticated as error:
            await self._refuse(UNAUTHENTICATED, 401, str(error))
        except ClientError as error:
            await self._refuse(NOT_FOUND, 404, str(error))

    async def ready(self) -> None:
        await in_thread(self.place)

    def place(self) -> Conversation:
        return default_conversation(self.principal, self.path["agent_id"])

    @property
    def path(self) -> dict[str, str]:
        return self.scope["url_route"]["kwargs"]

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        async with self.sending:
            pass  # who does not read is not heard either: each further request would leave more in memory
        try:
            request = await _request(text_data)
            act = {"send": self._send, "subscribe": self._subscribe, "cancel": self._cancel}.get(
                str(request.get("type"))
            )
            if act is None:
                raise invalid(["type"], "Should be send, subscribe or cancel", "enum")
            await act(request)
        except REFUSED as error:
            status, detail = refusal(error) or (500, "An unknown error occurred")
            if isinstance(error, DatabaseError):
                log.exception("A WebSocket request failed")
            await self._say(type="error", status=status, detail=detail)

    async def disconnect(self, code: int) -> None:
        # The runs go on: a client that leaves cancels nothing.
        self._stop_following()

    def _stop_following(self) -> None:
        for task in getattr(self, "followed", {}).values():
            if task is not asyncio.current_task():
                task.cancel()

    async def _send(self, request: dict[str, Any]) -> None:
        def work() -> Run:
            offer = offer_of_body(self.principal, request, "send_message_streaming", key=request.get("idempotency_key"))
            check_model(offer)
            return accept(self.place(), offer)

        run = await in_thread(work)
        await self._say(type="accepted", run_id=run.id)
        self._follow(run.id, 0, request.get("stream_tokens") is True)

    async def _subscribe(self, request: dict[str, Any]) -> None:
        after = request.get("starting_after") or 0
        if not isinstance(after, int) or after < 0:
            raise invalid(["starting_after"], "Should be the number of an event, or 0", "int_type")
        run = await in_thread(self._run, request)
        self._follow(run.id, after, request.get("stream_tokens") is not False)

    async def _cancel(self, request: dict[str, Any]) -> None:
        run = await in_thread(self._run, request)
        await in_thread(cancel, run.id, wires())

    def _run(self, request: dict[str, Any]) -> Run:
        return one(self.principal, Run, str(request.get("run_id")), self.runs(), ("run_id",))

    def runs(self) -> Any:
        return owned(self.principal, Run).filter(agent_id=self.path["agent_id"])

    def _follow(self, run_id: str, after: int, tokens: bool) -> None:
        if earlier := self.followed.pop(run_id, None):
            earlier.cancel()
        if len(self.followed) >= MAX_FOLLOWED:
            raise BadRequest(f"One socket can follow {MAX_FOLLOWED} runs at a time. Open another one.")
        task = asyncio.create_task(self._pass_on(run_id, after, tokens))
        self.followed[run_id] = task
        task.add_done_callback(lambda done: self._forget(run_id, done))

    def _forget(self, run_id: str, task: asyncio.Task[None]) -> None:
        if self.followed.get(run_id) is task:
            del self.followed[run_id]
        if not task.cancelled() and task.exception():
            log.error("Following %s failed", run_id, exc_info=task.exception())

    async def _pass_on(self, run_id: str, after: int, tokens: bool) -> None:
        with suppress(StopConsumer):
            async for event in follow(run_id, after, tokens):
                await self._say(**event)
            await self._say(type="done", run_id=run_id)

    async def _say(self, **fields: Any) -> None:
        """Returns when the client's connection has room for more. One that has none for long is closed."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self.sending:
                await self.send(json.dumps(fields, ensure_ascii=False))
        except TimeoutError:
            log.warning("A WebSocket client took nothing for %.0f s and is left", PATIENCE_SECONDS)
            self._stop_following()
            await self.close(TOO_SLOW, "You took nothing for too long. Connect again, behind your last seq_id.")
            raise StopConsumer from None

    async def _refuse(self, code: int, status: int, detail: str) -> None:
        await self._say(type="error", status=status, detail=detail)
        await self.close(code)


class ConversationConsumer(AgentConsumer):
    """Speaks with the conversation in the path."""

    def place(self) -> Conversation:
        return conversation(self.principal, self.path["conversation_id"])

    def runs(self) -> Any:
        return owned(self.principal, Run).filter(conversation_id=self.path["conversation_id"])


class RunConsumer(AgentConsumer):
    """Follows the run in the path, from `?starting_after=` on; `?stream_tokens=false` for whole messages."""

    async def ready(self) -> None:
        query = {name: values[-1] for name, values in parse_qs(self.scope["query_string"].decode()).items()}
        after = query.get("starting_after", "0")
        run = await in_thread(self._run, {"run_id": self.path["run_id"]})
        self._follow(run.id, int(after) if after.isdecimal() else 0, query.get("stream_tokens") != "false")

    def place(self) -> Conversation:
        raise BadRequest("This socket follows a run. Send to /v1/agents/{id}/ws or /v1/conversations/{id}/ws.")

    def runs(self) -> Any:
        return owned(self.principal, Run).filter(id=self.path["run_id"])


async def _request(text: str | None) -> dict[str, Any]:
    if text is None or len(text) > MAX_FRAME:
        raise invalid([], f"Send JSON text of at most {MAX_FRAME} characters", "too_long")
    return _read(text) if len(text) <= READ_AT_ONCE else await in_thread(_read, text)


def _read(text: str) -> dict[str, Any]:
    try:
        request = clean_json(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise invalid([], f"JSON decode error: {error}", "json_invalid") from None
    if not isinstance(request, dict):
        raise invalid([], "Should be an object", "model_type")
    return request


def _is_allowed(headers: dict[str, str]) -> bool:
    """Browsers tell where a page came from: only this server's own pages, and listed ones, may connect."""
    origin = headers.get("origin")
    if origin is None or origin in settings.WEBSOCKET_ORIGINS:
        return True
    return urlsplit(origin).netloc == headers.get("host")


websocket_urls = [
    re_path(r"^v1/agents/(?P<agent_id>[^/]+)/ws/?$", AgentConsumer.as_asgi()),
    re_path(r"^v1/conversations/(?P<conversation_id>[^/]+)/ws/?$", ConversationConsumer.as_asgi()),
    re_path(r"^v1/runs/(?P<run_id>[^/]+)/ws/?$", RunConsumer.as_asgi()),
]
