"""Archival memory: file passages away in the agent's archives, and search them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.fields import clean_text
from memory.embeddings import Vector
from memory.models import Archive, Passage
from memory.ranking import Collection
from memory.search import Found, Nearness, SearchError, best, made_within, result_count
from memory.vectors import Space, nearest, spaces

MAX_PASSAGE_CHARS = 32_768
DEFAULT_RESULTS = 5

TagMatch = Literal["any", "all"]

Embed = Callable[[str, str], Vector | None]
"""A text's vector by the embedding of this handle; None if it cannot be had now."""


class PassageTooLong(ValueError):
    """The text does not fit into one passage; the error says by how much."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A passage that is to be filed."""

    text: str
    tags: Sequence[str] = ()
    created_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def nothing_to_keep() -> Archive:
    """`make_default` of one that only searches."""
    raise AssertionError("a search files nothing")


class Archival:
    """The archives of one agent. `make_default` creates and attaches the first one, when there is something to keep.

    `embed` makes the vectors of queries; without it, searches go by words. `author_id` is the agent or user that files
    passages.
    """

    def __init__(
        self,
        organization_id: str,
        archive_ids: Sequence[str],
        make_default: Callable[[], Archive],
        embed: Embed | None = None,
        author_id: str | None = None,
    ):
        self._organization_id = organization_id
        self._archive_ids = list(archive_ids)
        self._make_default = make_default
        self._embed = embed
        self._author_id = author_id

    def insert(self, text: str, tags: Sequence[str] = (), created_at: datetime | None = None) -> Passage:
        """Keep `text` in the first archive."""
        return self.insert_many([Draft(text, tags, created_at)])[0]

    def insert_many(self, drafts: Sequence[Draft]) -> list[Passage]:
        """Keep them all in the first archive, or none.

        One whose text is there already, but for spaces and case, says so in its metadata: {"duplicate_of": an id}.
        """
        for draft in drafts:
            _check_length(draft.text)
        archive_id = self._first_archive() if drafts else ""
        passages = [self._passage(archive_id, draft) for draft in drafts]
        _mark_duplicates(archive_id, passages)
        return Passage.objects.bulk_create(passages)

    def search(
        self,
        query: str,
        tags: Sequence[str] = (),
        tag_match_mode: TagMatch = "any",
        top_k: int | None = None,
        start: str | datetime | None = None,
        end: str | datetime | None = None,
    ) -> Found:
        """Raises SearchError."""
        collection = Collection(self._passages(), _tagged(tags, tag_match_mode) & made_within(start, end))
        spaces = self.spaces() if query.strip() else []
        vectors = {space.embedding: None for space in spaces} | self._vectors(query, spaces)
        near = _nearness(collection, spaces, vectors) if any(vectors.values()) else None
        found = Found(best(collection, query, result_count(top_k, DEFAULT_RESULTS), near))
        found.words_only = None in vectors.values()
        return found

    def spaces(self) -> list[Space]:
        """Of those archives that have vectors."""
        return spaces(self._organization_id, self._archive_ids) if self._archive_ids else []

    def _vectors(self, query: str, spaces: Iterable[Space]) -> dict[str, Vector | None]:
        if self._embed is None:
            return {}
        return {handle: self._embed(handle, query) for handle in {space.embedding for space in spaces}}

    def _passages(self) -> QuerySet[Passage]:
        return Passage.objects.filter(organization_id=self._organization_id, archive_id__in=self._archive_ids)

    def _passage(self, archive_id: str, draft: Draft) -> Passage:
        return Passage(
            organization_id=self._organization_id,
            archive_id=archive_id,
            text=draft.text,
            digest=digest(draft.text),
            tags=list(dict.fromkeys(draft.tags)),
            metadata=dict(draft.metadata),
            created_by_id=self._author_id,
            created_at=draft.created_at or timezone.now(),
        )

    def _first_archive(self) -> str:
        if not self._archive_ids:
            self._archive_ids.append(self._make_default().id)
        return self._archive_ids[0]


def digest(text: str) -> str:
    """The same for texts that differ in spaces and case alone."""
    return sha256(" ".join(clean_text(text).split()).casefold().encode()).hexdigest()[:32]


def _check_length(text: str) -> None:
    if len(text) > MAX_PASSAGE_CHARS:
        raise PassageTooLong(
            f"The text has {len(text)} characters, and a passage may have {MAX_PASSAGE_CHARS}. Split it up."
        )


def _mark_duplicates(archive_id: str, passages: Sequence[Passage]) -> None:
    """With the oldest passage of the same text."""
    digests = [passage.digest for passage in passages]
    rows = Passage.objects.filter(archive_id=archive_id, digest__in=digests).order_by("created_at", "id")
    first: dict[str, str] = {}
    for id, known in rows.values_list("id", "digest"):
        first.setdefault(known, id)
    for passage in passages:
        if (original := first.setdefault(passage.digest, passage.id)) != passage.id:
            passage.metadata["duplicate_of"] = original


def _nearness(collection: Collection, spaces: Sequence[Space], vectors: dict[str, Vector | None]) -> Nearness:
    def near(ids: Sequence[str], limit: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for handle, vector in vectors.items():
            if vector:
                of_handle = [space for space in spaces if space.embedding == handle]
                found |= nearest(of_handle, vector, collection, ids, limit)
        return found

    return near


def _tagged(tags: Sequence[str], mode: TagMatch) -> Q:
    if mode not in ("any", "all"):
        raise SearchError(f"The tag match mode {mode!r} is unknown; use 'any' or 'all'.")
    if not tags:
        return Q()
    return Q(tags__overlap=list(tags)) if mode == "any" else Q(tags__contains=list(tags))
