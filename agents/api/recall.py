"""Recall memory through the API: every message of the organization, by id, as a list, and by a search."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from accounts.keys import Principal
from agents import history
from agents.api.message_lists import newest, types_asked
from agents.api.requests import json_body
from agents.api.scope import conversation, one, owned
from agents.api.serializers import Text
from agents.api.shapes.values import Shape, moment
from agents.api.vectors import Vectors, Wanted
from agents.api.views import ApiView, answer
from agents.errors import BadRequest, Unserved
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


class Messages(ApiView):
    """Without an order: the newest page, oldest first; `after` means newer and `before` older."""

    def get(self, request: Request) -> HttpResponse:
        principal, query = self.principal(request), request.query_params
        rows = owned(principal, Message)
        key: tuple[str, ...] = ("created_at", "id")
        if conversation_id := query.get("conversation_id"):
            rows = rows.filter(
                conversation=conversation(principal, conversation_id, query.get("agent_id"), where="query")
            )
            key = ("seq",)
        view = View.of({"include_return_message_types": types_asked(query)})
        return answer(newest(rows, query, view, key))


class OneMessage(ApiView):
    """A list: one stored message may show as several, a thought and a call for example."""

    def get(self, request: Request, message_id: str) -> HttpResponse:
        return answer(shown([one(self.principal(request), Message, message_id)]))


class MessageSearch(ApiView):
    """By words, by vectors, or by both where there are vectors, which is what `hybrid` means."""

    def post(self, request: Request) -> HttpResponse:
        principal = self.principal(request)
        fields = MessageSearchFields(data=request.data)
        fields.is_valid(raise_exception=True)
        given = fields.validated_data
        rows, agents = _among(principal, given)
        embeddings = set() if given["search_mode"] == "fts" else history.embeddings_of(agents)
        if given["search_mode"] == "vector":
            _check_vectors(request.vectors, embeddings)
        found = recall.search(
            rows,
            given["query"],
            ("user", "assistant"),
            given["limit"],
            given.get("start_date"),
            given.get("end_date"),
            near=history.near(agents, embeddings, request.vectors.of) if embeddings else None,
            mode=given["search_mode"],
        )
        results = [result | {"words_only": found.words_only} for message in found for result in _results(message)]
        return answer(results[: given["limit"]])


def wanted_by_search(principal: Principal, request: HttpRequest, given: Mapping[str, Any]) -> Wanted | None:
    body = json_body(request)
    if body.get("search_mode") == "fts" or not str(body["query"]).strip():
        return None
    _, agents = _among(principal, body)
    return Wanted(body["query"], tuple(history.embeddings_of(agents)))


def _check_vectors(vectors: Vectors, embeddings: set[str]) -> None:
    """Raises BadRequest where there is nothing to compare, Unserved where the query has no vector."""
    if not embeddings:
        raise BadRequest(
            "These messages have no vectors, because no agent of theirs has an embedding. Give the agent one "
            "(PATCH /v1/agents/{agent_id} with `embedding`), or search with search_mode fts."
        )
    if not vectors.made:
        reasons = vectors.unserved or " ".join(vectors.failed.values()) or "The query is empty."
        raise Unserved(f"The query has no vector: {reasons} Search with search_mode fts, or try again.")


def _among(principal: Principal, given: dict[str, Any]) -> tuple[QuerySet[Message], QuerySet[Agent]]:
    """The messages that are searched, and the agents whose they are."""
    rows, agents = owned(principal, Message), owned(principal, Agent)
    agent_id = given.get("agent_id")
    if agent_id:
        agents = agents.filter(id=one(principal, Agent, agent_id, loc=("body", "agent_id")).id)
        rows = rows.filter(agent=agent_id)
    if conversation_id := given.get("conversation_id"):
        place = conversation(principal, conversation_id, agent_id, where="body", where_agent="body")
        agents, rows = agents.filter(id=place.agent_id), rows.filter(conversation=place)
    return rows, agents


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
