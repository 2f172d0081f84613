"""Recall memory: search over the message history that it is handed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from memory.ranking import Collection, Neighbours
from memory.search import best, made_within, newest_first, result_count

DEFAULT_RESULTS = 5


def search(
    messages: QuerySet[Any],
    query: str | None = None,
    roles: Sequence[str] | None = None,
    limit: int | None = None,
    start: str | datetime | None = None,
    end: str | datetime | None = None,
    neighbours: Neighbours = "matching",
) -> list[Any]:
    """The messages that fit `query` best, or without one the newest. System prompts and empty messages are left out.

    `messages` are rows of any model with role, text, terms, size, created_at, conversation_id and seq. A message gains
    by what was said right before and behind it; with `neighbours="all"` it may be found by that alone.
    Each result has its `rank`. Raises SearchError.
    """
    wanted = made_within(start, end) & (Q(role__in=list(roles)) if roles else Q())
    spoken = messages.exclude(role="system").exclude(text="")
    count = result_count(limit, DEFAULT_RESULTS)
    if not (query and query.strip()):
        return list(newest_first(spoken.filter(wanted)).defer("terms")[:count])
    return best(Collection(spoken, wanted, neighbours), query, count)
