"""The organization's tools, to look at and attach."""

from django.http import HttpResponse
from rest_framework.request import Request

from agents.api.pages import page
from agents.api.scope import one, owned
from agents.api.shapes import tool_shape
from agents.api.views import ApiView, answer
from tools import catalog
from tools.models import Tool


class Tools(ApiView):
    def get(self, request: Request) -> HttpResponse:
        principal, query = self.principal(request), request.query_params
        catalog.ensure(principal.organization_id)
        rows = owned(principal, Tool)
        names = [*query.getlist("names"), *query.getlist("name")]
        if names:
            rows = rows.filter(name__in=names)
        if ids := query.getlist("tool_ids"):
            rows = rows.filter(id__in=ids)
        if types := query.getlist("tool_types"):
            rows = rows.filter(tool_type__in=types)
        if text := query.get("search"):
            rows = rows.filter(name__icontains=text)
        return answer([tool_shape(tool) for tool in page(rows, query, limit=50)])


class OneTool(ApiView):
    def get(self, request: Request, tool_id: str) -> HttpResponse:
        return answer(tool_shape(one(self.principal(request), Tool, tool_id)))
