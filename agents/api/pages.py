"""Lists, a page at a time: `limit`, `before`, `after` (ids) and `order`. Cursors are keys: each page costs the same."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from agents.api.requests import choice, integer
from agents.errors import invalid

MAX_LIMIT = 1000


def page(
    rows: QuerySet[Any],
    query: Mapping[str, str],
    *,
    key: tuple[str, ...] = ("created_at", "id"),
    limit: int = 50,
    order: str = "desc",
) -> list[Any]:
    """The page that the query asks for. `key` are columns that order the rows totally.

    `before` and `after` are relative to the order: the rows after the cursor follow it in the list.
    """
    order = choice(query, "order", ("asc", "desc")) or _ascending(query) or order
    size = min(integer(query, "limit", limit), MAX_LIMIT)
    if size == 0:
        return []
    descending = order == "desc"
    after, before = query.get("after"), query.get("before")
    if after:
        rows = rows.filter(_beyond(key, _cursor(rows, after, key, "after"), descending))
    if before:
        rows = rows.filter(_beyond(key, _cursor(rows, before, key, "before"), not descending))
    # Only `before`: the page that ends just before the cursor, not the first page of the list.
    backwards = bool(before and not after)
    turned = descending != backwards
    found = list(rows.order_by(*(f"-{column}" if turned else column for column in key))[:size])
    return found[::-1] if backwards else found


def newest_page(rows: QuerySet[Any], query: Mapping[str, str], *, key: tuple[str, ...], limit: int = 100) -> list[Any]:
    """Messages with no `order` given: the newest page, oldest first; `after` means newer and `before` older."""
    if query.get("order") or query.get("ascending"):
        return page(rows, query, key=key, limit=limit)
    if query.get("after"):
        return page(rows, query, key=key, limit=limit, order="asc")
    turned = {("after" if name == "before" else name): value for name, value in query.items()}
    return page(rows, turned, key=key, limit=limit, order="desc")[::-1]


def _ascending(query: Mapping[str, str]) -> str | None:
    """The older parameter of the same meaning."""
    value = query.get("ascending")
    return None if value is None else ("asc" if value.lower() == "true" else "desc")


def _cursor(rows: QuerySet[Any], id: str, key: tuple[str, ...], name: str) -> tuple[Any, ...]:
    values = rows.order_by().filter(pk=id).values_list(*key).first()
    if values is None:
        raise invalid(["query", name], f"{id} is not in this list")
    return values


def _beyond(key: tuple[str, ...], values: tuple[Any, ...], descending: bool) -> Q:
    """Rows that come after the key `values`."""
    comparison = "lt" if descending else "gt"
    condition = Q()
    for position in range(len(key)):
        same = Q(**dict(zip(key[:position], values[:position], strict=True)))
        condition |= same & Q(**{f"{key[position]}__{comparison}": values[position]})
    return condition
