"""Archival memory: file passages away in the agent's archives, and search them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from django.db.models import Q, QuerySet
from django.utils import timezone

from memory.models import Archive, Passage
from memory.ranking import Collection
from memory.search import SearchError, best, made_within, result_count

MAX_PASSAGE_CHARS = 32_768
DEFAULT_RESULTS = 5

TagMatch = Literal["any", "all"]


class PassageTooLong(ValueError):
    """The text does not fit into one passage; the error says by how much."""


class Archival:
    """The archives of one agent. `make_default` creates and attaches the first one, when there is something to keep."""

    def __init__(self, organization_id: str, archive_ids: Sequence[str], make_default: Callable[[], Archive]):
        self._organization_id = organization_id
        self._archive_ids = list(archive_ids)
        self._make_default = make_default

    def insert(self, text: str, tags: Sequence[str] = (), created_at: datetime | None = None) -> Passage:
        """Keep `text` in the first archive."""
        if len(text) > MAX_PASSAGE_CHARS:
            raise PassageTooLong(
                f"The text has {len(text)} characters, and a passage may have {MAX_PASSAGE_CHARS}. Split it up."
            )
        return Passage.objects.create(
            organization_id=self._organization_id,
            archive_id=self._first_archive(),
            text=text,
            tags=list(dict.fromkeys(tags)),
            created_at=created_at or timezone.now(),
        )

    def search(
        self,
        query: str,
        tags: Sequence[str] = (),
        tag_match_mode: TagMatch = "any",
        top_k: int | None = None,
        start: str | datetime | None = None,
        end: str | datetime | None = None,
    ) -> list[Passage]:
        """Best first; each passage has its `rank`. Raises SearchError."""
        wanted = _tagged(tags, tag_match_mode) & made_within(start, end)
        return best(Collection(self._passages(), wanted), query, result_count(top_k, DEFAULT_RESULTS))

    def _passages(self) -> QuerySet[Passage]:
        return Passage.objects.filter(organization_id=self._organization_id, archive_id__in=self._archive_ids)

    def _first_archive(self) -> str:
        if not self._archive_ids:
            self._archive_ids.append(self._make_default().id)
        return self._archive_ids[0]


def _tagged(tags: Sequence[str], mode: TagMatch) -> Q:
    if mode not in ("any", "all"):
        raise SearchError(f"The tag match mode {mode!r} is unknown; use 'any' or 'all'.")
    if not tags:
        return Q()
    return Q(tags__overlap=list(tags)) if mode == "any" else Q(tags__contains=list(tags))
