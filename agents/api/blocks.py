"""Core memory blocks on their own: made, changed and deleted apart from agents."""

from typing import Any

from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse, QueryDict
from rest_framework import serializers
from rest_framework.request import Request

from accounts.keys import Principal
from agents.api.cursors import leaving
from agents.api.identities import of_identities
from agents.api.pages import page
from agents.api.requests import flag, integer, json_body
from agents.api.scope import one, owned
from agents.api.serializers import BlockFields, BlockImportFields, block_columns
from agents.api.shapes.memory import block_shape, version_shape
from agents.api.views import ApiView, answer
from agents.creation import check_labels, check_limit, create_block, lock_agents
from agents.importing import import_blocks
from agents.models import Agent, AgentBlock, BlockIdentity
from memory.models import Block
from memory.versions import difference, undo, versions_of

MOST_VERSIONS = 100

ALWAYS_THERE = ("label", "value", "limit", "read_only", "is_template")


class UndoFields(serializers.Serializer):
    """Which version to go back to (without it, the one before), and at which the block is believed to be."""

    version = serializers.IntegerField(min_value=1, max_value=2**53, required=False, allow_null=True)
    expected_version = serializers.IntegerField(min_value=1, max_value=2**53, required=False, allow_null=True)


class Blocks(ApiView):
    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        rows = _filtered(owned(self.principal(request), Block), query)
        return answer([block_shape(block) for block in page(rows, query, limit=50)])

    def post(self, request: Request) -> HttpResponse:
        principal = self.principal(request)
        columns = _columns(request.data)
        return answer(block_shape(create_block(principal.organization_id, principal.user_id, **columns)))


class OneBlock(ApiView):
    def get(self, request: Request, block_id: str) -> HttpResponse:
        return answer(block_shape(one(self.principal(request), Block, block_id)))

    def patch(self, request: Request, block_id: str) -> HttpResponse:
        return answer(block_shape(change_block(self.principal(request), block_id, request.data)))

    def delete(self, request: Request, block_id: str) -> HttpResponse:
        block = one(self.principal(request), Block, block_id)
        with leaving(block):
            block.delete()
        return answer({"message": f"Block id={block_id} successfully deleted"})


def _filtered(rows: QuerySet[Block], query: QueryDict) -> QuerySet[Block]:
    if label := query.get("label"):
        rows = rows.filter(label=label)
    for column in ("label", "value", "description"):
        if text := query.get(f"{column}_search"):
            rows = rows.filter(**{f"{column}__icontains": text})
    for column, parameter in (("template_name", "name"), ("project_id", "project_id")):
        if value := query.get(parameter):
            rows = rows.filter(**{f"labels_of_origin__{column}": value})
    if flag(query, "templates_only"):
        rows = rows.filter(labels_of_origin__is_template=True)
    if tags := query.getlist("tags"):
        rows = rows.filter(tags__contains=tags) if flag(query, "match_all_tags") else rows.filter(tags__overlap=tags)
    rows = of_identities(rows, BlockIdentity.objects.filter(block=OuterRef("pk")), query)
    return _connected(rows, query)


def _connected(rows: QuerySet[Block], query: QueryDict) -> QuerySet[Block]:
    """Those that so many agents hold."""
    name = "connected_to_agents_count"
    exactly = [integer({name: value}, name, 0) for value in query.getlist(f"{name}_eq")]
    wanted: dict[str, Any] = {"holders__in": exactly} if exactly else {}
    wanted |= {
        f"holders__{word}": integer(query, f"{name}_{word}", 0) for word in ("gt", "lt") if f"{name}_{word}" in query
    }
    if not wanted:
        return rows
    links = AgentBlock.objects.filter(block=OuterRef("pk")).order_by().values("block")
    holders = Coalesce(Subquery(links.annotate(number=Count("id")).values("number")), 0)
    return rows.annotate(holders=holders).filter(**wanted)


@transaction.atomic
def change_block(principal: Principal, block_id: str, body: Any) -> Block:
    """The row is locked, so that a change made by an agent at the same moment is not undone."""
    columns = _columns(body, partial=True)
    block = one(principal, Block, block_id, owned(principal, Block).select_for_update(no_key=True))
    value = columns.get("value", block.value)
    if "value" in columns or "limit" in columns:
        check_limit(value, columns.get("limit", block.limit))
    block.give(columns)
    block.author_id = block.last_updated_by_id = principal.user_id
    holders = list(block.agents.values_list("id", flat=True)) if "label" in columns else []
    lock_agents(holders)
    block.save()
    check_labels(holders)
    return block


class Import(ApiView):
    def post(self, request: Request) -> HttpResponse:
        principal = self.principal(request)
        fields = BlockImportFields(data=request.data)
        fields.is_valid(raise_exception=True)
        given = fields.validated_data
        agent_id = given.get("agent_id")
        agent = one(principal, Agent, agent_id, loc=("body", "agent_id")) if agent_id is not None else None
        blocks = [block_columns(block) for block in given["blocks"]]
        result = import_blocks(principal.organization_id, principal.user_id, blocks, agent)
        return answer(
            {
                "id": result.id,
                "created": [block_shape(block) for block in result.created],
                "changed": [block_shape(block) for block in result.changed],
                "unchanged": [block_shape(block) for block in result.unchanged],
            }
        )


class Versions(ApiView):
    def get(self, request: Request, block_id: str) -> HttpResponse:
        block = one(self.principal(request), Block, block_id)
        rows = page(versions_of(block), _bounded(request.query_params), key=("number",))
        return answer([version_shape(row, difference(row.before, row.value)) for row in rows])


class Undo(ApiView):
    @transaction.atomic
    def post(self, request: Request, block_id: str) -> HttpResponse:
        principal = self.principal(request)
        fields = UndoFields(data=json_body(request))
        fields.is_valid(raise_exception=True)
        asked = fields.validated_data
        block = one(principal, Block, block_id, owned(principal, Block).select_for_update(no_key=True))
        undo(block, principal.user_id, asked.get("version"), asked.get("expected_version"))
        return answer(block_shape(block))


def _bounded(query: Any) -> dict[str, str]:
    """Each version brings two whole values to compare, so that a page has fewer rows than elsewhere."""
    return query.dict() | {"limit": str(min(integer(query, "limit", 50), MOST_VERSIONS))}


def _columns(body: Any, partial: bool = False) -> dict[str, Any]:
    if partial and isinstance(body, dict):
        # A null leaves what every block has as it is; the rest it takes away.
        body = {name: value for name, value in body.items() if value is not None or name not in ALWAYS_THERE}
    fields = BlockFields(data=body, partial=partial)
    fields.is_valid(raise_exception=True)
    return block_columns(fields.validated_data)
