"""A run's events as server-sent events, in the form that the SDK reads."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

from django.http import StreamingHttpResponse
from django.utils import timezone

from agents.faultpoints import faultpoint
from agents.following import follow
from agents.wire import Wire, wire_date

PING_SECONDS = 15
DONE = "data: [DONE]\n\n"


def event_stream(
    run_id: str, *, after: int = 0, tokens: bool = False, pings: bool = True, greet: bool = True
) -> StreamingHttpResponse:
    """`greet`: begin with a ping, which tells the run's id at once."""
    response = StreamingHttpResponse(_lines(run_id, after, tokens, pings, greet), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


async def _lines(run_id: str, after: int, tokens: bool, pings: bool, greet: bool) -> AsyncIterator[str]:
    if greet and pings:
        yield _line(ping(run_id))
    async for event in with_silences(follow(run_id, after, tokens), PING_SECONDS):
        faultpoint("c18")
        if event is None:
            yield _line(ping(run_id)) if pings else ": ping\n\n"
        elif event["message_type"] == "step_restarted":
            yield _named("step_restarted", event)
        elif event["message_type"] == "error_message":
            yield _named("error", event)
        else:
            yield _line(event)
    yield DONE


async def with_silences(events: AsyncIterator[Wire], seconds: float) -> AsyncIterator[Wire | None]:
    """The events, and a None for every so many seconds without one."""
    upcoming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=seconds)
            if not done:
                yield None
                continue
            event = upcoming.result()
            if event is None:
                return
            yield event
            upcoming = asyncio.ensure_future(anext(events, None))
    finally:
        upcoming.cancel()


def ping(run_id: str) -> Wire:
    return {
        "id": f"ping-{uuid.uuid4()}",
        "date": wire_date(timezone.now()),
        "name": None,
        "message_type": "ping",
        "otid": None,
        "sender_id": None,
        "step_id": None,
        "is_err": None,
        "seq_id": None,
        "run_id": run_id,
    }


def _line(event: Wire) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n\n"


def _named(name: str, event: Wire) -> str:
    return f"event: {name}\n{_line(event)}"
