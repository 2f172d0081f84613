"""What an organization keeps, for how long, and what was deleted because it was older."""

from django.http import HttpResponse
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from accounts.keys import Principal
from accounts.models import Purge, Retention
from agents.api.pages import page
from agents.api.scope import owned
from agents.api.shapes.values import Shape, moment
from agents.api.views import ApiView, answer

MOST_DAYS = 36_500


class Days(serializers.IntegerField):
    def __init__(self) -> None:
        super().__init__(min_value=1, max_value=MOST_DAYS, required=False, allow_null=True)


class RetentionFields(serializers.Serializer):
    """After how many days; null: never."""

    runs_days = Days()
    messages_days = Days()
    block_versions_days = Days()


class Rules(ApiView):
    def get(self, request: Request) -> HttpResponse:
        return answer(_shape(_rule(self.principal(request))))

    def patch(self, request: Request) -> HttpResponse:
        """What is not named stays as it is. It is looked at within the next seconds."""
        fields = RetentionFields(data=request.data)
        fields.is_valid(raise_exception=True)
        organization_id = self.principal(request).organization_id
        rule, _ = Retention.objects.update_or_create(
            organization_id=organization_id, defaults={**fields.validated_data, "due_at": timezone.now()}
        )
        return answer(_shape(rule))


class Purges(ApiView):
    def get(self, request: Request) -> HttpResponse:
        rows = owned(self.principal(request), Purge)
        found = page(rows, request.query_params, key=("began_at", "id"), limit=50)
        return answer([_purge_shape(purge) for purge in found])


def _rule(principal: Principal) -> Retention:
    found = owned(principal, Retention).first()
    return found or Retention(organization_id=principal.organization_id)


def _shape(rule: Retention) -> Shape:
    return {name: getattr(rule, name) for name in RetentionFields().fields}


def _purge_shape(purge: Purge) -> Shape:
    return {
        "id": purge.id,
        "kind": purge.kind,
        "before": moment(purge.before),
        "deleted": purge.deleted,
        "began_at": moment(purge.began_at),
        "ended_at": moment(purge.ended_at),
    }
