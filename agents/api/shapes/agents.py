"""Agents with what belongs to them, and their conversations."""

from collections.abc import Collection, Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from accounts.sealing import unseal
from agents.api.shapes.approvals import request_shape
from agents.api.shapes.files import file_block_shape, folder_shape
from agents.api.shapes.memory import block_shape, memory_shape
from agents.api.shapes.models import embedding_config_shape, llm_config_shape, model_settings_shape
from agents.api.shapes.tools import tool_shape
from agents.api.shapes.values import Shape, moment
from agents.loading import context_messages, place_in_context
from agents.models import Agent, Conversation, Message, Run
from agents.specs import response_format

AGENT_ORIGIN = ("project_id", "template_id", "base_template_id", "deployment_id", "entity_id")


def identity_shape(identity: Any) -> Shape:
    """`identity` is a row of agents/api/identities.py: with_belongings."""
    return {
        "id": identity.id,
        "identifier_key": identity.identifier_key,
        "name": identity.name,
        "identity_type": identity.identity_type,
        "project_id": identity.project_id,
        "agent_ids": identity.agents_of_it,
        "block_ids": identity.blocks_of_it,
        "organization_id": identity.organization_id,
        "properties": identity.properties,
    }


def conversation_shape(conversation: Conversation, message_ids: Sequence[str]) -> Shape:
    return {
        "id": conversation.id,
        "agent_id": conversation.agent_id,
        "archived": conversation.archived_at is not None,
        "archived_at": moment(conversation.archived_at),
        "context_window_limit": conversation.context_window_limit,
        "created_at": moment(conversation.created_at),
        "updated_at": moment(conversation.updated_at),
        "created_by_id": conversation.created_by_id,
        "last_updated_by_id": conversation.last_updated_by_id or conversation.created_by_id,
        "description": conversation.description,
        "hidden": conversation.hidden,
        "in_context_message_ids": list(message_ids),
        "last_message_at": moment(conversation.last_message_at),
        "model": conversation.model,
        "model_settings": conversation.model_settings,
        "summary": conversation.summary,
        "isolated_block_ids": list(conversation.isolated_blocks.values()),
    }


def agent_shape(agent: Agent, relations: "Relations", message_ids: Sequence[str], last: Run | None) -> Shape:
    origin = agent.labels_of_origin
    return {
        "id": agent.id,
        "name": agent.name,
        "agent_type": agent.agent_type,
        "system": agent.system,
        "description": agent.description,
        "metadata": agent.metadata,
        "model": agent.model,
        "embedding": agent.embedding,
        "model_settings": model_settings_shape(agent),
        "llm_config": llm_config_shape(agent),
        "embedding_config": embedding_config_shape(agent.embedding),
        "compaction_settings": agent.compaction_settings,
        "retrieval": agent.retrieval,
        "response_format": response_format(agent),
        "tool_rules": agent.tool_rules,
        "message_ids": list(message_ids),
        "memory": memory_shape(agent, relations.blocks, relations.file_blocks),
        "blocks": relations.blocks,
        "tools": relations.tools,
        "sources": relations.sources,
        "tags": relations.tags,
        "tool_exec_environment_variables": relations.secrets,
        "secrets": relations.secrets,
        "identity_ids": [identity["id"] for identity in relations.identities],
        "identities": relations.identities,
        "pending_approval": relations.pending_approval,
        "message_buffer_autoclear": agent.clears_buffer,
        "enable_sleeptime": None,
        "multi_agent_group": None,
        "managed_group": None,
        "last_run_completion": moment(last.completed_at) if last else None,
        "last_run_duration_ms": _milliseconds(last),
        "last_stop_reason": last.stop_reason if last else None,
        "timezone": agent.timezone,
        "max_files_open": agent.max_files_open,
        "per_file_view_window_char_limit": agent.per_file_view_window_char_limit,
        "hidden": agent.hidden,
        "created_by_id": agent.created_by_id,
        "last_updated_by_id": agent.last_updated_by_id,
        "created_at": moment(agent.created_at),
        "updated_at": moment(agent.updated_at),
    } | {name: origin.get(name) for name in AGENT_ORIGIN}


class Relations:
    """What belongs to an agent, as far as the client asked for it (`include`); the rest stays empty."""

    def __init__(self, agent: Agent, include: frozenset[str] | None):
        """`include` None: all of it. Uses what was prefetched."""

        def wanted(name: str) -> bool:
            return include is None or f"agent.{name}" in include

        self.blocks = [block_shape(block) for block in agent.blocks.all()] if wanted("blocks") else []
        self.tools = [tool_shape(tool) for tool in agent.tools.all()] if wanted("tools") else []
        self.tags = agent.tags if wanted("tags") else []
        self.sources = list(map(folder_shape, agent.folders.all())) if wanted("sources") else []
        limit, opened = agent.per_file_view_window_char_limit, agent.open_files if wanted("sources") else []  # type: ignore[attr-defined]  # prefetched
        self.file_blocks = [file_block_shape(row, limit) for row in opened]
        self.identities = list(map(identity_shape, agent.identities.all())) if wanted("identities") else []
        self.secrets = _secrets(agent) if wanted("secrets") else []
        waiting = agent.waiting if wanted("pending_approval") else []  # type: ignore[attr-defined]  # prefetched
        self.pending_approval = request_shape(waiting[0]) if waiting else None


def _secrets(agent: Agent) -> list[Shape]:
    """The names only: what a secret is leaves the server for no one but the tools."""
    return [
        {"agent_id": agent.id, "key": key, "value": "", "id": None, "description": None, "value_enc": None}
        | {"created_at": None, "updated_at": None, "created_by_id": None, "last_updated_by_id": None}
        for key in unseal(agent.sealed_secrets)
    ]


def _milliseconds(run: Run | None) -> int | None:
    if run is None or run.completed_at is None:
        return None
    return int((run.completed_at - run.created_at).total_seconds() * 1000)


def context_ids(conversations: Collection[Conversation]) -> dict[str, list[str]]:
    """The ids of the messages in context, by conversation, in the order in which the model sees them."""
    found: dict[str, list[str]] = {conversation.id: [] for conversation in conversations}
    wanted = reduce(or_, map(context_messages, conversations), Q(pk__in=[]))
    rows = Message.objects.filter(wanted).only("id", "conversation_id", "seq", "role")
    for row in sorted(rows, key=place_in_context):
        found[row.conversation_id].append(row.id)
    return found
