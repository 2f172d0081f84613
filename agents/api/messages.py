"""Messages: send and wait, stream, send and go; list; cancel. Async views, because most of their time is waiting."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from rest_framework.request import Request

from accounts.authentication import principal_of
from accounts.fields import new_id
from accounts.keys import Principal
from agents.accepting import Offer, accept, close_approval
from agents.api.agents import providers
from agents.api.async_views import body_of, only
from agents.api.inputs import offer_of
from agents.api.message_lists import newest, types_asked
from agents.api.requests import checked_id, flag
from agents.api.scope import conversation, default_conversation, one, owned
from agents.api.shapes.runs import run_shape
from agents.api.sse import event_stream
from agents.api.views import ApiView, answer
from agents.cancelling import cancel
from agents.errors import Conflict, InvalidRequest, NotFound, invalid
from agents.events import durable_events, failure_of, totals_of
from agents.following import ended, hub, in_thread, is_over
from agents.models import TERMINAL, Agent, Approval, Conversation, Message, Run
from agents.streaming import Wires
from agents.wire import View, Wire, usage_event

ERROR_STATUS = {
    "llm_rate_limit": 429,
    "llm_insufficient_credits": 402,
    "llm_authentication": 502,
    "llm_timeout": 504,
    "llm_bad_request": 400,
    "context_window_overflow": 400,
}

SERVER_FAULTS = ("internal_error", "worker_lost", "deadline_exceeded", "context_overflow")


@cache
def wires() -> Wires:
    return Wires(settings.REDIS_URL, settings.STREAM_RETENTION_SECONDS)


@only("POST")
async def send(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Answers when the run has ended; with `streaming`, event by event."""
    return await _send(request, lambda principal: default_conversation(principal, agent_id), streaming=False)


