"""Agents: create, list, retrieve, change, delete; their blocks and tools."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.keys import Principal
from accounts.sealing import seal
from agents import folders
from agents.api.blocks import change_block
from agents.api.cursors import leaving
from agents.api.identities import of_identities, with_belongings
from agents.api.inputs import opening_of
from agents.api.pages import page
from agents.api.requests import choice, flag, refuse
from agents.api.scope import defaults_of, one, owned
from agents.api.serializers import AgentFields, NewAgent, ResetFields, block_columns
from agents.api.shapes.agents import Relations, agent_shape, context_ids
from agents.api.shapes.memory import block_shape
from agents.api.shapes.tools import tool_shape
from agents.api.shapes.values import EPOCH, Shape
from agents.api.views import ApiView, answer
from agents.approvals import forget
from agents.creation import attach_blocks, attach_tools, begin_anew, create_agent, found
from agents.default_model import default_model
from agents.errors import BadRequest, Conflict, NotFound, invalid
from agents.files import Files
from agents.llm.registry import Providers, providers_from
from agents.loading import context_messages
from agents.models import Agent, AgentBlock, AgentFile, AgentIdentity, AgentTool, Approval, Identity, Message, Run
from agents.models.run import TERMINAL
from agents.wire import STOP_REASONS
from memory.models import Block, Folder
from tools.models import Tool

ORDERS = ("created_at", "updated_at", "last_run_completion")

RELATIONS = ("blocks", "tools", "tags", "sources", "identities", "secrets", "managed_group", "pending_approval")

# Fields of the contract that would need parts which this server does not have.
NOT_SERVED = ("enable_sleeptime", "from_template", "template")

_IN_ORDER = {
    "blocks": Prefetch("blocks", Block.objects.order_by("agentblock__id")),
    "tools": Prefetch("tools", Tool.objects.order_by("agenttool__id")),
    "pending_approval": Prefetch(
        "approvals", Approval.objects.filter(answered_at=None).select_related("message"), to_attr="waiting"
    ),
    "sources": Prefetch("folders", Folder.objects.select_related("archive").order_by("agentfolder__id")),
    "identities": Prefetch("identities", with_belongings(Identity.objects.order_by("agentidentity__id"))),
}

_OPEN_FILES = Prefetch(
    "files",
    AgentFile.objects.filter(is_open=True).select_related("file__folder").order_by("accessed_at", "id"),
    to_attr="open_files",
)

_LAST_RUN = Run.objects.filter(agent=OuterRef("pk"), status__in=TERMINAL).order_by("-created_at", "-id")


@cache
def providers() -> Providers:
    return Providers(providers_from(settings.PROVIDER_SETTINGS))


class Agents(ApiView):
    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        rows, key = _ordered(_filtered(owned(self.principal(request), Agent), request), request)
        return answer(_shapes(page(rows, query, key=key, orders=ORDERS), _include(request)))

    def post(self, request: Request) -> HttpResponse:
        principal = self.principal(request)
        refuse(request.data if isinstance(request.data, dict) else {}, *NOT_SERVED)
        fields = NewAgent(data=request.data)
        fields.is_valid(raise_exception=True)
        given, columns = fields.validated_data, fields.columns()
        columns["model"] = columns.get("model") or default_model(providers().providers)
        providers().resolve(columns["model"])
        secrets = fields.secret_values()
        identities = found(Identity, principal.organization_id, given.get("identity_ids") or (), "Identity")
        with transaction.atomic():
            agent = create_agent(
                principal.organization_id,
                actor_id=principal.user_id,
                blocks=[block_columns(block) for block in given.get("memory_blocks") or ()],
                block_ids=given.get("block_ids") or (),
                tool_names=given.get("tools") or (),
                tool_ids=given.get("tool_ids") or (),
                include_base_tools=given["include_base_tools"] is not False,
                include_base_tool_rules=given["include_base_tool_rules"] is not False,
                opening=opening_of(given.get("initial_message_sequence")),
                **columns | ({"sealed_secrets": seal(secrets)} if secrets else {}),
            )
            agent.identities.add(*identities)
            folders.attach(agent, _folders(principal.organization_id, given) or [])
        return answer(state(agent, None))


class AgentCount(ApiView):
    """A bare number: how many agents the same query would list in all."""

    def get(self, request: Request) -> HttpResponse:
        return answer(_filtered(owned(self.principal(request), Agent), request).count())


class OneAgent(ApiView):
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        return answer(state(one(self.principal(request), Agent, agent_id), _include(request)))

    def patch(self, request: Request, agent_id: str) -> HttpResponse:
        with transaction.atomic():
            agent = change_agent(self.principal(request), agent_id, request.data)
        return answer(state(agent, _include(request)))

    def delete(self, request: Request, agent_id: str) -> HttpResponse:
        agent = one(self.principal(request), Agent, agent_id)
        with leaving(agent):
            agent.delete()
        return answer({"message": f"Agent id={agent_id} successfully deleted"})


def change_agent(principal: Principal, agent_id: str, body: Any) -> Agent:
    """The row is locked: what is given may have to be merged into what is stored."""
    agent = one(principal, Agent, agent_id, owned(principal, Agent).select_for_update(no_key=True))
    refuse(body if isinstance(body, dict) else {}, *NOT_SERVED)
    fields = AgentFields(data=body, partial=True)
    fields.is_valid(raise_exception=True)
    columns = fields.columns(agent)
    if "model" in columns:
        providers().resolve(columns["model"])
    secrets = fields.secret_values()
    if secrets is not None:
        columns["sealed_secrets"] = seal(secrets)
    for name, value in columns.items():
        setattr(agent, name, value)
    agent.last_updated_by_id = principal.user_id
    # These columns only: another request may be changing the others.
    agent.save(update_fields=[*columns, "last_updated_by_id", "updated_at"])
    _replace(agent, fields.validated_data)
    return agent


class AgentBlocks(ApiView):
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        agent = one(self.principal(request), Agent, agent_id)
        return answer([block_shape(block) for block in page(agent.blocks.all(), request.query_params, limit=50)])


class AgentBlockByLabel(ApiView):
    def get(self, request: Request, agent_id: str, label: str) -> HttpResponse:
        return answer(block_shape(_labelled(one(self.principal(request), Agent, agent_id), label)))

    def patch(self, request: Request, agent_id: str, label: str) -> HttpResponse:
        principal = self.principal(request)
        block = _labelled(one(principal, Agent, agent_id), label)
        return answer(block_shape(change_block(principal, block.id, request.data)))


class BlockAgents(ApiView):
    """The agents that have this block."""

    def get(self, request: Request, block_id: str) -> HttpResponse:
        block = one(self.principal(request), Block, block_id)
        return answer(_shapes(page(block.agents.all(), request.query_params), _include(request)))


class IdentityAgents(ApiView):
    def get(self, request: Request, identity_id: str) -> HttpResponse:
        identity = one(self.principal(request), Identity, identity_id)
        return answer(_shapes(page(identity.agents.all(), request.query_params), _include(request)))


class AttachBlock(ApiView):
    def patch(self, request: Request, agent_id: str, block_id: str) -> HttpResponse:
        principal = self.principal(request)
        agent, block = one(principal, Agent, agent_id), one(principal, Block, block_id)
        attach_blocks(agent, [block])
        return answer(state(agent, None))


class DetachBlock(ApiView):
    def patch(self, request: Request, agent_id: str, block_id: str) -> HttpResponse:
        principal = self.principal(request)
        agent, block = one(principal, Agent, agent_id), one(principal, Block, block_id)
        AgentBlock.objects.filter(agent=agent, block=block).delete()
        return answer(state(agent, None))


class AgentTools(ApiView):
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        agent = one(self.principal(request), Agent, agent_id)
        return answer([tool_shape(tool) for tool in page(agent.tools.all(), request.query_params, limit=50)])


class AttachTool(ApiView):
    def patch(self, request: Request, agent_id: str, tool_id: str) -> HttpResponse:
        principal = self.principal(request)
        attach_tools(one(principal, Agent, agent_id), [one(principal, Tool, tool_id)])
        return answer(None)


class DetachTool(ApiView):
    def patch(self, request: Request, agent_id: str, tool_id: str) -> HttpResponse:
        principal = self.principal(request)
        agent, tool = one(principal, Agent, agent_id), one(principal, Tool, tool_id)
        AgentTool.objects.filter(agent=agent, tool=tool).delete()
        return answer(None)


class ResetMessages(ApiView):
    """The agent forgets what is in context, or begins again as it once began; everything stays in recall memory."""

    def patch(self, request: Request, agent_id: str) -> HttpResponse:
        principal = self.principal(request)
        agent = one(principal, Agent, agent_id)
        fields = ResetFields(data=request.data)
        fields.is_valid(raise_exception=True)
        opening = agent.initial_messages if fields.validated_data["add_default_initial_messages"] else ()
        with transaction.atomic():
            conversation = agent.conversations.select_for_update(no_key=True).get(is_default=True)
            if conversation.runs.exclude(status__in=TERMINAL).exists():
                raise Conflict("The agent is at work in this conversation. Cancel its runs, or wait for them.")
            forget(conversation)
            begin_anew(conversation, opening)
        return answer(state(agent, None))


def state(agent: Agent, include: frozenset[str] | None) -> Shape:
    return _shapes([agent], include)[0]


def _shapes(agents: Sequence[Agent], include: frozenset[str] | None) -> list[Shape]:
    """The same number of queries for one agent as for a page of them."""
    ids = [agent.id for agent in agents]
    wanted = [prefetch for name, prefetch in _IN_ORDER.items() if include is None or f"agent.{name}" in include]
    wanted += [_OPEN_FILES] if include is None or "agent.sources" in include else []
    rows = Agent.objects.filter(id__in=ids).annotate(last_run_id=Subquery(_LAST_RUN.values("id")[:1]))
    loaded = {agent.id: agent for agent in rows.prefetch_related(*wanted)}
    conversations = list(defaults_of(ids))
    in_context = context_ids(conversations)
    messages = {conversation.agent_id: in_context[conversation.id] for conversation in conversations}
    last = {run.agent_id: run for run in Run.objects.filter(id__in=[row.last_run_id for row in loaded.values()])}
    return [agent_shape(loaded[id], Relations(loaded[id], include), messages.get(id, ()), last.get(id)) for id in ids]


def _include(request: Request) -> frozenset[str]:
    asked = request.query_params.getlist("include")
    known = {f"agent.{name}" for name in RELATIONS}
    for name in asked:
        if name not in known:
            raise invalid(["query", "include"], f"Should be of {', '.join(sorted(known))}", "enum")
    older = request.query_params.getlist("include_relationships")
    return frozenset(asked) | {f"agent.{name}" for name in older}


def _filtered(rows: QuerySet[Agent], request: Request) -> QuerySet[Agent]:
    query = request.query_params
    if name := query.get("name"):
        rows = rows.filter(name=name)
    if tags := query.getlist("tags"):
        rows = rows.filter(tags__contains=tags) if flag(query, "match_all_tags") else rows.filter(tags__overlap=tags)
    if text := query.get("query_text"):
        rows = rows.filter(Q(name__icontains=text) | Q(description__icontains=text))
    for column in ("project_id", "template_id", "base_template_id"):
        if value := query.get(column):
            rows = rows.filter(**{f"labels_of_origin__{column}": value})
    if actor := query.get("created_by_id"):
        rows = rows.filter(created_by_id=actor)
    if reason := choice(query, "last_stop_reason", STOP_REASONS):
        rows = rows.annotate(stopped=Subquery(_LAST_RUN.values("stop_reason")[:1])).filter(stopped=reason)
    return of_identities(rows, AgentIdentity.objects.filter(agent=OuterRef("pk")), query)


def _ordered(rows: QuerySet[Agent], request: Request) -> tuple[QuerySet[Agent], tuple[str, ...]]:
    """The rows with the columns that order them; `sort_by` is the older name. Who never ended a run is the oldest."""
    query = request.query_params
    column = choice(query, "order_by", ORDERS) or choice(query, "sort_by", ORDERS) or "created_at"
    if column != "last_run_completion":
        return rows, (column, "id")
    return rows.annotate(moment=Coalesce(Subquery(_LAST_RUN.values("completed_at")[:1]), Value(EPOCH))), (
        "moment",
        "id",
    )


def _labelled(agent: Agent, label: str) -> Block:
    block = agent.blocks.filter(label=label).first()
    if block is None:
        raise NotFound("Block", label)
    return block


def _replace(agent: Agent, given: dict[str, Any]) -> None:
    """`block_ids`, `tool_ids`, `identity_ids` and `folder_ids` in a PATCH are the whole new set."""
    if given.get("block_ids") is not None:
        blocks = found(Block, agent.organization_id, given["block_ids"], "Block")
        AgentBlock.objects.filter(agent=agent).exclude(block__in=blocks).delete()
        attach_blocks(agent, blocks)
    if given.get("tool_ids") is not None:
        tools = found(Tool, agent.organization_id, given["tool_ids"], "Tool")
        AgentTool.objects.filter(agent=agent).exclude(tool__in=tools).delete()
        attach_tools(agent, tools)
    if given.get("message_ids") is not None:
        _keep(agent, given["message_ids"])
    if (chosen := _folders(agent.organization_id, given)) is not None:
        folders.detach(agent, [folder for folder in agent.folders.all() if folder not in chosen])
        folders.attach(agent, chosen)
    if given.get("max_files_open") is not None or given.get("per_file_view_window_char_limit") is not None:
        Files(agent).fit()
    if given.get("identity_ids") is not None:
        agent.identities.set(found(Identity, agent.organization_id, given["identity_ids"], "Identity"))


def _keep(agent: Agent, ids: Sequence[str]) -> None:
    """Of the messages in context only these stay in it: all, or the newest. Raises BadRequest, or Conflict."""
    place = agent.conversations.select_for_update(no_key=True).get(is_default=True)
    rows = Message.objects.filter(context_messages(place)).exclude(seq__in=[1, place.summary_seq or 0]).order_by("seq")
    fixed = Message.objects.filter(conversation=place, seq__in=[1, place.summary_seq or 0], id__in=ids)
    named = set(ids) - set(fixed.values_list("id", flat=True))
    first = next((row for row in rows if row.id in named), None)
    kept = [row for row in rows if first is not None and row.seq >= first.seq]
    if {row.id for row in kept} != named or (first is not None and first.role == Message.Role.TOOL):
        raise BadRequest(
            "message_ids can leave out the oldest messages in context, with the returns of their tool calls; it brings "
            "none back, and leaves none out between others."
        )
    if len(kept) == len(rows):
        return
    if place.runs.exclude(status__in=TERMINAL).exists():
        raise Conflict("The agent is at work in this conversation. Cancel its runs, or wait for them.")
    place.context_from = first.seq if first else place.next_seq
    place.save(update_fields=["context_from", "updated_at"])


def _folders(organization_id: str, given: dict[str, Any]) -> list[Folder] | None:
    """Those that `folder_ids` names, or `source_ids`, the older name of it; None if neither is given."""
    named = [given[name] for name in ("folder_ids", "source_ids") if given.get(name) is not None]
    return found(Folder, organization_id, [id for ids in named for id in ids], "Folder") if named else None
