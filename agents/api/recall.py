"""Recall memory through the API: every message of the organization, by id, as a list, and by words."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from accounts.keys import Principal
from agents.api.pages import newest_page
from agents.api.requests import checked_id
from agents.api.scope import conversation, one, owned
from agents.api.serializers import Text
from agents.api.shapes import Shape, moment
from agents.api.views import ApiView, answer
from agents.errors import NotServed
from agents.models import Agent, Message
from agents.wire import View, parts, shown
from memory import recall

SPOKEN = ("user_message", "assistant_message")


class MessageSearchFields(serializers.Serializer):
    query = Text()
    search_mode = serializers.ChoiceField(choices=("vector", "fts", "hybrid"), default="hybrid")
    agent_id = Text(required=False, allow_null=True)
    conversation_id = Text(required=False, allow_null=True)
    limit = serializers.IntegerField(min_value=1, default=50)
    start_date = Text(required=False, allow_null=True)
    end_date = Text(required=False, allow_null=True)

    def validate_search_mode(self, mode: str) -> str:
        if mode == "vector":
            raise NotServed("This server searches by words only. Leave search_mode out, or set it to fts.")
        return mode


class Messages(ApiView):
    """Without an order: the newest page, oldest first; `after` means newer and `before` older."""

    def get(self, request: Request) -> HttpResponse:
        principal, query = self.principal(request), request.query_params
        rows = owned(principal, Message)
        key: tuple[str, ...] = ("created_at", "id")
        if conversation_id := query.get("conversation_id"):
            rows = rows.filter(conversation=conversation(principal, conversation_id, query.get("agent_id")))
            key = ("seq",)
        view = View.of({"include_return_message_types": query.getlist("include_return_message_types")})
        return answer(shown(newest_page(rows, query, key=key), view))


class OneMessage(ApiView):
    """A list: one stored message may show as several, a thought and a call for example."""

    def get(self, request: Request, message_id: str) -> HttpResponse:
        return answer(shown([one(self.principal(request), Message, message_id)]))


class MessageSearch(ApiView):
    """By words; `hybrid` is what clients say who leave it to the server, and words are what it has."""

    def post(self, request: Request) -> HttpResponse:
        principal = self.principal(request)
        fields = MessageSearchFields(data=request.data)
        fields.is_valid(raise_exception=True)
        given = fields.validated_data
        rows = _among(principal, given)
        dates = given.get("start_date"), given.get("end_date")
        found = recall.search(rows, given["query"], ("user", "assistant"), given["limit"], *dates)
        return answer([result for message in found for result in _results(message)][: given["limit"]])


def _among(principal: Principal, given: dict[str, Any]) -> QuerySet[Message]:
    rows = owned(principal, Message)
    agent_id = given.get("agent_id")
    if agent_id:
        checked_id("agent", agent_id, ("body", "agent_id"))
        rows = rows.filter(agent=one(principal, Agent, agent_id))
    if conversation_id := given.get("conversation_id"):
        rows = rows.filter(conversation=conversation(principal, conversation_id, agent_id))
    return rows


def _results(message: Message) -> list[Shape]:
    """What of a message is searched: what was said aloud, as text or through the tool that speaks."""
    return [
        {
            "message_id": message.id,
            "message_type": item["message_type"],
            "content": item["content"],
            "created_at": moment(message.created_at),
            "agent_id": message.agent_id,
            "conversation_id": message.conversation_id,
        }
        for item in parts(message)
        if item["message_type"] in SPOKEN
    ]
