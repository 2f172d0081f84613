"""Calls that wait for an answer, seen and answered by people who do not talk to the agent themselves."""

import uuid
from dataclasses import replace

from django.db.models import F, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from agents.accepting import Offer, accept
from agents.api.answers import verdict_of
from agents.api.pages import page
from agents.api.requests import checked_id, flag, json_body
from agents.api.scope import conversation, one, owned
from agents.api.shapes.approvals import approval_shape
from agents.api.shapes.runs import run_shape
from agents.api.views import ApiView, answer
from agents.models import Approval


class Approvals(ApiView):
    def get(self, request: Request) -> HttpResponse:
        rows = self._filtered(shown_rows(owned(self.principal(request), Approval)), request)
        return answer([approval_shape(row) for row in page(rows, request.query_params)])

    def _filtered(self, rows: QuerySet[Approval], request: Request) -> QuerySet[Approval]:
        query = request.query_params
        if agent_id := query.get("agent_id"):
            rows = rows.filter(agent_id=checked_id("agent", agent_id, ("query", "agent_id")))
        if asked := query.get("conversation_id"):
            place = conversation(self.principal(request), asked, query.get("agent_id"), where="query")
            rows = rows.filter(conversation=place)
        for name, is_open in (("pending", True), ("answered", False)):
            if (wanted := flag(query, name)) is not None:
                rows = rows.filter(answered_at__isnull=wanted is is_open)
        return rows


class OneApproval(ApiView):
    def get(self, request: Request, approval_id: str) -> HttpResponse:
        principal = self.principal(request)
        return answer(approval_shape(one(principal, Approval, approval_id, shown_rows(owned(principal, Approval)))))

    def post(self, request: Request, approval_id: str) -> HttpResponse:
        """The run that goes on with the answer; it is the same run that an approval message would have begun."""
        principal = self.principal(request)
        rows = owned(principal, Approval).select_related("conversation")
        approval = one(principal, Approval, approval_id, rows)
        offer = Offer(
            messages=[{"otid": str(uuid.uuid4())}],
            options={},
            kind="approval",
            background=True,
            idempotency_key=key_of(request),
            key_id=principal.key_id,
            is_retry=request.headers.get("x-stainless-retry-count", "0") not in ("", "0"),
            answers=replace(verdict_of(json_body(request)), of=approval.id),
        )
        return answer(run_shape(accept(approval.conversation, offer), approval.conversation.is_default))


def key_of(request: Request) -> str | None:
    given = request.headers.get("Idempotency-Key")
    return f"key:{given}" if given else None


def shown_rows(rows: QuerySet[Approval]) -> QuerySet[Approval]:
    return rows.annotate(answering=F("answered_by_run"), of_default=F("conversation__is_default"))
