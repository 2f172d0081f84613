"""Folders and their files: made, filled, read, deleted; attached to agents and detached."""

import re
from collections.abc import Mapping
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from accounts.fields import clean_text
from agents import folders
from agents.api.archives import embedding_columns
from agents.api.cursors import leaving
from agents.api.pages import page
from agents.api.requests import choice, flag
from agents.api.scope import one, owned
from agents.api.serializers import Object, Text
from agents.api.shapes.files import file_shape, folder_shape
from agents.api.shapes.values import Shape
from agents.api.views import ApiView, answer
from agents.embedding import default_columns
from agents.errors import TooLarge, Unsupported, invalid
from agents.hints import want_files_read, want_vectors
from agents.models import Agent
from memory.files import (
    LONGEST_NAME,
    Duplicates,
    Upload,
    change_embedding,
    check_folder_name,
    delete,
    keep,
    make_folder,
    missing_of,
)
from memory.models import File, Folder
from tools.reading import READABLE, kind_of

DUPLICATES = ("skip", "error", "suffix", "replace")
WITH_CONTENT = 20
"""Files on a page that tells their texts, which may be long."""
_AROUND_A_FILE = 64_000  # bytes of a form's body that are not the file's
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class FolderFields(serializers.Serializer):
    """`embedding_chunk_size` is in tokens, here of four characters."""

    name = Text(allow_blank=False, max_length=LONGEST_NAME)
    description = Text(required=False, allow_null=True)
    instructions = Text(required=False, allow_null=True)
    metadata = Object(required=False, allow_null=True)
    embedding = Text(required=False, allow_null=True)
    embedding_chunk_size = serializers.IntegerField(required=False, allow_null=True, min_value=50, max_value=8_000)
    embedding_config = Object(required=False, allow_null=True)

    def columns(self) -> dict[str, Any]:
        """Of Folder, but for the embedding, which is its archive's."""
        columns = {name: self.validated_data[name] for name in _COLUMNS if name in self.validated_data}
        if "metadata" in columns:
            columns["metadata"] = columns["metadata"] or {}
        if size := self.validated_data.get("embedding_chunk_size"):
            columns["chunk_size"] = size
        return columns

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """The configuration may hold the size, too."""
        size = (given.get("embedding_config") or {}).get("embedding_chunk_size")
        if size is None or given.get("embedding_chunk_size"):
            return given
        try:
            return given | {"embedding_chunk_size": self.fields["embedding_chunk_size"].run_validation(size)}
        except serializers.ValidationError as error:
            raise serializers.ValidationError({"embedding_config": {"embedding_chunk_size": error.detail}}) from None


_COLUMNS = ("name", "description", "instructions", "metadata")


class Folders(ApiView):
    def get(self, request: Request) -> HttpResponse:
        query, rows = request.query_params, _folders(owned(self.principal(request), Folder))
        if name := query.get("name"):
            rows = rows.filter(name=name)
        return answer([folder_shape(folder) for folder in page(rows, query)])

    def post(self, request: Request) -> HttpResponse:
        """An embedding that is named is tried first; without one it is the server's default."""
        principal = self.principal(request)
        fields = FolderFields(data=request.data)
        fields.is_valid(raise_exception=True)
        embedding = embedding_columns(dict(fields.validated_data), request.vectors)
        actor = {"created_by_id": principal.user_id, "last_updated_by_id": principal.user_id}
        columns = fields.columns() | actor
        folder = make_folder(
            principal.organization_id, embedding=default_columns() if embedding is None else embedding, **columns
        )
        return answer(folder_shape(folder))


class FolderCount(ApiView):
    """A bare number."""

    def get(self, request: Request) -> HttpResponse:
        return answer(owned(self.principal(request), Folder).count())


class OneFolder(ApiView):
    def get(self, request: Request, folder_id: str) -> HttpResponse:
        principal = self.principal(request)
        return answer(folder_shape(one(principal, Folder, folder_id, _folders(owned(principal, Folder)))))

    def patch(self, request: Request, folder_id: str) -> HttpResponse:
        principal = self.principal(request)
        folder = one(principal, Folder, folder_id, _folders(owned(principal, Folder)))
        given = request.data
        if isinstance(given, dict) and given.get("name") is None:
            given = {name: value for name, value in given.items() if name != "name"}
        fields = FolderFields(data=given, partial=True)
        fields.is_valid(raise_exception=True)
        embedding = embedding_columns(dict(fields.validated_data), request.vectors)
        columns = fields.columns() | {"last_updated_by_id": principal.user_id}
        if "name" in columns:
            check_folder_name(principal.organization_id, columns["name"], but=folder.id)
        for name, value in columns.items():
            setattr(folder, name, value)
        folder.save(update_fields=[*columns, "updated_at"])
        if embedding is not None and change_embedding(folder, embedding["embedding"], embedding["dimension"]):
            want_vectors()
        return answer(folder_shape(folder))

    def delete(self, request: Request, folder_id: str) -> HttpResponse:
        folder = one(self.principal(request), Folder, folder_id)
        with leaving(folder):
            folders.delete(folder)
        return answer(None)


