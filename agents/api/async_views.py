"""What the async views share: those that spend most of their time waiting for a run, or for a worker."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

AsyncView = Callable[..., Awaitable[HttpResponseBase]]


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
