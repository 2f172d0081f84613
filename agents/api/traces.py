"""Traces: where the time of a run went. What was sent to a model and came back is not kept apart from the messages."""

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from agents.api.requests import integer
from agents.api.scope import one
from agents.api.shapes.runs import span_shapes
from agents.api.views import ApiView, answer
from agents.models import Run, Step

MAX_SPANS = 10_000


class StepTrace(ApiView):
    """Always null: requests to providers hold secrets and other people's words, and none are stored."""

    def get(self, request: Request, step_id: str) -> HttpResponse:
        one(self.principal(request), Step, step_id)
        return answer(None)


class RunTrace(ApiView):
    """Spans, in their order: the run, its steps, and in each of them the model's call and the tools."""

    def get(self, request: Request, run_id: str) -> HttpResponse:
        run = one(self.principal(request), Run, run_id)
        limit = min(integer(request.query_params, "limit", 1000), MAX_SPANS)
        steps: QuerySet[Step] = run.steps.order_by("no")[:limit]
        return answer(span_shapes(run, steps)[:limit])
