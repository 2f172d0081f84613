"""Archives: made, changed, deleted, attached to agents; and the passages that are filed in one directly."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from agents.api.pages import page
from agents.api.requests import checked_id, choice, refuse
from agents.api.scope import one, owned
from agents.api.serializers import Object, Strings, Text
from agents.api.shapes import archive_shape, passage_shape
from agents.api.views import ApiView, answer
from agents.models import Agent, AgentArchive
from memory.archival import Archival
from memory.models import Archive, Passage

MAX_BATCH = 1000


class ArchiveFields(serializers.Serializer):
    name = Text(allow_blank=False)
    description = Text(required=False, allow_null=True)


class PassageFields(serializers.Serializer):
    """A passage as a client files it. `created_at` without an offset is UTC."""

    text = Text()
    tags = Strings(required=False, allow_null=True)
    metadata = Object(required=False, allow_null=True)
    created_at = serializers.DateTimeField(required=False, allow_null=True)


class PassageBatch(serializers.Serializer):
    passages = PassageFields(many=True, max_length=MAX_BATCH)


class Archives(ApiView):
    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        choice(query, "order_by", ("created_at",))
        rows = owned(self.principal(request), Archive)
        if agent_id := query.get("agent_id"):
            rows = rows.filter(agents=checked_id("agent", agent_id, ("query", "agent_id")))
        if name := query.get("name"):
            rows = rows.filter(name=name)
        return answer([archive_shape(archive) for archive in page(rows, query, limit=50)])

    def post(self, request: Request) -> HttpResponse:
        """Without vectors there is no use for an embedding, and to say nothing would be to promise them."""
        principal = self.principal(request)
        refuse(request.data if isinstance(request.data, dict) else {}, "embedding", "embedding_config")
        fields = _valid(ArchiveFields(data=request.data))
        return answer(archive_shape(Archive.objects.create(organization_id=principal.organization_id, **fields)))


class OneArchive(ApiView):
    def get(self, request: Request, archive_id: str) -> HttpResponse:
        return answer(archive_shape(one(self.principal(request), Archive, archive_id)))

    def patch(self, request: Request, archive_id: str) -> HttpResponse:
        archive = one(self.principal(request), Archive, archive_id)
        given = request.data
        if isinstance(given, dict) and given.get("name") is None:
            given = {name: value for name, value in given.items() if name != "name"}
        for name, value in _valid(ArchiveFields(data=given, partial=True)).items():
            setattr(archive, name, value)
        archive.save()
        return answer(archive_shape(archive))

    def delete(self, request: Request, archive_id: str) -> HttpResponse:
        one(self.principal(request), Archive, archive_id).delete()
        return answer(None, status=204)


class ArchivePassages(ApiView):
    def post(self, request: Request, archive_id: str) -> HttpResponse:
        archive = one(self.principal(request), Archive, archive_id)
        [passage] = filed(_only(archive), [_valid(PassageFields(data=request.data))])
        return answer(passage_shape(passage))


class ArchivePassageBatch(ApiView):
    """All of them are filed, or none."""

    def post(self, request: Request, archive_id: str) -> HttpResponse:
        archive = one(self.principal(request), Archive, archive_id)
        given = _valid(PassageBatch(data=request.data))["passages"]
        return answer([passage_shape(passage) for passage in filed(_only(archive), given)])


class OneArchivePassage(ApiView):
    def delete(self, request: Request, archive_id: str, passage_id: str) -> HttpResponse:
        principal = self.principal(request)
        archive = one(principal, Archive, archive_id)
        one(principal, Passage, passage_id, archive.passages.all()).delete()
        return answer(None, status=204)


class AttachArchive(ApiView):
    def patch(self, request: Request, agent_id: str, archive_id: str) -> HttpResponse:
        principal = self.principal(request)
        attached = AgentArchive(agent=one(principal, Agent, agent_id), archive=one(principal, Archive, archive_id))
        AgentArchive.objects.bulk_create([attached], ignore_conflicts=True)
        return answer(None)


class DetachArchive(ApiView):
    def patch(self, request: Request, agent_id: str, archive_id: str) -> HttpResponse:
        principal = self.principal(request)
        agent, archive = one(principal, Agent, agent_id), one(principal, Archive, archive_id)
        AgentArchive.objects.filter(agent=agent, archive=archive).delete()
        return answer(None)


@transaction.atomic
def filed(archival: Archival, given: Sequence[dict[str, Any]]) -> list[Passage]:
    """The passages, kept. Raises PassageTooLong, and then none of them is."""
    return [_filed(archival, fields) for fields in given]


def _filed(archival: Archival, fields: dict[str, Any]) -> Passage:
    passage = archival.insert(fields["text"], fields.get("tags") or (), fields.get("created_at"))
    if fields.get("metadata"):
        passage.metadata = fields["metadata"]
        passage.save(update_fields=["metadata"])
    return passage


def _only(archive: Archive) -> Archival:
    return Archival(archive.organization_id, [archive.id], lambda: archive)


def _valid(fields: serializers.Serializer) -> dict[str, Any]:
    fields.is_valid(raise_exception=True)
    return fields.validated_data
