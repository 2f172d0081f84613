"""MCP servers with the official client: registered, listed, called, changed and removed, through real processes."""

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import letta_client
import pytest
from letta_client.types import SseMcpServer, StdioMcpServer, StreamableHTTPMcpServer

from tests.fakellm import FakeLLM
from tests.live import Server, call, turn, wait_until
from tests.live.processes import free_port
from tests.tools.mcp.processes import EVIL, GOOD, started

KEY = "Bearer a-key-of-the-tests-4321"


@pytest.fixture
def name() -> str:
    return f"mcp-{uuid.uuid4().hex[:8]}"


def test_the_life_of_a_server(server: Server, mcp_url: str, name: str) -> None:
    client = server.client()
    made = client.mcp_servers.create(server_name=name, config={"server_url": mcp_url, "auth_token": KEY})
    assert isinstance(made, StreamableHTTPMcpServer)
    assert (made.server_name, made.server_url, made.auth_token) == (name, mcp_url, "…4321")
    assert made.model_extra is not None
    assert made.model_extra["health"] == "healthy"
    assert client.mcp_servers.retrieve(str(made.id)) == made
    tools = {tool.name: tool for tool in client.mcp_servers.tools.list(str(made.id))}
    assert tools["add"].tool_type == "external_mcp"
    ran = client.mcp_servers.tools.run(str(tools["add"].id), mcp_server_id=str(made.id), args={"a": 40, "b": 2})
    assert (ran.status, ran.func_return) == ("success", 42)
    changed = client.mcp_servers.update(str(made.id), server_name=f"{name}-2", config={"server_url": mcp_url})
    assert (changed.server_name, changed.auth_token) == (f"{name}-2", "…4321")  # type: ignore[union-attr]
    summary: Any = client.mcp_servers.refresh(str(made.id))
    assert summary == {"added": [], "updated": [], "deleted": []}
    client.mcp_servers.delete(str(made.id))
    with pytest.raises(letta_client.NotFoundError):
        client.mcp_servers.retrieve(str(made.id))
    with pytest.raises(letta_client.NotFoundError):
        client.tools.retrieve(str(tools["add"].id))


def test_a_key_is_nowhere_to_be_read(server: Server, mcp_url: str, name: str) -> None:
    made = server.client().mcp_servers.create(server_name=name, config={"server_url": mcp_url, "auth_token": KEY})
    [(row,)] = server.sql("SELECT row_to_json(s)::text FROM tools_mcpserver AS s WHERE id = %s", made.id)
    assert KEY not in row
    assert KEY not in str(server.client().mcp_servers.list())
    assert KEY not in "".join(path.read_text(errors="replace") for path in server.folder.glob("*.log"))


def test_an_agent_holds_its_tools(server: Server, mcp_url: str, name: str) -> None:
    client = server.client()
    made = client.mcp_servers.create(server_name=name, config={"server_url": mcp_url})
    tool = next(tool for tool in client.mcp_servers.tools.list(str(made.id)) if tool.name == "where")
    agent = server.agent()
    client.agents.tools.attach(str(tool.id), agent_id=agent)
    assert [held.id for held in client.agents.tools.list(agent)] == [tool.id]
    client.mcp_servers.delete(str(made.id))
    assert client.agents.tools.list(agent).items == []


def test_an_agent_calls_its_tools(server: Server, mcp_url: str, name: str, tmp_path: Path) -> None:
    client = server.client()
    made = client.mcp_servers.create(server_name=name, config={"server_url": mcp_url})
    tools = client.mcp_servers.tools.list(str(made.id))
    agent = server.agent(tool_ids=[str(tool.id) for tool in tools])
    note = tmp_path / "note"
    calls = [
        call("add", a=40, b=2),
        call("note", path=note, text="once"),
        call("odd_name_with_signs"),
        call("fail", reason="of rain"),
        call("where", point={"x": "no number"}),
    ]
    client.agents.messages.create(agent, input=turn(*calls, "!say done"))
    told = [line for line in server.transcript(agent) if line.startswith("tool")]
    assert told[:3] == ["tool: 42", "tool: noted", "tool: odd"]
    assert told[3].startswith("tool error: ")
    assert "of rain" in told[3]
    assert told[4].startswith("tool error: Invalid tool call")
    assert note.read_text() == "once\n"


