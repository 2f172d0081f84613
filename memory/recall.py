"""Recall memory: search over the message history that it is handed."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from django.db.models import Q, QuerySet

from memory.ranking import Collection, Neighbours
from memory.search import Found, Nearness, best, made_within, newest_first, result_count

DEFAULT_RESULTS = 5

Mode = Literal["fts", "vector", "hybrid"]
"""What counts: words, vectors, or both."""

Near = Callable[[str, Collection], tuple[Nearness | None, bool]]
"""How near messages are to a query, if their vectors and its own can be had; and whether its own is all that lacks."""


def search(
    messages: QuerySet[Any],
    query: str | None = None,
    roles: Sequence[str] | None = None,
    limit: int | None = None,
    start: str | datetime | None = None,
    end: str | datetime | None = None,
    neighbours: Neighbours = "matching",
    near: Near | None = None,
    mode: Mode = "hybrid",
) -> Found:
    """The messages that fit `query` best, or without one the newest. System prompts and empty messages are left out.

    `messages` are rows of any model with role, text, terms, size, created_at, conversation_id and seq. By words a
    message gains by what was said right before and behind it; with `neighbours="all"` it may be found by that alone.
    Each result has its `rank`. Raises SearchError.
    """
    wanted = made_within(start, end) & (Q(role__in=list(roles)) if roles else Q())
    spoken = messages.exclude(role="system").exclude(text="")
    count = result_count(limit, DEFAULT_RESULTS)
    if not (query and query.strip()):
        return Found(newest_first(spoken.filter(wanted)).defer("terms")[:count])
    collection = Collection(spoken, wanted, neighbours)
    nearness, words_only = near(query, collection) if near and mode != "fts" else (None, False)
    found = Found(best(collection, query, count, nearness, words=mode != "vector" or nearness is None))
    found.words_only = words_only
    return found
