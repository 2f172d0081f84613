"""Bodies that are far too large never reach Django as a whole, with or without a word about their size."""

import json
from typing import Any

from project.limits import LimitedBodies

MOST = 10


async def asked(*chunks: bytes, length: int | None = None) -> tuple[list[Any], list[bytes]]:
    """What is sent back, and what the application behind has read."""
    read: list[bytes] = []
    sent: list[Any] = []
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in chunks:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            read.append(message["body"])

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    await LimitedBodies(app, MOST)({"type": "http", "headers": headers}, receive, send)
    return sent, read


async def test_what_fits_goes_through() -> None:
    assert await asked(b"x" * 6, b"x" * 4, length=10) == ([], [b"x" * 6, b"x" * 4])


async def test_what_says_that_it_is_too_large_is_refused_unread() -> None:
    sent, read = await asked(b"x" * 11, length=11)
    assert (sent[0]["status"], read) == (413, [])
    assert "PERDURE_FILE_SIZE" in json.loads(sent[1]["body"])["detail"]


async def test_what_does_not_say_so_is_cut_off() -> None:
    assert await asked(b"x" * 6, b"x" * 6, b"x") == ([], [b"x" * 6])
