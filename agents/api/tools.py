"""The organization's tools: those of the server, and its own, made from source code. Nothing here runs them."""

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from accounts.keys import Principal
from agents.api.cursors import leaving
from agents.api.pages import page
from agents.api.requests import check_known, choice, flag
from agents.api.scope import one, owned
from agents.api.serializers import Strings, Text
from agents.api.shapes.tools import tool_shape
from agents.api.tool_sources import Language, columns_of_change, columns_of_new, derived_schema
from agents.api.views import ApiView, answer
from agents.creation import with_approval, without_approval
from agents.errors import BadRequest, Conflict, NotFound
from agents.hints import build_packages
from agents.models import Agent, AgentTool
from tools import catalog, registry
from tools.models import Tool

# Of the last three there are none here, but clients know them.
TOOL_TYPES = (*Tool.Type.values, "letta_voice_sleeptime_core", "external_langchain", "external_composio")


class Tools(ApiView):
    def get(self, request: Request) -> HttpResponse:
        principal, query = self.principal(request), request.query_params
        catalog.ensure(principal.organization_id)
        choice(query, "order_by", ("created_at",))
        return answer(
            [
                tool_shape(tool)
                for tool in page(_filtered(catalog.listed(owned(principal, Tool)), request), query, limit=50)
            ]
        )

    def post(self, request: Request) -> HttpResponse:
        """As the contract has it: the organization's own tool of that name is overwritten, and keeps its id."""
        principal = self.principal(request)
        tool = catalog.put(principal.organization_id, principal.user_id, columns_of_new(request.data))
        _want_packages(tool)
        return answer(tool_shape(tool))

    def put(self, request: Request) -> HttpResponse:
        return self.post(request)


class OneTool(ApiView):
    def get(self, request: Request, tool_id: str) -> HttpResponse:
        return answer(tool_shape(one(self.principal(request), Tool, tool_id)))

    @transaction.atomic
    def patch(self, request: Request, tool_id: str) -> HttpResponse:
        """A new source brings its own name, description and schema, unless they are given with it."""
        principal = self.principal(request)
        tool = _locked(principal, tool_id)
        columns, name = columns_of_change(request.data, tool), tool.name
        if columns.get("name", name) != name:
            _check_rename(tool, columns["name"])
        try:
            catalog.change(tool, principal.user_id, columns)
        except catalog.NameTaken as error:
            raise Conflict(str(error)) from None
        _want_packages(tool)
        return answer(tool_shape(tool))

    @transaction.atomic
    def delete(self, request: Request, tool_id: str) -> HttpResponse:
        tool = _locked(self.principal(request), tool_id)
        if tool.is_of_server and registry.find(tool.name):
            raise BadRequest(
                f"{tool.name} is a function of this server. Detach it from the agents that should not use it."
            )
        with leaving(tool):
            tool.delete()
        return answer(None)


class ToolSearchFields(serializers.Serializer):
    query = Text(required=False, allow_null=True)
    search_mode = serializers.ChoiceField(choices=("vector", "fts", "hybrid"), default="hybrid")
    tags = Strings(required=False, allow_null=True)
    tool_types = Strings(required=False, allow_null=True)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)


class ToolSearch(ApiView):
    """By words, in every mode: tools have no embeddings here."""

    def post(self, request: Request) -> HttpResponse:
        principal = self.principal(request)
        fields = ToolSearchFields(data=request.data)
        fields.is_valid(raise_exception=True)
        given = fields.validated_data
        catalog.ensure(principal.organization_id)
        rows = catalog.listed(owned(principal, Tool))
        if given.get("tags"):
            rows = rows.filter(tags__overlap=given["tags"])
        if given.get("tool_types"):
            check_known(given["tool_types"], TOOL_TYPES, ["body", "tool_types"])
            rows = rows.filter(tool_type__in=given["tool_types"])
        found = catalog.search(rows, given.get("query") or "")[: given["limit"]]
        return answer([_result(tool, place) for place, tool in enumerate(found, 1)])


class SourceFields(serializers.Serializer):
    code = Text()
    source_type = Language(required=False, allow_null=True)


