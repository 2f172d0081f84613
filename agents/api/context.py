"""An agent's context window: what is in it and what it costs, and its system prompt made anew."""

import re

from django.db import transaction
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.keys import Principal
from agents.api.requests import flag
from agents.api.scope import conversation, default_conversation, one, owned
from agents.api.shapes.memory import block_shape, memory_shape
from agents.api.shapes.values import Shape, moment
from agents.api.views import ApiView, answer
from agents.loading import context_messages
from agents.models import Agent, Conversation, Message
from agents.prompt import compiled_prompt, equipped, prompt_fingerprint
from agents.rows import flat_text, said
from agents.window import filling
from memory.models import Passage
from tools.spec import ToolSpec

_COMPILED_AT = re.compile(r"^- System prompt last recompiled: .*$", re.MULTILINE)

UNUSED = ("memory_filesystem",)
"""A part of the API's window that no agent here has."""


class CoreMemory(ApiView):
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        agent = one(self.principal(request), Agent, agent_id)
        blocks = agent.blocks.order_by("agentblock__id")
        return answer(memory_shape(agent, [block_shape(block) for block in blocks]))


class Context(ApiView):
    """Of the agent's own thread, or of `conversation_id`: what fills it, in tokens as its provider counts them."""

    def get(self, request: Request, agent_id: str) -> HttpResponse:
        principal = self.principal(request)
        place = default_conversation(principal, agent_id)
        if conversation_id := request.query_params.get("conversation_id"):
            place = conversation(principal, conversation_id, agent_id, where="query", where_agent="path")
            one(principal, Conversation, place.id, owned(principal, Conversation).filter(agent_id=agent_id))
        return answer(overview(principal, place))


class Recompile(ApiView):
    """The system prompt, compiled now. It is kept unless `dry_run`; it says when only with `update_timestamp`."""

    def post(self, request: Request, agent_id: str) -> HttpResponse:
        place, query = default_conversation(self.principal(request), agent_id), request.query_params
        dry_run, stamped = bool(flag(query, "dry_run")), bool(flag(query, "update_timestamp"))
        return answer(recompiled(place, dry_run=dry_run, stamped=stamped))


@transaction.atomic
def recompiled(place: Conversation, *, dry_run: bool, stamped: bool) -> str:
    """A worker that is at a step meanwhile may write its own; the fingerprint tells the next step if that was older."""
    whole = equipped(place)
    system = Message.objects.select_for_update().get(conversation=place, seq=1)
    in_context = Message.objects.filter(context_messages(place)).exclude(seq=1).count()
    text = compiled_prompt(whole, place, in_context)
    if not stamped:
        text = _stamped_as(text, system.content["text"])
    if not dry_run:
        system.content = {"text": text, "inputs": prompt_fingerprint(whole)}
        system.save(update_fields=["content"])
    return text


def _stamped_as(text: str, older: str) -> str:
    """`text` with the time at which `older` was compiled. The last such line is the one: instructions may hold more."""
    stamps = _COMPILED_AT.findall(older)
    if not stamps:
        return text
    *_, found = _COMPILED_AT.finditer(text)
    return text[: found.start()] + stamps[-1] + text[found.end() :]


def overview(principal: Principal, place: Conversation) -> Shape:
    window = filling(place)
    prompt, summary = window.prompt, next((row for row in window.rows if row.role == Message.Role.SUMMARY), None)
    counts = window.tokens | dict.fromkeys(UNUSED, 0)
    archived = owned(principal, Passage).filter(archive_id__in=window.equipped.archive_ids).count()
    return {f"num_tokens_{name}": count for name, count in counts.items()} | {
        "context_window_size_max": window.limit,
        "context_window_size_current": window.total,
        "num_messages": len(window.rows),
        "num_archival_memory": archived,
        "num_recall_memory": Message.objects.filter(conversation=place).count(),
        "external_memory_summary": prompt.facts or None,
        "system_prompt": prompt.instructions,
        "core_memory": prompt.memory,
        "memory_filesystem": None,
        "tool_usage_rules": prompt.rules or None,
        "directories": prompt.directories or None,
        "summary_memory": summary.content["summary"] if summary else None,
        "functions_definitions": [_definition(tool) for tool in window.tools],
        "messages": [_internal(row, window.text) for row in window.rows],
    }


def _definition(tool: ToolSpec) -> Shape:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters, "strict": None}
    return {"function": function, "type": "function"}


def _internal(row: Message, prompt: str) -> Shape:
    """A message as the model is told it: its role, and not the kinds of message that clients are shown."""
    message = said(row.role, row.content, row.name)
    content = prompt if row.seq == 1 else flat_text(message.content)
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.calls
    ]
    return {
        "id": row.id,
        "agent_id": row.agent_id,
        "conversation_id": row.conversation_id,
        "run_id": row.run_id,
        "step_id": row.step_id,
        "otid": row.otid,
        "role": row.role,
        "name": row.name,
        "content": [{"type": "text", "text": content}],
        "tool_calls": calls or None,
        "tool_call_id": message.returned.call_id if message.returned else None,
        "created_at": moment(row.created_at),
    }