class FolderAgents(ApiView):
    """The ids of the agents that have the folder."""

    def get(self, request: Request, folder_id: str) -> HttpResponse:
        folder = one(self.principal(request), Folder, folder_id)
        return answer([agent.id for agent in page(folder.agents.only("id", "created_at"), request.query_params)])


class FolderFiles(ApiView):
    def get(self, request: Request, folder_id: str) -> HttpResponse:
        query = request.query_params
        folder, with_content = one(self.principal(request), Folder, folder_id), flag(query, "include_content")
        rows = folder.files.select_related("content") if with_content else folder.files.all()
        listed = page(rows, query)[: WITH_CONTENT if with_content else None]
        return answer(_file_shapes(listed, bool(with_content)))


class OneFile(ApiView):
    def get(self, request: Request, folder_id: str, file_id: str) -> HttpResponse:
        with_content = bool(flag(request.query_params, "include_content"))
        rows = _files(self, request, folder_id)
        file = one(self.principal(request), File, file_id, rows.select_related("content") if with_content else rows)
        return answer(_file_shapes([file], with_content)[0])


class DeleteFile(ApiView):
    """At a path of its own, without `/files/`: the contract has it so."""

    def delete(self, request: Request, folder_id: str, file_id: str) -> HttpResponse:
        file = one(self.principal(request), File, file_id, _files(self, request, folder_id))
        with leaving(file):
            delete([file])
        return answer(None, status=204)


class FileUpload(ApiView):
    """One file, as a form's field `file`. A worker reads it; `processing_status` tells how far it is."""

    parser_classes = [MultiPartParser]

    def post(self, request: Request, folder_id: str) -> HttpResponse:
        principal, query = self.principal(request), request.query_params
        folder = one(principal, Folder, folder_id)
        duplicates = choice(query, "duplicate_handling", DUPLICATES) or "suffix"
        upload = _upload(request, query)
        with transaction.atomic():
            file, is_new = keep(folder, upload, cast(Duplicates, duplicates), principal.user_id)
            if is_new:
                folders.show(file)
        want_files_read()
        return answer(_file_shapes([file], False)[0])


class AgentFolders(ApiView):
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        agent = one(self.principal(request), Agent, agent_id)
        return answer([folder_shape(folder) for folder in page(_folders(agent.folders.all()), request.query_params)])


class AttachFolder(ApiView):
    def patch(self, request: Request, agent_id: str, folder_id: str) -> HttpResponse:
        principal = self.principal(request)
        folders.attach(one(principal, Agent, agent_id), [one(principal, Folder, folder_id)])
        return answer(None)


class DetachFolder(ApiView):
    def patch(self, request: Request, agent_id: str, folder_id: str) -> HttpResponse:
        principal = self.principal(request)
        folders.detach(one(principal, Agent, agent_id), [one(principal, Folder, folder_id)])
        return answer(None)


def _folders(rows: Any) -> Any:
    return rows.select_related("archive")


def _files(view: ApiView, request: Request, folder_id: str) -> Any:
    return File.objects.filter(folder=one(view.principal(request), Folder, folder_id))


def _file_shapes(files: list[File], with_content: bool) -> list[Shape]:
    missing = missing_of(files)
    return [file_shape(file, missing.get(file.id), file.content.text if with_content else None) for file in files]


def _upload(request: Request, query: Mapping[str, str]) -> Upload:
    """What was sent. Raises TooLarge, Unsupported or InvalidRequest."""
    limit = settings.LARGEST_FILE
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and int(length) > limit + _AROUND_A_FILE:
        raise _too_large()
    sent = _sent(request)
    if (sent.size or 0) > limit:
        raise _too_large()
    data, original = sent.read(), clean_text(sent.name or "")
    name = _name(query.get("name") or original)
    media_type = (sent.content_type or "").lower()
    kind = kind_of(name, media_type, data) or kind_of(original, media_type, data)
    if kind is None:
        raise Unsupported(f"{name} cannot be read here. Files can be {READABLE}.")
    return Upload(name, original or name, media_type[:LONGEST_NAME], kind, data)


def _sent(request: Request) -> UploadedFile:
    try:
        sent = request.FILES.get("file")
    except SuspiciousOperation as error:
        raise invalid(["body"], f"The form cannot be read: {error}") from None
    if sent is None:
        raise invalid(["body", "file"], "Send a form with a file, with its name, in the field `file`", "missing")
    return sent


def _too_large() -> TooLarge:
    return TooLarge(
        f"A file may have {settings.LARGEST_FILE:,} bytes. Split it up, or set PERDURE_FILE_SIZE to take larger ones."
    )


def _name(given: str) -> str:
    """Without folders of whatever machine it comes from."""
    name = _CONTROL.sub("_", clean_text(given).replace("\\", "/").rpartition("/")[2]).strip()
    if name in ("", ".", "..") or len(name) > LONGEST_NAME:
        raise invalid(["query", "name"], f"A file has a name, of at most {LONGEST_NAME} characters")
    return name
