"""Streams again: of a run, or of a conversation (the run that is named, that of an otid, or the one under way)."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from accounts.authentication import principal_of
from agents.api.async_views import body_of, only
from agents.api.scope import conversation, one
from agents.api.sse import event_stream
from agents.errors import NotFound, invalid
from agents.following import in_thread
from agents.models import TERMINAL, Conversation, Run


@only("POST")
async def resume_run(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """A run's stream again, from behind `starting_after`. Any run can be resumed, and as long as it is kept."""
    body = await body_of(request)

    def find() -> str:
        return str(one(principal_of(request.headers.get("Authorization")), Run, run_id).id)

    return await _resumed(body, find)


@only("POST")
async def resume_conversation(request: HttpRequest, conversation_id: str) -> HttpResponseBase:
    """From behind `starting_after`. `batch_size` and `poll_interval` are of no use here: events are told at once."""
    body = await body_of(request)

    def find() -> str:
        principal = principal_of(request.headers.get("Authorization"))
        place = conversation(principal, conversation_id, _text(body, "agent_id"), where_agent="body")
        if run_id := _text(body, "run_id"):
            return str(one(principal, Run, run_id, place.runs.all(), ("body", "run_id")).id)
        otid = _text(body, "otid")
        return _of_otid(place, otid) if otid else _under_way(place)

    return await _resumed(body, find)


async def _resumed(body: dict[str, Any], find: Callable[[], str]) -> HttpResponseBase:
    after = _after(body)
    tokens, pings = body.get("stream_tokens") is not False, bool(body.get("include_pings"))
    return event_stream(await in_thread(find), after=after, tokens=tokens, pings=pings, greet=False)


def _after(body: dict[str, Any]) -> int:
    after = body.get("starting_after") or 0
    if not isinstance(after, int) or isinstance(after, bool) or after < 0:
        raise invalid(["body", "starting_after"], "Should be a number of an event, or 0", "int_type")
    return after


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(["body", name], "Should be a string", "string_type")
    return value


def _of_otid(place: Conversation, otid: str) -> str:
    """The newest run whose input has it. The run may still be queued, and its input no message yet."""
    found = place.runs.filter(input__contains=[{"otid": otid}]).order_by("-seq").values_list("id", flat=True).first()
    if found is None:
        raise NotFound("Run of a message", otid)
    return found


def _under_way(place: Conversation) -> str:
    found = place.runs.exclude(status__in=TERMINAL).order_by("seq").values_list("id", flat=True).first()
    if found is None:
        raise NotFound("A run under way in the conversation", place.id)
    return found