@only("POST")
async def stream(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    body = await body_of(request) | {"streaming": True}
    return await _send(request, lambda principal: default_conversation(principal, agent_id), body=body)


@only("POST")
async def send_to_conversation(request: HttpRequest, conversation_id: str) -> HttpResponseBase:
    body = await body_of(request)

    def find(principal: Principal) -> Conversation:
        return conversation(principal, conversation_id, body.get("agent_id"), where_agent="body")

    return await _send(request, find, streaming=True, body=body)


@only("POST")
async def send_async(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Answers at once, with the run."""
    body = await body_of(request)

    def work() -> dict[str, Any]:
        principal = principal_of(request.headers.get("Authorization"))
        place = default_conversation(principal, agent_id)
        offer = offer_of(request, principal, body, "send_message_async", background=True)
        check_model(offer)
        return run_shape(accept(place, offer), place.is_default)

    return JsonResponse(await in_thread(work))


async def _send(
    request: HttpRequest,
    find: Callable[[Principal], Conversation],
    *,
    streaming: bool = False,
    body: dict[str, Any] | None = None,
) -> HttpResponseBase:
    body = await body_of(request) if body is None else body
    streaming = body.get("streaming", streaming) is True
    _check_streaming(body, streaming)

    def offer(run_id: str) -> tuple[Conversation, Offer]:
        principal = principal_of(request.headers.get("Authorization"))
        kind = "send_message_streaming" if streaming else "send_message"
        made = offer_of(request, principal, body, kind, background=bool(body.get("background")))
        check_model(made)
        return find(principal), replace(made, run_id=run_id)

    if streaming:
        run = await in_thread(lambda: accept(*offer(new_id("run"))))
        tokens, pings = bool(body.get("stream_tokens")), body.get("include_pings") is not False
        return event_stream(run.id, tokens=tokens, pings=pings)
    run_id = new_id("run")
    async with hub().listen(run_id) as queue:
        run = await in_thread(lambda: accept(*offer(run_id)))
        if run.id == run_id:
            events = await ended(run.id, queue)
            usage = events[-1] if events else {}
            if events and usage["message_type"] == "usage_statistics":
                return told(events, usage)
            return await in_thread(outcome, run.id)
    # Another request had brought the same input: wait for that run.
    async with hub().listen(run.id) as queue:
        if not await in_thread(is_over, run.id):
            await ended(run.id, queue)
        return await in_thread(outcome, run.id)


def outcome(run_id: str) -> JsonResponse:
    """How the run ended, as the answer to a request that waited for it."""
    run = Run.objects.get(id=run_id)
    if run.status == Run.Status.FAILED and (run.stop_reason == "llm_api_error" or run.error_code in SERVER_FAULTS):
        error_type, message = failure_of(run)
        error = {"type": error_type, "message": message, "detail": run.error_message}
        status = ERROR_STATUS.get(error_type, 500)
        # The run is over: the same request, sent again, would only be given this answer again.
        return JsonResponse({"error": error, "run_id": run.id}, status=status, headers={"x-should-retry": "false"})
    return told(list(durable_events(run)), usage_event(totals_of(run).usage()))


def told(events: list[Wire], usage: Wire) -> JsonResponse:
    """The answer made of a run's durable events. What is numbered in a stream is not in an answer."""
    messages = [event | {"seq_id": None} for event in events if "id" in event]
    stop = next(event["stop_reason"] for event in events if event["message_type"] == "stop_reason")
    usage = {name: value for name, value in usage.items() if name != "seq_id"}
    return JsonResponse(
        {
            "messages": messages,
            "stop_reason": {"message_type": "stop_reason", "stop_reason": stop},
            "usage": usage,
            "logprobs": None,
            "turns": None,
        }
    )


def check_model(offer: Offer) -> None:
    if handle := offer.options.get("override_model"):
        providers().resolve(handle)


def _check_streaming(body: dict[str, Any], streaming: bool) -> None:
    if streaming:
        return
    asked = [name for name in ("background", "stream_tokens") if body.get(name)]
    asked += ["include_pings"] if body.get("include_pings") is False else []
    if asked:
        raise invalid(
            ["body", asked[0]],
            f"Streaming options set without streaming enabled: {', '.join(asked)}. Set streaming to true as well.",
        )


class AgentMessages(ApiView):
    """GET of the path that `send` answers POST on; see `messages` in urls.py."""

    def get(self, request: Request, agent_id: str) -> HttpResponse:
        principal, query = self.principal(request), request.query_params
        place = default_conversation(principal, agent_id)
        if conversation_id := query.get("conversation_id"):
            place = conversation(principal, conversation_id, agent_id, where="query", where_agent="path")
        return answer(message_page(place, query))


class ConversationMessages(ApiView):
    def get(self, request: Request, conversation_id: str) -> HttpResponse:
        principal, query = self.principal(request), request.query_params
        return answer(message_page(conversation(principal, conversation_id, query.get("agent_id")), query))


def message_page(place: Conversation, query: Any) -> list[dict[str, Any]]:
    """Messages of one conversation. Without an order: the newest page, oldest first."""
    options: dict[str, Any] = {
        name: query[name] for name in ("assistant_message_tool_name", "assistant_message_tool_kwarg") if name in query
    }
    options["use_assistant_message"] = flag(query, "use_assistant_message") is not False
    options["include_return_message_types"] = types_asked(query)
    flag(query, "include_err")  # messages that tell of an error are always there
    # No message is of a group: there are none.
    found = Message.objects.none() if query.get("group_id") else Message.objects.filter(conversation=place)
    return newest(found, query, View.of(options), ("seq",))


class Cancel(ApiView):
    """Cancel the runs that are named, or all of the agent that have not ended."""

    def post(self, request: Request, agent_id: str) -> HttpResponse:
        principal = self.principal(request)
        agent = one(principal, Agent, agent_id)
        named = request.data.get("run_ids") if isinstance(request.data, dict) else None
        if named is not None and not (isinstance(named, list) and all(isinstance(id, str) for id in named)):
            raise InvalidRequest([{"loc": ["body", "run_ids"], "msg": "Should be a list of ids", "type": "list_type"}])
        runs = owned(principal, Run).filter(agent=agent)
        if named:
            return answer(_each_cancelled(runs, named))
        # The last first, so that none is begun while the others are cancelled.
        ids = list(runs.exclude(status__in=TERMINAL).order_by("-seq").values_list("id", flat=True))
        closed = _closed(Conversation.objects.filter(agent=agent))
        if not ids and not closed:
            raise Conflict(f"Agent {agent_id} has no active run to cancel.")
        return answer({id: _cancelled(id) for id in ids} | closed)


class CancelConversation(ApiView):
    def post(self, request: Request, conversation_id: str) -> HttpResponse:
        principal = self.principal(request)
        place = conversation(principal, conversation_id, request.query_params.get("agent_id"))
        ids = list(place.runs.exclude(status__in=TERMINAL).order_by("-seq").values_list("id", flat=True))
        closed = _closed(Conversation.objects.filter(id=place.id))
        if not ids and not closed:
            raise Conflict(f"Conversation {conversation_id} has no active run to cancel.")
        return answer({id: _cancelled(id) for id in ids} | closed)


def _each_cancelled(runs: QuerySet[Run], named: list[str]) -> dict[str, str]:
    """Looked up all at once: a body has room for twenty thousand ids. Of those that have ended, how they have."""
    for at, id in enumerate(named):
        checked_id("run", id, ("body", "run_ids", at))
    known = dict(runs.filter(id__in=named).values_list("id", "status"))
    if missing := next((id for id in named if id not in known), None):
        raise NotFound("Run", missing)
    return {id: known[id] if known[id] in TERMINAL else _cancelled(id) for id in dict.fromkeys(named)}


def _closed(conversations: QuerySet[Conversation]) -> dict[str, str]:
    """Deny what waits for an answer there. The run that had asked has ended, but to its client it was still open."""
    waiting = Approval.objects.filter(conversation__in=conversations, answered_at=None).select_related("conversation")
    closed = (approval for approval in waiting if close_approval(approval.conversation))
    return {approval.asked_by_id or approval.id: "cancelled" for approval in closed}


def _cancelled(run_id: str) -> str:
    """A run that a worker holds will be cancelled in a moment; one that had ended says how."""
    run = cancel(run_id, wires())
    return run.status if run.is_terminal else "cancelled"
