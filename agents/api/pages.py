"""Lists, a page at a time: `limit`, `before`, `after` (ids) and `order`. Cursors are keys: each page costs the same."""

from collections.abc import Mapping
from typing import Any

from django.db.models import BooleanField, Expression, F, QuerySet, Value

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
    orders: tuple[str, ...] = ("created_at",),
) -> list[Any]:
    """The page that the query asks for. `key` are columns that order the rows totally; `orders`: what to call them.

    `before` and `after` are relative to the order: the rows after the cursor follow it in the list.
    """
    choice(query, "order_by", orders)
    order = choice(query, "order", ("asc", "desc")) or _ascending(query) or order
    size = min(integer(query, "limit", limit), MAX_LIMIT)
    if size == 0:
        return []
    descending = order == "desc"
    after, before = query.get("after"), query.get("before")
    if after:
        rows = rows.filter(_Beyond(key, _cursor(rows, after, key, "after"), descending))
    if before:
        rows = rows.filter(_Beyond(key, _cursor(rows, before, key, "before"), not descending))
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


class _Beyond(Expression):
    """`(column, ...) < (value, ...)`: a comparison of rows is looked up in an index, the same as an OR is not."""

    output_field = BooleanField()

    def __init__(self, key: tuple[str, ...], values: tuple[Any, ...], descending: bool):
        super().__init__()
        self.sources: list[Any] = [*map(F, key), *map(Value, values)]
        self.sign = "<" if descending else ">"

    def get_source_expressions(self) -> list[Any]:
        return self.sources

    def set_source_expressions(self, expressions: Any) -> None:
        self.sources = list(expressions)

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        compiled = [compiler.compile(source) for source in self.sources]
        half = len(compiled) // 2
        left, right = (", ".join(sql for sql, _ in side) for side in (compiled[:half], compiled[half:]))
        return f"({left}) {self.sign} ({right})", [value for _, values in compiled for value in values]
