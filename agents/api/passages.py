"""Archival memory through the API: an agent's passages, and the search in those of the whole organization."""

import json
from collections.abc import Mapping
from datetime import UTC, tzinfo
from functools import partial
from typing import Any, cast
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from accounts.keys import Principal
from agents.api.archives import PassageFields, filed
from agents.api.cursors import leaving
from agents.api.pages import page
from agents.api.requests import choice, integer, json_body
from agents.api.scope import one, owned
from agents.api.serializers import Strings, Text
from agents.api.shapes.memory import passage_shape
from agents.api.shapes.values import Shape
from agents.api.vectors import Vectors, Wanted
from agents.api.views import ApiView, answer
from agents.errors import invalid
from agents.models import Agent, AgentArchive
from agents.toolbox import default_archive
from memory.archival import DEFAULT_RESULTS, MAX_PASSAGE_CHARS, Archival, TagMatch, nothing_to_keep
from memory.chunking import pieces
from memory.models import Archive, Passage
from memory.search import by_words

MOST_SHARED = 10_000


class PassageSearchFields(serializers.Serializer):
    query = Text(required=False, allow_null=True)
    agent_id = Text(required=False, allow_null=True)
    archive_id = Text(required=False, allow_null=True)
    tags = Strings(required=False, allow_null=True)
    tag_match_mode = serializers.ChoiceField(choices=("any", "all"), default="any")
    limit = serializers.IntegerField(min_value=1, default=10)
    start_date = Text(required=False, allow_null=True)
    end_date = Text(required=False, allow_null=True)


class AgentPassages(ApiView):
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """Oldest first, unless `ascending` is false."""
        principal, query = self.principal(request), request.query_params
        rows = _passages(principal, one(principal, Agent, agent_id))
        if text := query.get("search"):
            rows = by_words(rows, text)
        return answer([passage_shape(passage) for passage in page(rows, query, limit=100, order="asc")])

    def post(self, request: Request, agent_id: str) -> HttpResponse:
        """A list: a text that is too long for one passage is cut into several."""
        principal = self.principal(request)
        archival = _archival(one(principal, Agent, agent_id), author_id=principal.user_id)
        fields = PassageFields(data=request.data)
        fields.is_valid(raise_exception=True)
        return answer([passage_shape(passage) for passage in filed(archival, _cut(fields.validated_data))])


class OneAgentPassage(ApiView):
    def delete(self, request: Request, agent_id: str, passage_id: str) -> HttpResponse:
        principal = self.principal(request)
        agent = one(principal, Agent, agent_id)
        passage = one(principal, Passage, passage_id, _passages(principal, agent))
        with leaving(passage):
            passage.delete()
        return answer({"message": f"Passage id={passage_id} successfully deleted"})


class AgentPassageSearch(ApiView):
    """What the tool archival_memory_search finds, told in the agent's own time zone."""

    def get(self, request: Request, agent_id: str) -> HttpResponse:
        agent, query = one(self.principal(request), Agent, agent_id), request.query_params
        if "query" not in query:
            raise invalid(["query", "query"], "Field required", "missing")
        found = _archival(agent, request.vectors).search(
            query["query"],
            query.getlist("tags"),
            cast(TagMatch, choice(query, "tag_match_mode", ("any", "all")) or "any"),
            integer(query, "top_k", DEFAULT_RESULTS, minimum=1),
            query.get("start_datetime"),
            query.get("end_datetime"),
        )
        zone = _zone(agent.timezone)
        results = [_result(passage, zone) for passage in found]
        return answer({"results": results, "count": len(found), "words_only": found.words_only})


class PassageSearch(ApiView):
    """Over one archive, one agent's archives, or all. `score` ranks the results of one search, and no more."""

    def post(self, request: Request) -> HttpResponse:
        principal = self.principal(request)
        fields = PassageSearchFields(data=request.data)
        fields.is_valid(raise_exception=True)
        given = fields.validated_data
        found = _within(principal, given, request.vectors).search(
            given.get("query") or "",
            given.get("tags") or (),
            given["tag_match_mode"],
            given["limit"],
            given.get("start_date"),
            given.get("end_date"),
        )
        return answer([_scored(passage, found.words_only) for passage in found])


def _cut(given: dict[str, Any]) -> list[dict[str, Any]]:
    """The passage, or as many as its text needs, which share everything else."""
    if len(given["text"]) <= MAX_PASSAGE_CHARS:
        return [given]
    shared = json.dumps([given.get("metadata"), given.get("tags")])
    if len(shared) > MOST_SHARED:
        told = f"With a text that is cut up, metadata and tags may have {MOST_SHARED:,} characters: each piece has them"
        raise invalid(["body", "metadata"], told, "too_long")
    return [given | {"text": piece.text} for piece in pieces(given["text"], MAX_PASSAGE_CHARS)]


def _scored(passage: Any, words_only: bool) -> Shape:
    return {
        "passage": passage_shape(passage),
        "score": float(passage.rank or 0),
        "metadata": {"words_only": words_only},
    }


def wanted_by_agent(principal: Principal, request: HttpRequest, given: Mapping[str, Any]) -> Wanted | None:
    return _wanted(_archival(one(principal, Agent, given["agent_id"])), request.GET.get("query"))


def wanted_by_search(principal: Principal, request: HttpRequest, given: Mapping[str, Any]) -> Wanted | None:
    body = json_body(request)
    return _wanted(_within(principal, body), body.get("query")) if body.get("query") else None


def _wanted(archival: Archival, query: Any) -> Wanted | None:
    if not isinstance(query, str) or not query.strip():
        return None
    return Wanted(query, tuple({space.embedding for space in archival.spaces()}))


def _within(principal: Principal, given: dict[str, Any], vectors: Vectors | None = None) -> Archival:
    archives = owned(principal, Archive)
    if agent_id := given.get("agent_id"):
        archives = archives.filter(agents=one(principal, Agent, agent_id, loc=("body", "agent_id")))
    if archive_id := given.get("archive_id"):
        archives = archives.filter(id=one(principal, Archive, archive_id, loc=("body", "archive_id")).id)
    ids = list(archives.values_list("id", flat=True))
    return Archival(principal.organization_id, ids, nothing_to_keep, vectors.of if vectors else None)


def _archival(agent: Agent, vectors: Vectors | None = None, author_id: str | None = None) -> Archival:
    embed = vectors.of if vectors else None
    return Archival(
        agent.organization_id, _archive_ids(agent), partial(default_archive, agent, author_id), embed, author_id
    )


def _passages(principal: Principal, agent: Agent) -> QuerySet[Passage]:
    return owned(principal, Passage).filter(archive_id__in=_archive_ids(agent))


def _archive_ids(agent: Agent) -> list[str]:
    return list(AgentArchive.objects.filter(agent=agent).order_by("id").values_list("archive_id", flat=True))


def _result(passage: Passage, zone: tzinfo) -> Shape:
    return {
        "id": passage.id,
        "timestamp": passage.created_at.astimezone(zone).isoformat(),
        "content": passage.text,
        "tags": passage.tags,
    }


def _zone(name: str) -> tzinfo:
    """The time zone, or UTC: an agent's is kept as its client has written it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC
