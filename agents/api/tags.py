"""The tags that the organization's agents have."""

from collections.abc import Collection

from django.db.models import F, Func, TextField
from django.http import HttpResponse
from rest_framework.request import Request

from agents.api.pages import MAX_LIMIT
from agents.api.requests import choice, integer
from agents.api.scope import owned
from agents.api.views import ApiView, answer
from agents.models import Agent


class Tags(ApiView):
    """Cursors are tags: they need not be in the list, or be there any longer."""

    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        choice(query, "order_by", ("name",))
        order = choice(query, "order", ("asc", "desc")) or "asc"
        limit = min(integer(query, "limit", 50), MAX_LIMIT)
        part = query.get("name") or query.get("query_text") or ""
        rows = owned(self.principal(request), Agent).order_by()
        each = Func(F("tags"), function="unnest", output_field=TextField())
        tags = rows.values_list(each, flat=True).distinct()
        found = [tag for tag in tags if part.lower() in tag.lower()]
        return answer(tag_page(found, query.get("after"), query.get("before"), order == "desc", limit))


def tag_page(tags: Collection[str], after: str | None, before: str | None, descending: bool, limit: int) -> list[str]:
    """`after` and `before` are relative to the order. With `before` alone, the page that ends just before it."""
    lowest, highest = (before, after) if descending else (after, before)
    between = (tag for tag in tags if (not lowest or tag > lowest) and (not highest or tag < highest))
    ordered = sorted(between, reverse=descending)
    return ordered[max(0, len(ordered) - limit) :] if before and not after else ordered[:limit]
