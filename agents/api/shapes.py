"""Rows -> the API's objects. Every field of the contract is sent, nulls included."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from accounts.sealing import unseal
from agents.embedding import dimension_of
from agents.llm.registry import context_window
from agents.loading import context_messages, place_in_context, response_format
from agents.loop.directories import path_of
from agents.models import Agent, AgentFile, Approval, Conversation, Message, Run, Step
from agents.wire import shown
from memory.embeddings import NONE
from memory.files import Missing
from memory.models import Archive, Block, BlockVersion, File, Folder, Passage
from tools.models import Tool

Shape = dict[str, Any]

BLOCK_ORIGIN = (
    "project_id",
    "template_name",
    "is_template",
    "template_id",
    "base_template_id",
    "deployment_id",
    "entity_id",
    "preserve_on_migration",
)
AGENT_ORIGIN = ("project_id", "template_id", "base_template_id", "deployment_id", "entity_id")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ENDPOINT_TYPES = {
    "local": "hugging-face",
    "none": "hugging-face",
    "demo": "openai",
    "cerebras": "openai",
    "sglang": "openai",
}

# The providers whose model_settings have a type of their own in the contract, beside OpenAI and Anthropic.
_SETTINGS_TYPES = ("baseten", "deepseek", "google_ai", "groq", "moonshot", "openrouter", "together", "xai", "zai")


def moment(value: datetime | None) -> str | None:
    # strftime writes years before 1000 with fewer digits than RFC 3339 asks for.
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z" if value else None


def block_shape(block: Block) -> Shape:
    origin = {"is_template": False, "preserve_on_migration": False} | block.labels_of_origin
    return {
        "id": block.id,
        "value": block.value,
        "limit": block.limit,
        "label": block.label,
        "read_only": block.read_only,
        "description": block.description,
        "metadata": block.metadata,
        "hidden": block.hidden,
        "tags": block.tags,
        "created_by_id": block.created_by_id,
        "last_updated_by_id": block.last_updated_by_id,
    } | {name: origin.get(name) for name in BLOCK_ORIGIN}


def version_shape(version: BlockVersion, diff: str | None) -> Shape:
    return {
        "id": version.id,
        "block_id": version.block_id,
        "number": version.number,
        "value": version.value,
        "diff": diff,
        "author_kind": version.author_kind,
        "author_id": version.author_id,
        "created_at": moment(version.created_at),
    }


PACKAGES = "packages"
"""What `metadata_` of a tool calls the state of its packages."""


def tool_shape(tool: Tool) -> Shape:
    installed = {"state": tool.package_state, "error": tool.package_error}
    return {
        "id": tool.id,
        "tool_type": tool.tool_type,
        "description": tool.description,
        "source_type": tool.source_type,
        "name": tool.name,
        "tags": tool.tags,
        "source_code": tool.source_code,
        "json_schema": tool.json_schema,
        "args_json_schema": tool.args_json_schema,
        "return_char_limit": tool.return_char_limit,
        "pip_requirements": tool.pip_requirements,
        "npm_requirements": None,
        "default_requires_approval": tool.default_requires_approval,
        "enable_parallel_execution": tool.enable_parallel_execution,
        "created_by_id": tool.created_by_id,
        "last_updated_by_id": tool.last_updated_by_id,
        "metadata_": tool.metadata | ({PACKAGES: installed} if tool.package_state else {}),
        "project_id": tool.project_id,
    }


def memory_shape(agent: Agent, blocks: Sequence[Shape], file_blocks: Sequence[Shape] = ()) -> Shape:
    return {
        "agent_type": agent.agent_type,
        "git_enabled": False,
        "blocks": list(blocks),
        "file_blocks": list(file_blocks),
        "prompt_template": "",
    }


def archive_shape(archive: Archive) -> Shape:
    return {
        "id": archive.id,
        "organization_id": archive.organization_id,
        "name": archive.name,
        "description": archive.description,
        "vector_db_provider": "native",
        "embedding": archive.embedding,
        "embedding_config": embedding_config_shape(archive.embedding, archive.dimension),
        "coming_embedding": archive.coming_embedding,
        "metadata": archive.metadata,
        "created_by_id": None,
        "last_updated_by_id": None,
        "created_at": moment(archive.created_at),
        "updated_at": moment(archive.updated_at),
    }


def passage_shape(passage: Passage) -> Shape:
    return {
        "id": passage.id,
        "text": passage.text,
        "embedding": None,
        "embedding_config": None,
        "archive_id": passage.archive_id,
        "created_at": moment(passage.created_at),
        "updated_at": moment(passage.created_at),
        "created_by_id": None,
        "last_updated_by_id": None,
        "file_id": None,
        "file_name": None,
        "source_id": None,
        "is_deleted": False,
        "metadata": passage.metadata,
        "tags": passage.tags,
    }


def folder_shape(folder: Folder) -> Shape:
    """With its archive. Folders have an embedding in the contract: where words have to do, it is called `none`."""
    archive = folder.archive
    handle, dimension = archive.embedding or NONE, archive.dimension or 0
    return {
        "id": folder.id,
        "name": folder.name,
        "description": folder.description,
        "instructions": folder.instructions,
        "metadata": folder.metadata,
        "embedding_config": embedding_config_shape(handle, dimension, folder.chunk_size),
        "vector_db_provider": "native",
        "created_by_id": folder.created_by_id,
        "last_updated_by_id": folder.last_updated_by_id,
        "created_at": moment(folder.created_at),
        "updated_at": moment(folder.updated_at),
    }


def file_shape(file: File, missing: Missing | None = None, content: str | None = None) -> Shape:
    missing = missing or Missing()
    return {
        "id": file.id,
        "source_id": file.folder_id,
        "folder_id": file.folder_id,
        "file_name": file.name,
        "original_file_name": file.original_name,
        "file_path": None,
        "file_type": file.media_type or None,
        "file_size": file.size,
        "file_creation_date": None,
        "file_last_modified_date": None,
        "processing_status": file.status,
        "error_message": file.error or missing.error,
        "total_chunks": file.chunks,
        "chunks_embedded": None if file.chunks is None else file.chunks - missing.count,
        "content": content,
        "created_at": moment(file.created_at),
        "updated_at": moment(file.updated_at),
    }


def agent_file_shape(row: AgentFile) -> Shape:
    """With its file and folder."""
    folder = row.file.folder
    return {
        "id": row.id,
        "file_id": row.file_id,
        "file_name": row.file.name,
        "folder_id": folder.id,
        "folder_name": folder.name,
        "is_open": row.is_open,
        "start_line": row.first_line,
        "end_line": row.last_line,
        "visible_content": row.window,
        "last_accessed_at": moment(row.accessed_at),
    }


def file_block_shape(row: AgentFile, limit: int) -> Shape:
    """An open file, as if it were a block."""
    block = Block(id="", label=path_of(row.file.folder.name, row.file.name), value=row.window or "", limit=limit)
    return block_shape(block) | {
        "id": None,
        "read_only": True,
        "file_id": row.file_id,
        "source_id": row.file.folder_id,
        "is_open": row.is_open,
        "last_accessed_at": moment(row.accessed_at),
    }


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


def approval_shape(approval: Any) -> Shape:
    """With `answering`, the run that brings the answer, and `of_default`: it is of an agent's own thread."""
    return {
        "id": approval.id,
        "status": "answered" if approval.answered_at else "pending",
        "agent_id": approval.agent_id,
        "conversation_id": None if approval.of_default else approval.conversation_id,
        "message_id": approval.message_id,
        "run_id": approval.asked_by_id,
        "calls": approval.calls,
        "answers": approval.answers,
        "answered_by_id": approval.answered_by_id,
        "answered_by_run_id": approval.answering,
        "created_at": moment(approval.created_at),
        "deadline_at": moment(approval.deadline_at),
        "answered_at": moment(approval.answered_at),
    }


