"""Django's ASGI handler, which serves the API with as few visits to threads as its views need.

Django leaves the event loop before and after every request, for what its signals close, and starts a thread to do so.
The async views of the API, which every turn goes through, close what they open; the others do here.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.urls import set_script_prefix

from agents.api.async_views import giving_back


class Handler(ASGIHandler):
    async def handle(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if not scope["path"].startswith("/v1/"):
            await super().handle(scope, receive, send)
            return
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            set_script_prefix(get_script_prefix(scope))
            request, refusal = self.create_request(scope, body)
            if request is not None:
                await self._answer_unless_left(request, receive, send)
            elif refusal is not None:
                await self.send_response(refusal, send)

    async def _answer_unless_left(self, request: Any, receive: Any, send: Any) -> None:
        """When the client goes, the view is cancelled where it waits."""
        answering = asyncio.create_task(self._answer(request, send))
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            answering.cancel()
            leaving.cancel()
        answered, _ = await asyncio.gather(answering, leaving, return_exceptions=True)
        if isinstance(answered, Exception) and not isinstance(answered, RequestAborted):
            raise answered

    async def _answer(self, request: Any, send: Any) -> None:
        response = await self.run_get_response(request)
        try:
            await self.send_response(response, send)
        finally:
            response.close()

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        view = super().make_view_atomic(view)
        return view if iscoroutinefunction(view) else giving_back(view)
