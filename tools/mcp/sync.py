"""The tools that an MCP server lists -> rows, so that agents can attach them. Run by workers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from tools.mcp.calls import RemoteTool, remote_tools
from tools.mcp.errors import McpError, Unreachable
from tools.mcp.schemas import sanitised, short, valid_name
from tools.models import McpServer, Tool


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of tools, as agents know them."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


def sync(server_id: str) -> Changes:
    """Ask the server for its tools, and make the rows those. Raises McpServer.DoesNotExist, or McpError.

    A server that cannot be asked keeps the tools that it had. Its row says how the attempt went.
    """
    server = McpServer.objects.get(id=server_id)
    connection.close()  # none is held while the server is asked
    try:
        listed = remote_tools(server)
    except McpError as error:
        _as_it_was(server).update(health=McpServer.Health.FAILING, error=str(error), checked_at=Now())
        raise
    return apply(server, listed)


@transaction.atomic
def apply(server: McpServer, listed: Sequence[RemoteTool]) -> Changes:
    """Raises Unreachable if the registration is no longer the one that was asked."""
    if _as_it_was(server).select_for_update(no_key=True).first() is None:
        raise Unreachable("The registration was changed meanwhile. Refresh it again.")
    wanted: dict[str, RemoteTool] = {}
    for remote in listed:
        wanted.setdefault(remote.name, remote)
    rows = {remote_name(tool): tool for tool in server.tools.all()}
    changes = Changes()
    for name in [name for name in rows if name not in wanted]:
        gone = rows.pop(name)
        changes.deleted.append(gone.name)
        gone.delete()
    for remote in wanted.values():
        if (tool := rows.get(remote.name)) is None:
            rows[remote.name] = _added(server, remote, [row.name for row in rows.values()])
            changes.added.append(rows[remote.name].name)
        elif _updated(server, remote, tool):
            changes.updated.append(tool.name)
    _as_it_was(server).update(health=McpServer.Health.HEALTHY, error=None, checked_at=Now(), synced_at=Now())
    return changes


def remote_name(tool: Tool) -> str:
    """What its server calls a tool, and wants to be called with."""
    return str(tool.metadata["mcp"]["tool_name"])


def _as_it_was(server: McpServer) -> QuerySet[McpServer]:
    return McpServer.objects.filter(id=server.id, updated_at=server.updated_at)


def _added(server: McpServer, remote: RemoteTool, taken: list[str]) -> Tool:
    return Tool.objects.create(
        organization_id=server.organization_id,
        mcp_server=server,
        name=valid_name(remote.name, taken),
        tool_type=Tool.Type.MCP,
        tags=[f"mcp:{server.name}"],
        created_by_id=server.last_updated_by_id,
        **_columns(server, remote, valid_name(remote.name, taken)),
    )


def _updated(server: McpServer, remote: RemoteTool, tool: Tool) -> bool:
    """Whether there was something to change. Name, tags and limits are the organization's."""
    columns = _columns(server, remote, tool.name)
    columns["metadata"] = tool.metadata | columns["metadata"]
    changed = {name: value for name, value in columns.items() if getattr(tool, name) != value}
    for name, value in changed.items():
        setattr(tool, name, value)
    if changed:
        tool.save(update_fields=[*changed, "updated_at"])
    return bool(changed)


def _columns(server: McpServer, remote: RemoteTool, name: str) -> dict[str, Any]:
    description = short(remote.description)
    origin = {"server_id": server.id, "server_name": server.name, "tool_name": remote.name}
    return {
        "description": description,
        "json_schema": {"name": name, "description": description, "parameters": sanitised(remote.input_schema)},
        "metadata": {"mcp": origin},
    }
