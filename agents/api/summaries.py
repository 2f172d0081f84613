"""Compaction on request: a run of its own kind, behind those that are queued, whose end these views wait for."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from accounts.authentication import principal_of
from accounts.keys import Principal
from agents.accepting import Offer, accept
from agents.api.agents import providers
from agents.api.async_views import body_of, only
from agents.api.compaction import compaction_settings
from agents.api.messages import outcome
from agents.api.scope import conversation, default_conversation
from agents.compacting import KIND
from agents.errors import BadRequest
from agents.following import ended, hub, in_thread
from agents.models import Conversation, Message, Run


@only("POST")
async def summarize(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Compact what is in context of the agent's own thread, now. Answers when that is done."""
    return await _compacted(request, lambda principal, body: default_conversation(principal, agent_id))


@only("POST")
async def compact(request: HttpRequest, conversation_id: str) -> HttpResponseBase:
    def find(principal: Principal, body: dict[str, Any]) -> Conversation:
        return conversation(principal, conversation_id, body.get("agent_id"), where_agent="body")

    return await _compacted(request, find)


async def _compacted(
    request: HttpRequest, find: Callable[[Principal, dict[str, Any]], Conversation]
) -> HttpResponseBase:
    body = await body_of(request)

    def prepare() -> tuple[Conversation, Offer]:
        principal = principal_of(request.headers.get("Authorization"))
        chosen = compaction_settings(body.get("compaction_settings"), ["body", "compaction_settings"])
        if chosen and chosen.get("model"):
            providers().resolve(chosen["model"])
        options = {"compaction_settings": chosen} if chosen else {}
        return find(principal, body), Offer([], options, KIND, key_id=principal.key_id)

    place, made = await in_thread(prepare)
    async with hub().listen(made.run_id) as queue:
        run = await in_thread(accept, place, made)
        await ended(run.id, queue)
        return await in_thread(_compaction, run.id)


def _compaction(run_id: str) -> JsonResponse:
    row = Message.objects.filter(run_id=run_id, role=Message.Role.SUMMARY).order_by("seq").last()
    if row is None:
        if Run.objects.get(id=run_id).status == Run.Status.COMPLETED:
            raise BadRequest("There is nothing to compact: no message could leave the context window.")
        return outcome(run_id)
    stats = row.content["stats"]
    before, after = stats["messages_count_before"], stats["messages_count_after"]
    return JsonResponse({"summary": row.content["summary"], "num_messages_before": before, "num_messages_after": after})
