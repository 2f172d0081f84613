"""Runs and their steps, to look at; cancelling is beside the messages."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from rest_framework.request import Request

from agents.api.cursors import leaving
from agents.api.message_lists import of_turn
from agents.api.pages import page
from agents.api.requests import checked_id, choice, flag
from agents.api.scope import conversation, one, owned
from agents.api.shapes.runs import run_metrics_shape, run_shape, step_shape
from agents.api.views import ApiView, answer
from agents.errors import Conflict, invalid
from agents.events import totals_of
from agents.models import TERMINAL, Message, Run, Step
from agents.wire import STOP_REASONS, View
from tools.models import Tool

_STATUSES: dict[str, dict[str, Any]] = {
    "created": {"status": "queued", "claims": 0},
    "completed": {"status": "completed"},
    "failed": {"status": "failed"},
    "cancelled": {"status": "cancelled"},
}


class Runs(ApiView):
    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        rows = owned(self.principal(request), Run).select_related("conversation", "callback").defer("input")
        rows = with_first_token(rows)
        rows, key = self._of_conversation(_filtered(rows, request), request)
        return answer([run_shape(run, run.conversation.is_default) for run in page(rows, query, key=key, limit=100)])

    def _of_conversation(self, rows: QuerySet[Run], request: Request) -> tuple[QuerySet[Run], tuple[str, ...]]:
        """The rows and what orders them: a conversation's runs are numbered, and listed without being sorted."""
        query = request.query_params
        asked = query.get("conversation_id")
        if not asked:
            return rows, ("created_at", "id")
        if asked.startswith("conv-"):
            return rows.filter(conversation_id=checked_id("conv", asked, ("query", "conversation_id"))), ("seq",)
        place = conversation(self.principal(request), asked, query.get("agent_id"), where="query")
        return rows.filter(conversation=place), ("seq",)


class OneRun(ApiView):
    def get(self, request: Request, run_id: str) -> HttpResponse:
        principal = self.principal(request)
        run = one(principal, Run, run_id, with_first_token(owned(principal, Run)))
        return answer(run_shape(run, run.conversation.is_default))

    def delete(self, request: Request, run_id: str) -> HttpResponse:
        """Its steps go with it; what was said stays in the conversation."""
        run = one(self.principal(request), Run, run_id)
        if not run.is_terminal:
            raise Conflict(f"Run {run_id} is {run.status}. Cancel it, or wait for its end, before you delete it.")
        with leaving(run):
            run.delete()
        return answer({"message": f"Run id={run_id} successfully deleted"})


class RunMessages(ApiView):
    def get(self, request: Request, run_id: str) -> HttpResponse:
        run = one(self.principal(request), Run, run_id)
        return answer(of_turn(Message.objects.filter(run=run), request.query_params, View.of(run.options)))


class RunSteps(ApiView):
    def get(self, request: Request, run_id: str) -> HttpResponse:
        run = one(self.principal(request), Run, run_id)
        rows = page(Step.objects.filter(run=run), request.query_params, key=("no",), limit=100, order="asc")
        return answer([step_shape(step) for step in rows])


class RunUsage(ApiView):
    def get(self, request: Request, run_id: str) -> HttpResponse:
        usage = totals_of(one(self.principal(request), Run, run_id)).usage()
        return answer(
            {
                "completion_tokens": usage["completion_tokens"],
                "prompt_tokens": usage["prompt_tokens"],
                "total_tokens": usage["total_tokens"],
                "completion_tokens_details": {"reasoning_tokens": usage["reasoning_tokens"]},
                "prompt_tokens_details": {
                    "cached_tokens": usage["cached_input_tokens"],
                    "cache_read_tokens": usage["cached_input_tokens"],
                    "cache_creation_tokens": usage["cache_write_tokens"],
                },
            }
        )


class RunMetrics(ApiView):
    """How long it took, and with what: `tools_used` are the ids of tools that have returned."""

    def get(self, request: Request, run_id: str) -> HttpResponse:
        principal = self.principal(request)
        run = one(principal, Run, run_id)
        names = Message.objects.filter(run=run, role=Message.Role.TOOL).values("name")
        tools = owned(principal, Tool).filter(name__in=names).order_by("id").values_list("id", flat=True)
        return answer(run_metrics_shape(run, run.steps.count(), list(tools)))


def with_first_token(rows: QuerySet[Run]) -> QuerySet[Run]:
    """With when the first step began that said something, and how long its model took to begin."""
    spoke = Step.objects.filter(run=OuterRef("pk"), first_token_ns__isnull=False).order_by("no")
    return rows.annotate(
        spoke_in_step_of=Subquery(spoke.values("created_at")[:1]),
        spoke_after_ns=Subquery(spoke.values("first_token_ns")[:1]),
    )


def _filtered(rows: QuerySet[Run], request: Request) -> QuerySet[Run]:
    query = request.query_params
    for name in ("agent_ids", "agent_id"):
        if ids := query.getlist(name):
            rows = rows.filter(agent_id__in=[checked_id("agent", id, ("query", name)) for id in ids])
    if stop_reason := choice(query, "stop_reason", STOP_REASONS):
        rows = rows.filter(stop_reason=stop_reason)
    if (background := flag(query, "background")) is not None:
        rows = rows.filter(background=background)
    if flag(query, "active"):
        rows = rows.exclude(status__in=TERMINAL)
    statuses = query.getlist("statuses")
    return _of_statuses(rows, statuses) if statuses else rows


def _of_statuses(rows: QuerySet[Run], statuses: list[str]) -> QuerySet[Run]:
    found = rows.none()
    for status in statuses:
        if status == "running":
            found |= rows.filter(status="running") | rows.filter(status="queued", claims__gt=0)
        elif status in _STATUSES:
            found |= rows.filter(**_STATUSES[status])
        else:
            raise invalid(["query", "statuses"], "Should be of created, running, completed, failed, cancelled", "enum")
    return found
