"""Conversations: further threads with an agent, each with a history of its own; forks of them."""

from typing import Any, TypeVar

from django.db import transaction
from django.db.models import F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from agents.api.agents import providers
from agents.api.context import recompiled
from agents.api.cursors import leaving
from agents.api.forking import fork
from agents.api.pages import page
from agents.api.requests import checked_id, choice, flag
from agents.api.scope import conversation, one, owned
from agents.api.serializers import Object, Text
from agents.api.shapes.agents import context_ids, conversation_shape
from agents.api.shapes.values import EPOCH, Shape
from agents.api.views import ApiView, answer
from agents.creation import create_conversation
from agents.errors import BadRequest, Conflict, invalid
from agents.models import TERMINAL, Agent, Conversation, Inbox, Message, Run
from memory.models import Block

Fields = TypeVar("Fields", bound="ConversationFields")

ORDERS = ("created_at", "last_message_at", "last_run_completion")

_ARCHIVED: dict[str, dict[str, Any]] = {
    "unarchived": {"archived_at": None},
    "archived": {"archived_at__isnull": False},
    "all": {},
}


class ConversationFields(serializers.Serializer):
    """What a client may say of a conversation. A null takes the field back, so that the agent's own counts again."""

    summary = Text(required=False, allow_null=True)
    description = Text(required=False, allow_null=True)
    model = Text(required=False, allow_null=True)
    model_settings = Object(required=False, allow_null=True)
    context_window_limit = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=2**31 - 1)
    hidden = serializers.BooleanField(required=False)
    archived = serializers.BooleanField(required=False, allow_null=True)
    last_message_at = serializers.DateTimeField(required=False, allow_null=True)

    def columns(self) -> dict[str, Any]:
        """The validated fields as columns of Conversation. Raises for a model that no provider serves."""
        columns = dict(self.validated_data)
        if columns.get("model"):
            providers().resolve(columns["model"])
        if columns.pop("archived", None) is not None:
            columns["archived_at"] = timezone.now() if self.validated_data["archived"] else None
        return columns


class NewConversation(ConversationFields):
    """Of the agent's blocks with these labels, the conversation has copies of its own."""

    isolated_block_labels = serializers.ListField(child=Text(), required=False, allow_null=True)


class Conversations(ApiView):
    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        rows = _filtered(owned(self.principal(request), Conversation), request)
        column = choice(query, "order_by", ORDERS) or "created_at"
        rows, key = _ordered(rows, column)
        found = page(rows, query, key=key, orders=ORDERS)
        ids = context_ids(found)
        return answer([conversation_shape(row, ids[row.id]) for row in found])

    def post(self, request: Request) -> HttpResponse:
        principal = self.principal(request)
        agent_id = request.query_params.get("agent_id")
        if not agent_id:
            raise invalid(["query", "agent_id"], "Field required", "missing")
        agent = one(principal, Agent, agent_id, loc=("query", "agent_id"))
        fields = _checked(NewConversation, request)
        isolated = fields.validated_data.pop("isolated_block_labels", None) or ()
        made = create_conversation(agent, actor_id=principal.user_id, isolated=isolated, **fields.columns())
        return answer(_shape(made))


class OneConversation(ApiView):
    def get(self, request: Request, conversation_id: str) -> HttpResponse:
        return answer(_shape(_named(self, request, conversation_id)))

    def patch(self, request: Request, conversation_id: str) -> HttpResponse:
        place = _named(self, request, conversation_id)
        columns = _checked(ConversationFields, request).columns() | {
            "last_updated_by_id": self.principal(request).user_id
        }
        for name, value in columns.items():
            setattr(place, name, value)
        # These columns only: a worker may be writing the others.
        place.save(update_fields=[*columns, "updated_at"])
        return answer(_shape(place))

    def delete(self, request: Request, conversation_id: str) -> HttpResponse:
        """With its runs and everything that was said in it."""
        place = _named(self, request, conversation_id)
        if place.is_default:
            raise BadRequest("This is the agent's own thread. Delete the agent, or reset its messages.")
        id = place.id
        with leaving(place):
            delete(place)
        return answer({"message": f"Conversation id={id} successfully deleted"})


class Fork(ApiView):
    """A new conversation that has heard the same, up to and with `message_id` or to the end."""

    def post(self, request: Request, conversation_id: str) -> HttpResponse:
        principal, query = self.principal(request), request.query_params
        place = _named(self, request, conversation_id)
        last = None
        if message_id := query.get("message_id"):
            said = Message.objects.filter(conversation=place)
            last = one(principal, Message, message_id, said, ("query", "message_id"))
        made = fork(place, last, actor_id=principal.user_id, hidden=bool(flag(query, "hidden")))
        return answer(_shape(made))


class RecompileConversation(ApiView):
    """The system prompt, compiled now; it is kept unless `dry_run`."""

    def post(self, request: Request, conversation_id: str) -> HttpResponse:
        query = request.query_params
        place = _named(self, request, conversation_id)
        dry_run, stamped = bool(flag(query, "dry_run")), bool(flag(query, "update_timestamp"))
        return answer(recompiled(place, dry_run=dry_run, stamped=stamped))


@transaction.atomic
def delete(place: Conversation) -> None:
    """Raises Conflict while a run is under way. The locks, in their order, keep workers and new messages away."""
    Conversation.objects.select_for_update().get(id=place.id)
    Inbox.objects.select_for_update().get(conversation_id=place.id)
    if place.runs.exclude(status__in=TERMINAL).exists():
        raise Conflict("The agent is at work in this conversation. Cancel its runs, or wait for them.")
    own = list(place.isolated_blocks.values())
    place.delete()
    Block.objects.filter(id__in=own, agents=None).delete()


def _named(view: ApiView, request: Request, conversation_id: str) -> Conversation:
    """The conversation of the path; for `default`, the agent is named by the query or the body."""
    body = request.data if isinstance(request.data, dict) else {}
    asked, told = request.query_params.get("agent_id"), body.get("agent_id")
    where = "query" if asked else "body"
    return conversation(view.principal(request), conversation_id, asked or told, where_agent=where)


def _checked(kind: type[Fields], request: Request) -> Fields:
    fields = kind(data=request.data or {})
    fields.is_valid(raise_exception=True)
    return fields


def _shape(place: Conversation) -> Shape:
    return conversation_shape(place, context_ids([place])[place.id])


def _filtered(rows: QuerySet[Conversation], request: Request) -> QuerySet[Conversation]:
    query = request.query_params
    rows = rows.filter(is_default=False, hidden=False)
    if agent_id := query.get("agent_id"):
        rows = rows.filter(agent_id=checked_id("agent", agent_id, ("query", "agent_id")))
    rows = rows.filter(**_ARCHIVED[choice(query, "archive_status", tuple(_ARCHIVED)) or "unarchived"])
    if text := query.get("summary_search"):
        rows = rows.filter(summary__icontains=text)
    return rows


def _ordered(rows: QuerySet[Conversation], column: str) -> tuple[QuerySet[Conversation], tuple[str, ...]]:
    """The rows with the columns that order them. Who never spoke, or never ended a run, is the oldest."""
    if column == "created_at":
        return rows, ("created_at", "id")
    ended = Run.objects.filter(conversation=OuterRef("pk"), completed_at__isnull=False).order_by("-seq")
    moment = F("last_message_at") if column == "last_message_at" else Subquery(ended.values("completed_at")[:1])
    return rows.annotate(moment=Coalesce(moment, Value(EPOCH))), ("moment", "id")
