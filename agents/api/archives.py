"""Archives: made, changed, deleted, attached to agents; and the passages that are filed in one directly."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from accounts.keys import Principal
from agents.api.cursors import leaving
from agents.api.pages import page
from agents.api.requests import checked_id, choice, json_body
from agents.api.scope import one, owned
from agents.api.serializers import Object, Tags, Text
from agents.api.shapes.memory import archive_shape, passage_shape
from agents.api.vectors import Vectors, Wanted
from agents.api.views import ApiView, answer
from agents.embedding import default_columns
from agents.errors import BadRequest, Unserved, invalid
from agents.hints import want_vectors
from agents.models import Agent, AgentArchive
from memory.archival import Archival, Draft
from memory.embeddings import NONE
from memory.models import Archive, Passage
from memory.vectors import change

MAX_BATCH = 1000


class ArchiveFields(serializers.Serializer):
    name = Text(allow_blank=False)
    description = Text(required=False, allow_null=True)
    embedding = Text(required=False, allow_null=True)
    embedding_config = Object(required=False, allow_null=True)


class PassageFields(serializers.Serializer):
    """A passage as a client files it. `created_at` without an offset is UTC."""

    text = Text(is_bounded=False)
    tags = Tags(required=False, allow_null=True)
    metadata = Object(required=False, allow_null=True)
    created_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate_text(self, text: str) -> str:
        if not text.strip():
            raise serializers.ValidationError("Should say something: an empty passage tells nobody anything")
        return text


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
        """An embedding that is named is tried first; without one it is the server's default."""
        principal = self.principal(request)
        fields = _valid(ArchiveFields(data=request.data))
        columns = embedding_columns(fields, request.vectors)
        if columns is None:
            columns = default_columns()
        user = {"created_by_id": principal.user_id, "last_updated_by_id": principal.user_id}
        made = Archive.objects.create(organization_id=principal.organization_id, **fields, **columns, **user)
        return answer(archive_shape(made))


class OneArchive(ApiView):
    def get(self, request: Request, archive_id: str) -> HttpResponse:
        return answer(archive_shape(one(self.principal(request), Archive, archive_id)))

    def patch(self, request: Request, archive_id: str) -> HttpResponse:
        principal = self.principal(request)
        archive = one(principal, Archive, archive_id)
        given = request.data
        if isinstance(given, dict) and given.get("name") is None:
            given = {name: value for name, value in given.items() if name != "name"}
        fields = _valid(ArchiveFields(data=given, partial=True))
        columns = embedding_columns(fields, request.vectors)
        fields["last_updated_by_id"] = principal.user_id
        for name, value in fields.items():
            setattr(archive, name, value)
        archive.save(update_fields=[*fields, "updated_at"])
        if columns is not None:
            archive = change(archive.id, columns["embedding"], columns["dimension"])
            want_vectors()
        return answer(archive_shape(archive))

    def delete(self, request: Request, archive_id: str) -> HttpResponse:
        archive = one(self.principal(request), Archive, archive_id)
        with leaving(archive):
            archive.delete()
        return answer(None, status=204)


class ArchivePassages(ApiView):
    def post(self, request: Request, archive_id: str) -> HttpResponse:
        principal = self.principal(request)
        archive = one(principal, Archive, archive_id)
        [passage] = filed(_only(archive, principal), [_valid(PassageFields(data=request.data))])
        return answer(passage_shape(passage))


class ArchivePassageBatch(ApiView):
    """All of them are filed, or none."""

    def post(self, request: Request, archive_id: str) -> HttpResponse:
        principal = self.principal(request)
        archive = one(principal, Archive, archive_id)
        given = _valid(PassageBatch(data=request.data))["passages"]
        return answer([passage_shape(passage) for passage in filed(_only(archive, principal), given)])


class OneArchivePassage(ApiView):
    def delete(self, request: Request, archive_id: str, passage_id: str) -> HttpResponse:
        principal = self.principal(request)
        archive = one(principal, Archive, archive_id)
        passage = one(principal, Passage, passage_id, archive.passages.all())
        with leaving(passage):
            passage.delete()
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


def filed(archival: Archival, given: Sequence[dict[str, Any]]) -> list[Passage]:
    """The passages, kept. Raises PassageTooLong, and then none of them is."""
    with transaction.atomic():
        passages = archival.insert_many([_draft(fields) for fields in given])
    if archival.spaces():
        want_vectors()
    return passages


def _draft(fields: dict[str, Any]) -> Draft:
    return Draft(fields["text"], fields.get("tags") or (), fields.get("created_at"), fields.get("metadata") or {})


def wanted_embedding(principal: Principal, request: HttpRequest, given: Mapping[str, Any]) -> Wanted | None:
    """What the request names as its embedding is tried with a word."""
    body = json_body(request)
    handle = body.get("embedding") or (body.get("embedding_config") or {}).get("handle")
    return Wanted("word", (handle,)) if handle and isinstance(handle, str) and handle != NONE else None


def embedding_columns(fields: dict[str, Any], vectors: Vectors) -> dict[str, Any] | None:
    """What the request names, or None where it names none. Takes its fields out. Raises BadRequest, or Unserved."""
    config = fields.pop("embedding_config", None) or {}
    handle = fields.pop("embedding", None) or config.get("handle")
    if not handle:
        if config:
            raise invalid(["body", "embedding_config", "handle"], "Field required", "missing")
        return None
    if handle == NONE:
        return {"embedding": None, "dimension": None}
    if vectors.unserved:
        raise Unserved(vectors.unserved)
    if handle not in vectors.made:
        raise BadRequest(vectors.failed.get(handle) or f"{handle!r} is no handle of an embedding model.")
    size, wanted = len(vectors.made[handle]), config.get("embedding_dim")
    if wanted not in (None, size):
        raise BadRequest(f"{handle} makes vectors of {size} numbers, and embedding_dim is {wanted}. Leave it out.")
    return {"embedding": handle, "dimension": size}


def _only(archive: Archive, principal: Principal) -> Archival:
    return Archival(archive.organization_id, [archive.id], lambda: archive, author_id=principal.user_id)


def _valid(fields: serializers.Serializer) -> dict[str, Any]:
    fields.is_valid(raise_exception=True)
    return fields.validated_data
