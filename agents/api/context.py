"""An agent's context window: what is in it and what it costs, and its system prompt made anew."""

import re
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.keys import Principal
from agents.api.requests import flag
from agents.api.scope import conversation, default_conversation, one, owned
from agents.api.shapes import Shape, block_shape, memory_shape, moment, place_in_context
from agents.api.views import ApiView, answer
from agents.llm.registry import context_window
from agents.loading import (
    agent_with_belongings,
    block_texts,
    compiled_prompt,
    context_messages,
    prompt_fingerprint,
    tool_spec,
)
from agents.loop.context import build_request
from agents.loop.rules import ORDERING
from agents.loop.state import StepState
from agents.loop.style import style_for
from agents.loop.tokens import estimate, estimate_message, estimate_tool
from agents.models import Agent, Conversation, Message
from agents.rows import flat_text, said
from memory.core import render
from memory.models import Passage
from tools.spec import ToolSpec

_COMPILED_AT = re.compile(r"^- System prompt last recompiled: .*$", re.MULTILINE)
_RULES, _FACTS = "<tool_usage_rules>", "<memory_metadata>"


class CoreMemory(ApiView):
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        agent = one(self.principal(request), Agent, agent_id)
        blocks = agent.blocks.order_by("agentblock__id")
        return answer(memory_shape(agent, [block_shape(block) for block in blocks]))


class Context(ApiView):
    """Of the agent's own thread, or of `conversation_id`. Token counts are the server's estimates."""

    def get(self, request: Request, agent_id: str) -> HttpResponse:
        principal = self.principal(request)
        place = default_conversation(principal, agent_id)
        if conversation_id := request.query_params.get("conversation_id"):
            place = conversation(principal, conversation_id, agent_id)
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
    agent = agent_with_belongings(place)
    system = Message.objects.select_for_update().get(conversation=place, seq=1)
    in_context = Message.objects.filter(context_messages(place)).exclude(seq=1).count()
    text = compiled_prompt(agent, place, in_context)
    if not stamped:
        text = _stamped_as(text, system.content["text"])
    if not dry_run:
        system.content = {"text": text, "inputs": prompt_fingerprint(agent)}
        system.save(update_fields=["content"])
    return text


def _stamped_as(text: str, older: str) -> str:
    """`text` with the time at which `older` was compiled. The last such line is the one: instructions may hold more."""
    stamps = _COMPILED_AT.findall(older)
    if not stamps:
        return text
    *_, found = _COMPILED_AT.finditer(text)
    return text[: found.start()] + stamps[-1] + text[found.end() :]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The parts of a compiled system prompt; a part that is not there is empty."""

    instructions: str
    memory: str
    rules: str
    facts: str


def prompt_parts(agent: Any, text: str) -> Prompt:
    """The facts stand last and the rules before them, so that nothing in a block is taken for either."""
    body, mark, facts = text.rpartition(_FACTS)
    rules = body.rpartition(_RULES)[2] if agent.tool_rules and body.rstrip().endswith("</tool_usage_rules>") else ""
    return Prompt(
        instructions=agent.system,
        memory=render(block_texts(agent.block_rows), style_for(agent.agent_type).line_numbers),
        rules=f"{_RULES}{rules}".strip() if rules else "",
        facts=mark + facts,
    )


def overview(principal: Principal, place: Conversation) -> Shape:
    agent = agent_with_belongings(place)
    rows = sorted(Message.objects.filter(context_messages(place)), key=place_in_context)
    told = [row for row in rows if row.seq != 1 and row.role != Message.Role.APPROVAL]
    summary = next((row.content["summary"] for row in told if row.role == Message.Role.SUMMARY), None)
    history = tuple(said(row.role, row.content, row.name) for row in told)
    text = _current_prompt(agent, place, rows)
    prompt = prompt_parts(agent, text)
    tools = _tools(agent)
    archived = owned(principal, Passage).filter(archive_id__in=agent.archive_ids).count()
    handle = place.model or agent.model
    counts = _counts(prompt, tools) | {"num_tokens_messages": sum(map(estimate_message, history))}
    return counts | {
        "context_window_size_max": place.context_window_limit or agent.context_window_limit or context_window(handle),
        "context_window_size_current": sum(counts.values()),
        "num_messages": len(rows),
        "num_archival_memory": archived,
        "num_recall_memory": Message.objects.filter(conversation=place).count(),
        "external_memory_summary": prompt.facts or None,
        "system_prompt": prompt.instructions,
        "core_memory": prompt.memory,
        "memory_filesystem": None,
        "tool_usage_rules": prompt.rules or None,
        "directories": None,
        "summary_memory": summary,
        "functions_definitions": [_definition(tool) for tool in tools],
        "messages": [_internal(row, text) for row in rows],
    }


def _counts(prompt: Prompt, tools: tuple[ToolSpec, ...]) -> dict[str, int]:
    """Tokens of each part of the window, as they are told."""
    return {
        "num_tokens_system": estimate(prompt.instructions),
        "num_tokens_core_memory": estimate(prompt.memory),
        "num_tokens_external_memory_summary": estimate(prompt.facts),
        "num_tokens_memory_filesystem": 0,
        "num_tokens_tool_usage_rules": estimate(prompt.rules),
        "num_tokens_directories": 0,
        "num_tokens_summary_memory": 0,
        "num_tokens_functions_definitions": sum(map(estimate_tool, tools)),
    }


def _current_prompt(agent: Any, place: Conversation, rows: list[Message]) -> str:
    """The stored one, or what the next step would compile in its place."""
    stored: Shape = next((row.content for row in rows if row.seq == 1), {})
    if stored.get("inputs") == prompt_fingerprint(agent):
        return str(stored["text"])
    return compiled_prompt(agent, place, len(rows) - 1)


def _tools(agent: Any) -> tuple[ToolSpec, ...]:
    """The tools as the model is shown them, with the arguments that the agent's style adds."""
    specs = tuple(spec for row in agent.tool_rows if (spec := tool_spec(row)))
    style, rules = style_for(agent.agent_type), tuple(rule for rule in agent.tool_rules if rule["type"] not in ORDERING)
    return build_request(StepState(agent.model, "", (), specs, style=style, rules=rules)).tools


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
