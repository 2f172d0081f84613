"""The tools of an MCP server as rows."""

from typing import Any

import pytest

from accounts.models import Organization
from tests.live.processes import free_port
from tools import catalog
from tools.mcp import RemoteTool, Unreachable
from tools.mcp.sync import apply, remote_name, sync
from tools.models import McpServer, Tool

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}}


@pytest.fixture
def server(running: dict[str, str], allowed: None) -> McpServer:
    url = f"http://{running['streamable_http']}/mcp"
    organization = Organization.objects.create(name="Acme")
    return McpServer.objects.create(organization=organization, name="good", server_type="streamable_http", url=url)


def remote(name: str, description: str = "", schema: Any = NUMBER) -> RemoteTool:
    return RemoteTool(name, description, schema)


def names(server: McpServer) -> dict[str, str]:
    """Name here -> name there."""
    return {tool.name: remote_name(tool) for tool in server.tools.all()}


def test_a_real_server(server: McpServer) -> None:
    changes = sync(server.id)
    assert {"add", "where", "odd_name_with_signs"} <= set(changes.added)
    tool = Tool.objects.get(name="odd_name_with_signs")
    assert (tool.tool_type, tool.source_code, tool.tags) == ("external_mcp", None, ["mcp:good"])
    assert tool.metadata == {"mcp": {"server_id": server.id, "server_name": "good", "tool_name": "odd name/with.signs"}}
    where = Tool.objects.get(name="where")
    assert where.json_schema["name"] == "where"
    assert where.json_schema["parameters"]["properties"]["point"]["properties"]["x"]["type"] == "integer"
    server.refresh_from_db()
    assert (server.health, server.error) == ("healthy", None)
    assert server.synced_at
    assert server.checked_at


def test_nothing_new(server: McpServer) -> None:
    sync(server.id)
    again = sync(server.id)
    assert (again.added, again.updated, again.deleted) == ([], [], [])


def test_changes(server: McpServer) -> None:
    apply(server, [remote("stays"), remote("changes"), remote("goes")])
    before = {tool.name: tool.id for tool in server.tools.all()}
    changes = apply(server, [remote("stays"), remote("changes", "New words."), remote("comes")])
    assert (changes.added, changes.updated, changes.deleted) == (["comes"], ["changes"], ["goes"])
    after = {tool.name: tool.id for tool in server.tools.all()}
    assert (after["stays"], after["changes"]) == (before["stays"], before["changes"])
    assert Tool.objects.get(name="changes").json_schema["description"] == "New words."


def test_what_the_organization_has_set_stays(server: McpServer) -> None:
    apply(server, [remote("t")])
    Tool.objects.update(tags=["ours"], return_char_limit=9, default_requires_approval=True)
    apply(server, [remote("t", "New words.")])
    tool = Tool.objects.get()
    assert (tool.tags, tool.return_char_limit, tool.default_requires_approval) == (["ours"], 9, True)
    assert tool.description == "New words."


def test_names_that_become_the_same(server: McpServer) -> None:
    apply(server, [remote("a b"), remote("a.b"), remote("a b", "again")])
    assert names(server) == {"a_b": "a b", "a_b_2": "a.b"}
    assert Tool.objects.get(name="a_b").description == ""
    apply(server, [remote("a.b")])
    assert names(server) == {"a_b_2": "a.b"}
    assert Tool.objects.get().json_schema["name"] == "a_b_2"


def test_one_that_cannot_be_asked_keeps_what_it_had(server: McpServer, settings: Any) -> None:
    sync(server.id)
    count = server.tools.count()
    address = f"127.0.0.1:{free_port()}"
    settings.MCP_PRIVATE_HOSTS = [address]
    McpServer.objects.update(url=f"http://{address}/mcp")
    with pytest.raises(Unreachable):
        sync(server.id)
    server.refresh_from_db()
    assert (server.health, server.tools.count()) == ("failing", count)
    assert "no connection" in (server.error or "")
    assert server.synced_at < server.checked_at  # type: ignore[operator]


def test_a_registration_that_changed_meanwhile(server: McpServer) -> None:
    McpServer.objects.get(id=server.id).save()  # by somebody else
    with pytest.raises(Unreachable, match="changed meanwhile"):
        apply(server, [remote("t")])
    assert not Tool.objects.exists()


def test_beside_tools_of_the_same_name(server: McpServer) -> None:
    """By name the server's own is meant; each kind may have it."""
    apply(server, [remote("send_message"), remote("own")])
    catalog.put(server.organization_id, None, {"name": "own", "source_code": "def own(): ..."})
    [built_in, own] = catalog.named(server.organization_id, ["send_message", "own"])
    assert (built_in.tool_type, own.tool_type) == ("letta_core", "custom")
    other = McpServer.objects.create(organization_id=server.organization_id, name="other", server_type="sse")
    apply(other, [remote("own")])
    assert Tool.objects.filter(name="own").count() == 3


def test_they_go_with_their_server(server: McpServer) -> None:
    apply(server, [remote("t")])
    server.delete()
    assert not Tool.objects.exists()
