"""Recall memory: search over the message history that it is handed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from memory.search import by_words, newest_first, result_count, within

DEFAULT_RESULTS = 5


def search(
    messages: QuerySet[Any],
    query: str | None = None,
    roles: Sequence[str] | None = None,
    limit: int | None = None,
    start: str | datetime | None = None,
    end: str | datetime | None = None,
) -> list[Any]:
    """The messages that fit `query` best, or without one the newest. System prompts and empty messages are left out.

    `messages` are rows of any model with role, text, terms and created_at. Each result has its `rank`.
    Raises SearchError.
    """
    rows = within(messages.exclude(role="system").exclude(text=""), start, end)
    if roles:
        rows = rows.filter(role__in=list(roles))
    found = by_words(rows, query) if query and query.strip() else newest_first(rows)
    return list(found[: result_count(limit, DEFAULT_RESULTS)])
