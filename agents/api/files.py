"""The files that an agent can read, and those that it has open: what a client sees of them, and changes."""

from collections.abc import Mapping

from django.http import HttpResponse
from rest_framework.request import Request

from agents.api.pages import MAX_LIMIT, page
from agents.api.requests import flag, integer
from agents.api.scope import one, owned
from agents.api.shapes.files import agent_file_shape
from agents.api.views import ApiView, answer
from agents.errors import Conflict
from agents.files import Files, Wanted
from agents.models import Agent, AgentFile
from memory.models import File
from tools.spec import ToolError

PAGE = 20


class AgentFiles(ApiView):
    """`{files, next_cursor, has_more}`. Cursors are ids of this list, or of files."""

    def get(self, request: Request, agent_id: str) -> HttpResponse:
        agent = one(self.principal(request), Agent, agent_id)
        query = request.query_params
        rows = AgentFile.objects.filter(agent=agent).select_related("file__folder")
        if (is_open := flag(query, "is_open")) is not None:
            rows = rows.filter(is_open=is_open)
        limit = min(integer(query, "limit", PAGE), MAX_LIMIT - 1)
        # One more than asked for tells whether there is more. Before a cursor, it is the first one.
        found = page(rows, _cursors(agent, query) | {"limit": str(limit + 1)})
        backwards = bool(query.get("before") and not query.get("after"))
        shown, has_more = found[-limit:] if backwards else found[:limit], len(found) > limit
        cursor = shown[0 if backwards else -1].id if shown and has_more else None
        files = [agent_file_shape(row) for row in shown]
        return answer({"files": files, "next_cursor": cursor, "has_more": has_more})


class OpenFile(ApiView):
    """The paths of the files that were closed, because too many would be open."""

    def patch(self, request: Request, agent_id: str, file_id: str) -> HttpResponse:
        agent, file = _of_agent(self, request, agent_id, file_id)
        try:
            return answer(Files(agent).open_ids({file.id: Wanted(file.name)}).closed)
        except ToolError as error:
            raise Conflict(str(error)) from None


class CloseFile(ApiView):
    def patch(self, request: Request, agent_id: str, file_id: str) -> HttpResponse:
        agent, file = _of_agent(self, request, agent_id, file_id)
        Files(agent).close([file.id])
        return answer({"message": f"File id={file_id} is closed"})


class CloseAllFiles(ApiView):
    """The paths of those that were open."""

    def patch(self, request: Request, agent_id: str) -> HttpResponse:
        return answer(Files(one(self.principal(request), Agent, agent_id)).close())


def _cursors(agent: Agent, query: Mapping[str, str]) -> dict[str, str]:
    """The query, with the ids of this list in the place of ids of files; `cursor` is the older name of `after`."""
    asked = dict(query.items())
    if "cursor" in asked:
        asked.setdefault("after", asked["cursor"])
    for name in ("after", "before"):
        if asked.get(name, "").startswith("file-"):
            row = AgentFile.objects.filter(agent=agent, file_id=asked[name]).only("id").first()
            asked[name] = row.id if row else asked[name]
    return asked


def _of_agent(view: ApiView, request: Request, agent_id: str, file_id: str) -> tuple[Agent, File]:
    """A file of a folder that the agent does not have is not there."""
    principal = view.principal(request)
    agent = one(principal, Agent, agent_id)
    return agent, one(principal, File, file_id, owned(principal, File).filter(folder__agents=agent))