def test_a_call_is_cancelled_with_its_run(server: Server, mcp_url: str, name: str) -> None:
    client = server.client()
    made = client.mcp_servers.create(server_name=name, config={"server_url": mcp_url})
    tool = next(tool for tool in client.mcp_servers.tools.list(str(made.id)) if tool.name == "wait")
    agent = server.agent(tool_ids=[str(tool.id)])
    run = server.send(agent, turn(call("wait", seconds=50)))
    attempts = "SELECT 1 FROM agents_toolattempt WHERE run_id = %s AND started_at IS NOT NULL"
    wait_until(lambda: server.sql(attempts, run), what="the tool is called")
    client.agents.messages.cancel(agent)
    assert server.await_end(run)["status"] == "cancelled"


@pytest.fixture(scope="module")
def generous(tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM) -> Iterator[Server]:
    """A server that may run commands, and reach one port."""
    allowed = {"PERDURE_ALLOW_MCP_STDIO": "1", "PERDURE_MCP_PRIVATE_HOSTS": f"127.0.0.1:{free_port()}"}
    with Server(tmp_path_factory.mktemp("generous"), llm, **allowed) as running:
        yield running


def port_of(server: Server) -> int:
    return int(server.environment["PERDURE_MCP_PRIVATE_HOSTS"].partition(":")[2])


def test_a_command(generous: Server, name: str) -> None:
    client = generous.client()
    command: Any = {
        "mcp_server_type": "stdio",
        "command": sys.executable,
        "args": ["-m", GOOD, "stdio"],
        "env": {"PYTHONPATH": str(Path(__file__).parents[2])},
    }
    made = client.mcp_servers.create(server_name=name, config=command)
    assert isinstance(made, StdioMcpServer)
    assert made.model_extra is not None
    assert (made.model_extra["health"], made.model_extra["health_error"]) == ("healthy", None)
    tool = next(tool for tool in client.mcp_servers.tools.list(str(made.id)) if tool.name == "add")
    ran = client.mcp_servers.tools.run(str(tool.id), mcp_server_id=str(made.id), args={"a": 1})
    assert ran.func_return == 2


def test_commands_are_off_by_default(server: Server, name: str) -> None:
    command: Any = {"mcp_server_type": "stdio", "command": "true", "args": []}
    with pytest.raises(letta_client.BadRequestError, match="PERDURE_ALLOW_MCP_STDIO"):
        server.client().mcp_servers.create(server_name=name, config=command)


def test_it_goes_and_comes_back(generous: Server, name: str, tmp_path: Path) -> None:
    """The tools stay meanwhile. What fails is told, and not tried again unasked."""
    client = generous.client()
    port = port_of(generous)
    with started(GOOD, "sse", tmp_path / "log", port):
        made = client.mcp_servers.create(
            server_name=name, config={"mcp_server_type": "sse", "server_url": f"http://127.0.0.1:{port}/sse"}
        )
        assert isinstance(made, SseMcpServer)
        tool = next(tool for tool in client.mcp_servers.tools.list(str(made.id)) if tool.name == "add")
    for ask in (
        lambda: client.mcp_servers.refresh(str(made.id)),
        lambda: client.mcp_servers.tools.run(str(tool.id), mcp_server_id=str(made.id), args={"a": 1}),
    ):
        with pytest.raises(letta_client.InternalServerError) as caught:
            ask()
        assert (caught.value.status_code, caught.value.response.headers["x-should-retry"]) == (502, "false")
        assert caught.value.body["error"]["type"] == "mcp_connection_error"  # type: ignore[index]
    now = client.mcp_servers.retrieve(str(made.id))
    assert now.model_extra is not None
    assert now.model_extra["health"] == "failing"
    assert client.mcp_servers.tools.list(str(made.id))
    with started(GOOD, "sse", tmp_path / "log2", port):
        ran = client.mcp_servers.tools.run(str(tool.id), mcp_server_id=str(made.id), args={"a": 1})
        assert ran.func_return == 2


def test_one_that_never_answers(generous: Server, name: str, tmp_path: Path) -> None:
    client = generous.client()
    port = port_of(generous)
    with started(EVIL, "http", tmp_path / "log", port):
        made = client.mcp_servers.create(
            server_name=name, config={"server_url": f"http://127.0.0.1:{port}/early/trickle"}
        )
        assert made.model_extra is not None
        assert "within 10 seconds" in made.model_extra["health_error"]


def test_private_addresses_are_out_of_reach(server: Server, name: str) -> None:
    postgres = "http://127.0.0.1:5432/"
    made = server.client().mcp_servers.create(server_name=name, config={"server_url": postgres})
    assert made.model_extra is not None
    assert "PERDURE_MCP_PRIVATE_HOSTS=127.0.0.1:5432" in made.model_extra["health_error"]
