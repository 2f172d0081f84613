"""MCP servers and their tools. What is told of them comes from rows; workers talk to them, and these views wait."""

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from accounts.authentication import principal_of
from accounts.keys import Principal
from agents.api.asking import ONCE, answer_of, asked, unserved
from agents.api.async_views import AsyncView, body_of, in_its_thread, only
from agents.api.mcp_configs import McpServerChange, McpServerFields, columns_of, mcp_server_shape
from agents.api.scope import one, owned
from agents.api.shapes.tools import tool_shape
from agents.api.views import ApiView, answer
from agents.errors import Conflict, NotFound, invalid
from agents.following import in_thread
from agents.hints import ask_mcp
from agents.models import Agent
from tools.asking import NobodyAnswers, Reply
from tools.mcp.calls import CALL_SECONDS
from tools.models import McpServer, Tool

SYNC_SECONDS = 60.0
"""More than listing the tools may take: a command's start, and the answer."""
RUN_SECONDS = CALL_SECONDS + 40.0


class McpServers(ApiView):
    def get(self, request: Request) -> HttpResponse:
        rows = owned(self.principal(request), McpServer).order_by("created_at", "id")
        return answer([mcp_server_shape(server) for server in rows])

    def post(self, request: Request) -> HttpResponse:
        principal = self.principal(request)
        fields = McpServerFields(data=request.data)
        fields.is_valid(raise_exception=True)
        columns = columns_of(fields.validated_data, None, settings.ALLOW_MCP_STDIO)
        server = McpServer(organization_id=principal.organization_id, created_by_id=principal.user_id, **columns)
        return answer(mcp_server_shape(_saved(server, principal)))


class OneMcpServer(ApiView):
    def get(self, request: Request, mcp_server_id: str) -> HttpResponse:
        return answer(mcp_server_shape(one(self.principal(request), McpServer, mcp_server_id)))

    @transaction.atomic
    def patch(self, request: Request, mcp_server_id: str) -> HttpResponse:
        principal = self.principal(request)
        rows = owned(principal, McpServer).select_for_update(no_key=True)
        server = one(principal, McpServer, mcp_server_id, rows)
        fields = McpServerChange(data=request.data)
        fields.is_valid(raise_exception=True)
        for name, value in columns_of(fields.validated_data, server, settings.ALLOW_MCP_STDIO).items():
            setattr(server, name, value)
        server.health, server.error = McpServer.Health.UNKNOWN, None
        return answer(mcp_server_shape(_saved(server, principal)))

    def delete(self, request: Request, mcp_server_id: str) -> HttpResponse:
        """Its tools go with it, also from the agents that hold them."""
        one(self.principal(request), McpServer, mcp_server_id).delete()
        return HttpResponse(status=204)


class McpTools(ApiView):
    def get(self, request: Request, mcp_server_id: str) -> HttpResponse:
        server = one(self.principal(request), McpServer, mcp_server_id)
        return answer([tool_shape(tool) for tool in server.tools.order_by("name")])


class OneMcpTool(ApiView):
    def get(self, request: Request, mcp_server_id: str, tool_id: str) -> HttpResponse:
        return answer(tool_shape(_tool(self.principal(request), mcp_server_id, tool_id)))


def then_synced(view: type[ApiView]) -> AsyncView:
    """A POST or PATCH is answered when a worker has asked the server for its tools, or could not.

    The registration stands in either case; its health tells how it went.
    """
    answered = in_its_thread(view)

    @csrf_exempt
    async def dispatch(request: HttpRequest, **words: str) -> HttpResponseBase:
        response: Any = await answered(request, **words)
        if request.method not in ("POST", "PATCH") or response.status_code != 200:
            return response
        server_id = response.data["id"]
        try:
            await asked(ask_mcp, {"do": "sync", "server": server_id}, SYNC_SECONDS)
        except NobodyAnswers:
            return response
        now = await in_thread(McpServer.objects.filter(id=server_id).first)
        return JsonResponse(mcp_server_shape(now)) if now else response

    return dispatch


servers = then_synced(McpServers)
one_server = then_synced(OneMcpServer)


@only("PATCH")
async def refresh(request: HttpRequest, mcp_server_id: str) -> HttpResponseBase:
    """Make the tools those that the server lists now, and tell what has changed."""

    def check() -> None:
        principal = principal_of(request.headers.get("Authorization"))
        one(principal, McpServer, mcp_server_id)
        if agent_id := request.GET.get("agent_id"):
            one(principal, Agent, agent_id, loc=("query", "agent_id"))

    await in_thread(check)
    try:
        reply = await asked(ask_mcp, {"do": "sync", "server": mcp_server_id}, SYNC_SECONDS)
    except NobodyAnswers as error:
        return unserved(error)
    if reply["status"] == "gone":
        raise NotFound("MCP server", mcp_server_id)
    return JsonResponse(reply["changes"]) if reply["status"] == "success" else _fault(reply)


@only("POST")
async def run(request: HttpRequest, mcp_server_id: str, tool_id: str) -> HttpResponseBase:
    """Run a tool by hand. One that fails is an answer, too; a server that does not answer is an error."""
    args = (await body_of(request)).get("args") or {}
    if not isinstance(args, dict):
        raise invalid(["body", "args"], "Should be an object", "dict_type")

    def check() -> None:
        _tool(principal_of(request.headers.get("Authorization")), mcp_server_id, tool_id)

    await in_thread(check)
    try:
        reply = await asked(ask_mcp, {"do": "run", "tool": tool_id, "args": args}, RUN_SECONDS)
    except NobodyAnswers as error:
        return unserved(error)
    if reply["status"] == "gone":
        raise NotFound("Tool", tool_id)
    return JsonResponse(answer_of(reply)) if reply["status"] in ("success", "error") else _fault(reply)


def _tool(principal: Principal, mcp_server_id: str, tool_id: str) -> Tool:
    server = one(principal, McpServer, mcp_server_id)
    tool: Tool = one(principal, Tool, tool_id, owned(principal, Tool).filter(mcp_server=server))
    return tool


def _saved(server: McpServer, principal: Principal) -> McpServer:
    server.last_updated_by_id = principal.user_id
    try:
        with transaction.atomic():
            server.save()
    except IntegrityError:
        raise Conflict(f"Another MCP server is called {server.name!r}. Choose another name.") from None
    return server


def _fault(reply: Reply) -> JsonResponse:
    if reply["status"] == "timeout":
        return JsonResponse({"detail": reply["text"]}, status=408, headers=ONCE)
    error = {"type": "mcp_connection_error", "message": reply["text"], "detail": None}
    return JsonResponse({"detail": reply["text"], "error": error}, status=502, headers=ONCE)
