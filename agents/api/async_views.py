"""What the async views share: those that spend most of their time waiting for a run, or for a worker."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from accounts.authentication import principal_of
from agents.api.requests import json_body
from agents.following import in_thread

AsyncView = Callable[..., Awaitable[HttpResponseBase]]

READ_AT_ONCE = 50_000  # bytes


def only(method: str) -> Callable[[AsyncView], AsyncView]:
    """An async view that answers this method alone. Keys stand in for cookies here, so there is nothing to forge."""

    def guard(view: AsyncView) -> AsyncView:
        @csrf_exempt
        @wraps(view)
        async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method == method:
                return await view(request, *args, **kwargs)
            detail = f"{request.method} is not allowed here; use {method}."
            return JsonResponse({"detail": detail}, status=405, headers={"Allow": method})

        return guarded

    return guard


async def body_of(request: HttpRequest) -> dict[str, Any]:
    """The body as an object. Of a long one everybody would have to wait for the end: it is read in a thread, and for
    those alone who have a key."""
    if len(request.body) <= READ_AT_ONCE:
        return json_body(request)

    def read() -> dict[str, Any]:
        principal_of(request.headers.get("Authorization"))
        return json_body(request)

    return await in_thread(read)


def in_its_thread(view: Any) -> AsyncView:
    """A view class, for an async view to wait for."""
    return sync_to_async(giving_back(view.as_view()), thread_sensitive=True)


def giving_back(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view keeps no connection to the database when it has answered. Nobody else closes it (project/handler.py)."""

    @wraps(view)
    def closing(*arguments: Any, **named: Any) -> Any:
        try:
            return view(*arguments, **named)
        finally:
            connection.close()

    return closing
