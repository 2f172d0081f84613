"""Lists, a page at a time: `limit`, `before`, `after` (ids) and `order`. Cursors are keys: each page costs the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Expression, F, Q, QuerySet, Value

from agents.api.cursors import KEY, place_of
from agents.api.requests import choice, integer
from agents.errors import invalid

MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a list its pages are made of. `shows` says it exactly; `narrowed` is what a query can say of it."""

    narrowed: Q
    shows: Callable[[Any], bool]


def page(
    rows: QuerySet[Any],
    query: Mapping[str, str],
    *,
    key: tuple[str, ...] = KEY,
    limit: int = 50,
    order: str = "desc",
    orders: tuple[str, ...] = ("created_at",),
    wanted: Wanted | None = None,
) -> list[Any]:
    """The page that the query asks for. `key` are columns that order the rows totally; `orders`: what to call them.

    `before` and `after` are relative to the order: the rows after the cursor follow it in the list.
    """
    choice(query, "order_by", orders)
    order = asked_order(query) or order
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
    rows = rows.order_by(*(f"-{column}" if turned else column for column in key))
    found = _filled(rows, size, key, turned, wanted) if wanted else list(rows[:size])
    return found[::-1] if backwards else found


def newest_page(
    rows: QuerySet[Any],
    query: Mapping[str, str],
    *,
    key: tuple[str, ...],
    limit: int = 100,
    wanted: Wanted | None = None,
) -> list[Any]:
    """Messages with no `order` given: the newest page, oldest first; `after` means newer and `before` older."""
    if query.get("order") or query.get("ascending"):
        return page(rows, query, key=key, limit=limit, wanted=wanted)
    if query.get("after"):
        return page(rows, query, key=key, limit=limit, order="asc", wanted=wanted)
    turned = {("after" if name == "before" else name): value for name, value in query.items()}
    return page(rows, turned, key=key, limit=limit, order="desc", wanted=wanted)[::-1]


def asked_order(query: Mapping[str, str]) -> str | None:
    """`order`, or `ascending`, the older parameter of the same meaning."""
    value = query.get("ascending")
    older = None if value is None else ("asc" if value.lower() == "true" else "desc")
    return choice(query, "order", ("asc", "desc")) or older


def _filled(rows: QuerySet[Any], size: int, key: tuple[str, ...], descending: bool, wanted: Wanted) -> list[Any]:
    """So many rows that are wanted, read in batches that grow, each behind the one before."""
    rows = rows.filter(wanted.narrowed)
    found: list[Any] = []
    batch, many = rows, size
    while len(found) < size:
        got = list(batch[:many])
        found += filter(wanted.shows, got)
        if len(got) < many:
            break
        values = tuple(getattr(got[-1], column) for column in key)
        batch, many = rows.filter(_Beyond(key, values, descending)), min(2 * many, MAX_LIMIT)
    return found[:size]


def _cursor(rows: QuerySet[Any], id: str, key: tuple[str, ...], name: str) -> tuple[Any, ...]:
    values = rows.order_by().filter(pk=id).values_list(*key).first()
    if values is None and key == KEY:
        values = place_of(rows.model, id)
    if values is None:
        told = f"{id} is not in this list. If it has been deleted, begin again without `{name}`"
        raise invalid(["query", name], told)
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