def request_shape(approval: Approval) -> Shape:
    """The message object that asks for the approval."""
    return next(part for part in shown([approval.message]) if part["message_type"] == "approval_request_message")


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


def model_settings_shape(agent: Agent) -> Shape:
    provider = agent.model.partition("/")[0]
    base: Shape = {"max_output_tokens": 16_384, "parallel_tool_calls": True, "temperature": 1.0}
    if provider == "anthropic":
        base |= {"provider_type": "anthropic", "thinking": {"type": "disabled"}, "response_format": None}
    elif provider in _SETTINGS_TYPES:
        base |= {"provider_type": provider}
    else:
        base |= {
            "provider_type": "openai",
            "reasoning": {"reasoning_effort": "minimal"},
            "response_format": None,
            "strict": False,
        }
    stored, form = agent.model_settings, response_format(agent)
    # The model's own provider is asked, whosever settings these are: the model may have been changed since.
    own = {"provider_type": provider if stored.get("provider_type") == provider else base["provider_type"]}
    return base | stored | own | ({"response_format": form} if form else {})


def endpoint_type(provider: str) -> str:
    """The contract's word for the protocol of a provider; some of ours it has no word for."""
    return _ENDPOINT_TYPES.get(provider, provider)


def llm_config_shape(agent: Agent) -> Shape:
    provider, _, model = agent.model.partition("/")
    settings = model_settings_shape(agent)
    return {
        "model": model,
        "display_name": None,
        "model_endpoint_type": endpoint_type(provider),
        "model_endpoint": None,
        "provider_name": provider,
        "provider_category": "base",
        "model_wrapper": None,
        "context_window": agent.context_window_limit or context_window(agent.model),
        "put_inner_thoughts_in_kwargs": agent.agent_type != Agent.Type.LETTA_V1,
        "handle": agent.model,
        "temperature": settings["temperature"],
        "max_tokens": settings["max_output_tokens"],
        "enable_reasoner": (settings.get("thinking") or {}).get("type") == "enabled",
        "reasoning_effort": (agent.model_settings.get("reasoning") or {}).get("reasoning_effort"),
        "max_reasoning_tokens": (settings.get("thinking") or {}).get("budget_tokens") or 0,
        "effort": settings.get("effort"),
        "frequency_penalty": None,
        "compatibility_type": None,
        "verbosity": settings.get("verbosity"),
        "tier": None,
        "parallel_tool_calls": settings["parallel_tool_calls"],
        "response_format": response_format(agent),
        "strict": bool(settings.get("strict")),
        "return_logprobs": False,
        "top_logprobs": None,
        "return_token_ids": False,
        "tool_call_parser": None,
    }


