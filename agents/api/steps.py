"""Steps: what each model call cost, said and did, and what people thought of it."""

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from agents.api.message_lists import of_turn
from agents.api.pages import page
from agents.api.requests import checked_id, choice, flag
from agents.api.scope import one, owned
from agents.api.serializers import Strings
from agents.api.shapes.runs import step_metrics_shape, step_shape
from agents.api.views import ApiView, answer
from agents.models import Message, Step
from agents.wire import View
from memory.search import within


class FeedbackFields(serializers.Serializer):
    feedback = serializers.ChoiceField(choices=Step.Feedback.choices, required=False, allow_null=True)
    tags = Strings(required=False, allow_null=True)


class Steps(ApiView):
    def get(self, request: Request) -> HttpResponse:
        rows = _filtered(owned(self.principal(request), Step), request)
        return answer([step_shape(step) for step in page(rows, request.query_params, limit=50)])


class OneStep(ApiView):
    def get(self, request: Request, step_id: str) -> HttpResponse:
        return answer(step_shape(one(self.principal(request), Step, step_id)))


class StepMessages(ApiView):
    """What the step took up, answered and got back from its tools, shown as the run's client wants it."""

    def get(self, request: Request, step_id: str) -> HttpResponse:
        step = one(self.principal(request), Step, step_id)
        return answer(of_turn(Message.objects.filter(step=step), request.query_params, View.of(step.run.options)))


class StepMetrics(ApiView):
    def get(self, request: Request, step_id: str) -> HttpResponse:
        return answer(step_metrics_shape(one(self.principal(request), Step, step_id)))


class StepFeedback(ApiView):
    """A `feedback` of null takes it back; `tags` come on top of those that are there."""

    def patch(self, request: Request, step_id: str) -> HttpResponse:
        principal = self.principal(request)
        with transaction.atomic():
            step = one(principal, Step, step_id, owned(principal, Step).select_for_update())
            fields = FeedbackFields(data=request.data)
            fields.is_valid(raise_exception=True)
            given = fields.validated_data
            step.feedback = given.get("feedback", step.feedback)
            step.tags = list(dict.fromkeys([*step.tags, *(given.get("tags") or ())]))
            # These columns only: the step's worker may be writing the others.
            step.save(update_fields=["feedback", "tags"])
        return answer(step_shape(step))


def _filtered(rows: QuerySet[Step], request: Request) -> QuerySet[Step]:
    query = request.query_params
    for kind in ("agent", "run"):
        if id := query.get(f"{kind}_id"):
            rows = rows.filter(**{f"{kind}_id": checked_id(kind, id, ("query", f"{kind}_id"))})
    if model := query.get("model"):
        rows = rows.filter(Q(model=model) | Q(model__endswith=f"/{model}"))
    if feedback := choice(query, "feedback", tuple(Step.Feedback.values)):
        rows = rows.filter(feedback=feedback)
    if (has_feedback := flag(query, "has_feedback")) is not None:
        rows = rows.filter(feedback__isnull=not has_feedback)
    if tags := query.getlist("tags"):
        rows = rows.filter(tags__overlap=tags)
    # No step is of a project, and none has a trace: asked for those of one, there are none.
    if query.get("project_id") or query.getlist("trace_ids"):
        return rows.none()
    return within(rows, query.get("start_date"), query.get("end_date"))
