"""Call the tools of an MCP server, from any thread: synchronous, and within limits however the server behaves."""

from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings

from tools.abort import Abort
from tools.guard import Guard
from tools.mcp.errors import Forbidden, McpError, Rejected, TimedOut
from tools.mcp.secrets import opened
from tools.mcp.targets import Kind, Target
from tools.models import McpServer

CALL_SECONDS = 60.0
LONGEST_CALL_SECONDS = 300.0
LIST_SECONDS = 15.0

Fault = Literal["connection", "timeout"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool said. `fault` tells why there was no answer from the tool itself; an error without one is its own."""

    status: Literal["success", "error"]
    text: str
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """A tool as its server lists it; nothing here is to be trusted."""

    name: str
    description: str
    input_schema: dict[str, Any]


def call(
    server: McpServer,
    tool_name: str,
    arguments: dict[str, Any],
    *,
    timeout: float = CALL_SECONDS,
    abort: Abort | None = None,
) -> Answer:
    """Run the tool that its server calls `tool_name`, which may differ from the name of our row.

    Makes no query, so the caller should hold no connection to the database. What goes wrong is told in the answer;
    only `abort.check` raises.
    """
    try:
        from tools.mcp import session

        return session.call(target_of(server), tool_name, arguments, min(timeout, LONGEST_CALL_SECONDS), abort)
    except Rejected as error:
        return Answer("error", str(error))
    except TimedOut as error:
        return Answer("error", str(error), "timeout")
    except McpError as error:
        return Answer("error", f"The MCP server {server.name} cannot be used: {error}", "connection")


def remote_tools(server: McpServer) -> list[RemoteTool]:
    """Raises McpError."""
    from tools.mcp import session

    return session.remote_tools(target_of(server), LIST_SECONDS)


def target_of(server: McpServer) -> Target:
    """Raises Forbidden for a command where an admin has not allowed them, or Unreachable for unreadable secrets."""
    kind: Kind = server.server_type  # type: ignore[assignment]  # a choice of the column
    if kind == "stdio":
        if not settings.ALLOW_MCP_STDIO:
            raise Forbidden(
                "MCP servers that are commands are off here. An admin can allow them: PERDURE_ALLOW_MCP_STDIO=1"
            )
        env = opened(server.secrets, "env:")
        return Target(kind, command=server.command, args=tuple(server.args), env=env)
    headers = opened(server.secrets, "header:")
    if token := opened(server.secrets, "auth_token").get(""):
        name = server.auth_header or "Authorization"
        bare = name.lower() == "authorization" and " " not in token
        headers[name] = f"Bearer {token}" if bare else token
    guard = Guard(tuple(settings.MCP_PRIVATE_HOSTS), "PERDURE_MCP_PRIVATE_HOSTS")
    return Target(kind, url=server.url, headers=headers, guard=guard)