def embedding_config_shape(handle: str | None, dimension: int | None = None, chunk_size: int = 300) -> Shape | None:
    if not handle:
        return None
    provider, _, model = handle.partition("/")
    return {
        "embedding_endpoint_type": endpoint_type(provider),
        "embedding_endpoint": None,
        "embedding_model": model or provider,
        "embedding_dim": dimension_of(handle) if dimension is None else dimension,
        "embedding_chunk_size": chunk_size,
        "handle": handle,
        "batch_size": 32,
        "azure_endpoint": None,
        "azure_version": None,
        "azure_deployment": None,
    }


_RUN_STATUS = {"queued": "created"}


def run_shape(run: Run, is_default: bool) -> Shape:
    options: Mapping[str, Any] = run.options
    # Between its steps a run is queued in the database, but for the client it has been running since its first claim.
    status = "running" if run.claims and run.status == Run.Status.QUEUED else _RUN_STATUS.get(run.status, run.status)
    finished = run.completed_at
    callback = getattr(run, "callback", None) if options.get("callback_url") else None
    return {
        "id": run.id,
        "status": status,
        "created_at": moment(run.created_at),
        "completed_at": moment(finished),
        "agent_id": run.agent_id,
        "conversation_id": None if is_default else run.conversation_id,
        "base_template_id": None,
        "background": run.background,
        "metadata": {"run_type": run.kind}
        | ({"error": {"type": run.error_code, "detail": run.error_message}} if run.error_code else {}),
        "request_config": {
            "use_assistant_message": options.get("use_assistant_message", True),
            "assistant_message_tool_name": options.get("assistant_message_tool_name", "send_message"),
            "assistant_message_tool_kwarg": options.get("assistant_message_tool_kwarg", "message"),
            "include_return_message_types": options.get("include_return_message_types"),
        },
        "stop_reason": run.stop_reason,
        "callback_url": options.get("callback_url"),
        "callback_sent_at": moment(callback.sent_at) if callback else None,
        "callback_status_code": callback.status_code if callback else None,
        "callback_error": callback.error if callback else None,
        "ttft_ns": _to_first_token(run),
        "total_duration_ns": int((finished - run.created_at).total_seconds() * 1e9) if finished else None,
    }


def _to_first_token(run: Run) -> int | None:
    """Of a row of agents/api/runs.py: with_first_token. A run that was only just accepted has said nothing."""
    begun: datetime | None = getattr(run, "spoke_in_step_of", None)
    return _nanoseconds(begun - run.created_at) + run.spoke_after_ns if begun else None  # type: ignore[attr-defined]


_STEP_STATUS = {
    Step.Status.OPEN: "pending",
    Step.Status.RESPONDED: "pending",
    Step.Status.COMMITTED: "success",
    Step.Status.ABORTED: "failed",
}


