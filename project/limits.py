"""Bodies that are far too large are refused before they fill the disk, whoever sends them."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_REFUSED = json.dumps({"detail": "The body is far too large. Files may have PERDURE_FILE_SIZE bytes."}).encode()


class LimitedBodies:
    """An ASGI application in front of another. What is only a little too large is left to the views, which say more."""

    def __init__(self, app: App, most: int):
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _length(scope) > self._most:
            await _refuse(send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            # To Django it is as if the client had gone; one that does not say how much it sends learns no more.
            return message if taken <= self._most else {"type": "http.disconnect"}

        await self._app(scope, counted, send)


def _length(scope: Scope) -> int:
    given = dict(scope.get("headers", ())).get(b"content-length", b"")
    return int(given) if given.isdigit() else 0


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_REFUSED)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": _REFUSED})
