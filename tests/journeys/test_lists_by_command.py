"""What the other commands ask for is listed: agents, their blocks, identities; and tools are given to agents."""

import os
import subprocess
import sys

from cli.configuration import ROOT
from tests.live import Server


def perdure(server: Server, *words: str) -> str:
    environment = os.environ | {"PERDURE_URL": server.web.url, "PERDURE_API_KEY": server.key}
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    return done.stdout + done.stderr


def test_agents_by_a_part_of_their_name(server: Server) -> None:
    asked, idle = server.agent(name="Baker Street"), server.agent(name="baker of bread")
    server.client().agents.messages.create(asked, input="hello")
    shown = perdure(server, "agents", "--name", "Baker").splitlines()
    assert [line.split()[0] for line in shown] == [idle, asked]
    assert "has not run yet" in shown[0]
    assert "openai/fake-1" in shown[1]
    assert ", end_turn" in shown[1]
    assert asked in perdure(server, "agents")
    assert perdure(server, "agents", "--name", "nobody at all") == "No agent has 'nobody at all' in its name.\n"


def test_blocks_of_an_agent(server: Server) -> None:
    agent = server.agent(name="Holder", memory_blocks=[{"label": "human", "value": "Ann", "limit": 900}])
    [block] = server.client().agents.blocks.list(agent)
    assert perdure(server, "blocks", "list", "Holder").split() == [block.id, "human", "3", "of", "900", "characters"]
    assert perdure(server, "blocks", "list", server.agent(memory_blocks=[])) == "It has no blocks.\n"


def test_identities(server: Server) -> None:
    body = {"identifier_key": "guest-of-lists", "name": "Grace", "identity_type": "user"}
    server.client().post("/v1/identities/", body=body, cast_to=object)
    [line] = [line for line in perdure(server, "identities", "list").splitlines() if "guest-of-lists" in line]
    assert line.split()[1:] == ["guest-of-lists", "Grace", "agents:", "0"]


def test_a_tool_is_given_and_taken(server: Server) -> None:
    agent = server.agent(name="Learner")
    tools = server.client().agents.tools

    def has() -> bool:
        return "conversation_search" in [tool.name for tool in tools.list(agent)]

    assert not has()
    assert "has it now" in perdure(server, "tools", "attach", "Learner", "conversation_search")
    assert has()
    assert "any more" in perdure(server, "tools", "detach", agent, "conversation_search")
    assert not has()
    assert "no tool named" in perdure(server, "tools", "attach", agent, "no_such_tool")