def step_shape(step: Step) -> Shape:
    provider, _, model = step.model.partition("/")
    status = "cancelled" if step.stop_reason == "cancelled" else _STEP_STATUS[Step.Status(step.status)]
    return {
        "id": step.id,
        "origin": None,
        "organization_id": step.organization_id,
        "provider_id": None,
        "run_id": step.run_id,
        "agent_id": step.agent_id,
        "provider_name": provider or None,
        "provider_category": "base",
        "model": model or None,
        "model_handle": step.model or None,
        "model_endpoint": None,
        "context_window_limit": step.context_window,
        "completion_tokens": step.all_completion_tokens,
        "prompt_tokens": step.all_prompt_tokens,
        "total_tokens": step.all_prompt_tokens + step.all_completion_tokens,
        "cached_input_tokens": step.cached_tokens,
        "cache_write_tokens": step.cache_write_tokens,
        "reasoning_tokens": step.reasoning_tokens,
        "completion_tokens_details": {"reasoning_tokens": step.reasoning_tokens},
        "prompt_tokens_details": {
            "cached_tokens": step.cached_tokens,
            "cache_read_tokens": step.cached_tokens,
            "cache_creation_tokens": step.cache_write_tokens,
        },
        "stop_reason": step.stop_reason,
        "tags": step.tags,
        "tid": None,
        "trace_id": None,
        "request_id": None,
        "messages": [],
        "feedback": step.feedback,
        "project_id": None,
        "error_type": step.error_code,
        "error_data": {"message": step.error_message} if step.error_message else None,
        "status": status,
    }


def step_metrics_shape(step: Step) -> Shape:
    return {
        "id": step.id,
        "organization_id": step.organization_id,
        "provider_id": None,
        "run_id": step.run_id,
        "agent_id": step.agent_id,
        "step_start_ns": _nanoseconds(step.created_at - EPOCH),
        "llm_request_start_ns": None,
        "llm_request_ns": step.llm_ns,
        "tool_execution_ns": step.tool_ns,
        "step_ns": _nanoseconds(step.completed_at - step.created_at) if step.completed_at else None,
        "base_template_id": None,
        "template_id": None,
        "project_id": None,
    }


def run_metrics_shape(run: Run, steps: int, tool_ids: Sequence[str]) -> Shape:
    return {
        "id": run.id,
        "organization_id": run.organization_id,
        "agent_id": run.agent_id,
        "run_start_ns": _nanoseconds(run.created_at - EPOCH),
        "run_ns": _nanoseconds(run.completed_at - run.created_at) if run.completed_at else None,
        "num_steps": steps,
        "tools_used": list(tool_ids),
        "base_template_id": None,
        "template_id": None,
        "project_id": None,
    }


def span_shapes(run: Run, steps: Iterable[Step]) -> list[Shape]:
    """The parts of a run as spans, each before those within it. A step begins with its model's call."""
    spans = [_span(run.id, None, "run", run.created_at, run.completed_at, {"status": run.status})]
    for step in steps:
        spans.append(_span(step.id, run.id, "step", step.created_at, step.completed_at, {"model": step.model}))
        start = _nanoseconds(step.created_at - EPOCH)
        parts = (("llm_request", start, step.llm_ns), ("tools", start + (step.llm_ns or 0), step.tool_ns))
        spans += [
            {"span_id": f"{step.id}:{name}", "parent_span_id": step.id, "name": name}
            | {"start_time_ns": begun, "duration_ns": spent, "attributes": {}}
            for name, begun, spent in parts
            if spent is not None
        ]
    return [{"trace_id": run.id} | span for span in spans]


def _span(id: str, parent: str | None, name: str, start: datetime, end: datetime | None, attributes: Shape) -> Shape:
    return {
        "span_id": id,
        "parent_span_id": parent,
        "name": name,
        "start_time_ns": _nanoseconds(start - EPOCH),
        "duration_ns": _nanoseconds(end - start) if end else None,
        "attributes": attributes,
    }


def _nanoseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000


def context_ids(conversations: Collection[Conversation]) -> dict[str, list[str]]:
    """The ids of the messages in context, by conversation, in the order in which the model sees them."""
    found: dict[str, list[str]] = {conversation.id: [] for conversation in conversations}
    wanted = reduce(or_, map(context_messages, conversations), Q(pk__in=[]))
    rows = Message.objects.filter(wanted).only("id", "conversation_id", "seq", "role")
    for row in sorted(rows, key=place_in_context):
        found[row.conversation_id].append(row.id)
    return found
