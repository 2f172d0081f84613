"""Conversations: further threads with an agent, each with a history of its own."""

from django.http import HttpResponse
from rest_framework.request import Request

from agents.api.pages import page
from agents.api.requests import checked_id
from agents.api.scope import conversation, one, owned
from agents.api.shapes import context_ids, conversation_shape
from agents.api.views import ApiView, answer
from agents.creation import create_conversation
from agents.errors import invalid
from agents.models import Agent, Conversation


class Conversations(ApiView):
    def get(self, request: Request) -> HttpResponse:
        rows = owned(self.principal(request), Conversation).filter(is_default=False)
        if agent_id := request.query_params.get("agent_id"):
            rows = rows.filter(agent_id=checked_id("agent", agent_id, ("query", "agent_id")))
        found = page(rows, request.query_params, limit=50)
        ids = context_ids(found)
        return answer([conversation_shape(row, ids[row.id]) for row in found])

    def post(self, request: Request) -> HttpResponse:
        principal = self.principal(request)
        agent_id = request.query_params.get("agent_id")
        if not agent_id:
            raise invalid(["query", "agent_id"], "Field required", "missing")
        agent = one(principal, Agent, agent_id)
        body = request.data if isinstance(request.data, dict) else {}
        texts = {name: body[name] for name in ("summary", "description", "model") if isinstance(body.get(name), str)}
        made = create_conversation(agent, actor_id=principal.user_id, **texts)
        return answer(conversation_shape(made, context_ids([made])[made.id]))


class OneConversation(ApiView):
    def get(self, request: Request, conversation_id: str) -> HttpResponse:
        principal = self.principal(request)
        row = conversation(principal, conversation_id, request.query_params.get("agent_id"))
        return answer(conversation_shape(row, context_ids([row])[row.id]))