class GenerateSchema(ApiView):
    """The schema that a source would get; nothing is kept."""

    def post(self, request: Request) -> HttpResponse:
        fields = SourceFields(data=request.data)
        fields.is_valid(raise_exception=True)
        return answer(derived_schema(fields.validated_data["code"]))


class AddBaseTools(ApiView):
    """The tools of the server. They are there anyway; older clients ask for them first."""

    def post(self, request: Request) -> HttpResponse:
        principal = self.principal(request)
        catalog.ensure(principal.organization_id)
        rows = catalog.listed(owned(principal, Tool)).filter(source_code=None, mcp_server=None).order_by("name")
        return answer([tool_shape(tool) for tool in rows])


class ApprovalFields(serializers.Serializer):
    requires_approval = serializers.BooleanField()


class ToolApproval(ApiView):
    """Whether an agent's calls of a tool wait for somebody's consent: a `requires_approval` rule, there or not."""

    @transaction.atomic
    def patch(self, request: Request, agent_id: str, tool_name: str) -> HttpResponse:
        principal = self.principal(request)
        agent = one(principal, Agent, agent_id, owned(principal, Agent).select_for_update(no_key=True))
        if not agent.tools.filter(name=tool_name).exists():
            raise NotFound("Tool", tool_name)
        rules = (with_approval if _wants_approval(request) else without_approval)(agent.tool_rules, tool_name)
        agent.tool_rules, agent.last_updated_by_id = rules, principal.user_id
        agent.save(update_fields=["tool_rules", "last_updated_by_id", "updated_at"])
        return answer(None)


def _want_packages(tool: Tool) -> None:
    if tool.package_state == Tool.Packages.WAITING:
        transaction.on_commit(partial(build_packages, tool.id), robust=True)


def _wants_approval(request: Request) -> bool:
    """From the body, or else from the query, where older clients say it."""
    body = request.data if isinstance(request.data, dict) else {}
    older = flag(request.query_params, "requires_approval")
    if "requires_approval" not in body and older is not None:
        return older
    fields = ApprovalFields(data=request.data)
    fields.is_valid(raise_exception=True)
    return bool(fields.validated_data["requires_approval"])


def _filtered(rows: QuerySet[Tool], request: Request) -> QuerySet[Tool]:
    query = request.query_params
    if names := [*query.getlist("names"), *query.getlist("name")]:
        rows = rows.filter(name__in=names)
    if ids := _listed(request, "tool_ids"):
        rows = rows.filter(id__in=ids)
    if types := _types(request, "tool_types"):
        rows = rows.filter(tool_type__in=types)
    if types := _types(request, "exclude_tool_types"):
        rows = rows.exclude(tool_type__in=types)
    if tags := _listed(request, "tags"):
        rows = rows.filter(tags__overlap=tags)
    if flag(query, "return_only_letta_tools"):
        rows = rows.filter(tool_type__startswith="letta_")
    if text := query.get("search"):
        rows = rows.filter(name__icontains=text)
    return rows


def _listed(request: Request, name: str) -> list[str]:
    """A parameter that is repeated, or has several values between commas."""
    return [part for value in request.query_params.getlist(name) for part in value.split(",") if part]


def _types(request: Request, name: str) -> list[str]:
    types = _listed(request, name)
    check_known(types, TOOL_TYPES, ["query", name])
    return types


def _locked(principal: Principal, tool_id: str) -> Tool:
    tool: Tool = one(principal, Tool, tool_id, owned(principal, Tool).select_for_update(no_key=True))
    return tool


def _check_rename(tool: Tool, name: str) -> None:
    """No agent may come to hold two tools of one name."""
    holders = AgentTool.objects.filter(tool=tool).values("agent_id")
    other = AgentTool.objects.filter(agent_id__in=holders, tool__name=name).exclude(tool=tool).first()
    if other:
        raise Conflict(
            f"Agent {other.agent_id} already holds another tool called {name!r}. Detach one of the two first."
        )


def _result(tool: Any, place: int) -> dict[str, Any]:
    """`fts_rank` counts from 1."""
    return {
        "tool": tool_shape(tool),
        "embedded_text": None,
        "fts_rank": None if tool.rank is None else place,
        "vector_rank": None,
        "combined_score": float(tool.rank or 0),
    }
