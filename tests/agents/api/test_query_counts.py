"""How many statements each GET costs: a fixed number, however many rows there are."""

from dataclasses import dataclass
from typing import Any

import pytest

from accounts import authentication
from agents.models import Agent, Conversation
from memory import files
from tests.agents import given
from tests.agents.api.conftest import Caller
from tests.agents.api.queries import asked
from tests.agents.api.test_views import METHODS, exported
from tests.agents.loop.doubles import calls, says
from tools.models import McpServer, Tool

EVERYTHING = "&".join(f"include=agent.{name}" for name in ("blocks", "tools", "tags", "identities", "secrets"))

# Beside the looking up of the key, which a process remembers.
COUNTS = {
    "agents": 5,
    "agents/count": 1,
    "agents/{agent}": 5,
    "agents/{agent}/context": 7,
    "agents/{agent}/archival-memory": 3,
    "agents/{agent}/archival-memory/search?query=x": 8,
    "archives": 1,
    "folders": 1,
    "folders/count": 1,
    "folders/{folder}": 1,
    "folders/{folder}/agents": 2,
    "folders/{folder}/files": 2,
    "folders/{folder}/files?include_content=true": 2,
    "folders/{folder}/files/{file}": 2,
    "agents/{agent}/folders": 2,
    "agents/{agent}/files": 2,
    "agents/{agent}?include=agent.sources": 7,
    "archives/{archive}": 1,
    "agents/{agent}/messages": 2,
    "agents/{agent}/core-memory": 2,
    "agents/{agent}/core-memory/blocks": 2,
    "agents/{agent}/core-memory/blocks/human": 2,
    "agents/{agent}/tools": 2,
    "blocks": 1,
    "blocks/{block}": 1,
    "blocks/{block}/agents": 6,
    "blocks/{block}/versions": 2,
    "identities": 1,
    "identities/count": 1,
    "identities/{identity}": 2,
    "identities/{identity}/agents": 6,
    "identities/{identity}/blocks": 2,
    "identities/{identity}/jobs": 1,
    "identities/{identity}/jobs/{job}": 1,
    "identities/{identity}/jobs/{job}/archive": 2,
    "retention": 1,
    "retention/purges": 1,
    "tools": 2,
    "tools/{tool}": 1,
    "conversations": 2,
    "conversations/{conversation}": 2,
    "conversations/{conversation}/messages": 2,
    "runs": 1,
    "runs/{run}": 2,
    "runs/{run}/messages": 2,
    "runs/{run}/steps": 2,
    "runs/{run}/usage": 2,
    "runs/{run}/metrics": 3,
    "runs/{run}/trace": 2,
    "approvals": 1,
    "approvals/{approval}": 1,
    "approvals?conversation_id={conversation}": 2,
    "steps": 1,
    "steps/{step}": 1,
    "steps/{step}/messages": 3,
    "steps/{step}/metrics": 1,
    "steps/{step}/trace": 1,
    "messages": 1,
    "messages/{message}": 1,
    "mcp-servers": 1,
    "mcp-servers/{mcp_server}": 1,
    "mcp-servers/{mcp_server}/tools": 2,
    "mcp-servers/{mcp_server}/tools/{mcp_tool}": 2,
    "models": 1,
    "models/embedding": 1,
    "tags": 1,
    f"agents?{EVERYTHING}": 8,
    f"agents/{{agent}}?{EVERYTHING}": 8,
    f"blocks/{{block}}/agents?{EVERYTHING}": 9,
    "agents?order_by=last_run_completion": 5,
    "conversations?order_by=last_run_completion": 2,
    "runs?conversation_id={conversation}": 1,
    "agents/{agent}/context?conversation_id={conversation}": 7,
}


@dataclass
class Filled:
    """An organization and one of everything in it that many others hang on."""

    caller: Caller
    ids: dict[str, str]

    def add(self, many: int) -> None:
        """So many more of everything: of the organization, of the agent, of its conversation, of its run."""
        for n in range(many):
            self._add(f"{many}-{n}")

    def _add(self, name: str) -> None:
        caller, agent = self.caller, self.ids["agent"]
        block = caller.post("blocks/", {"label": name, "value": "x"})["id"]
        identity = {"identifier_key": name, "name": name, "identity_type": "user", "block_ids": [block]}
        identity["agent_ids"] = [agent]
        belongings = [caller.post("identities/", identity)["id"], self.ids["identity"]]
        blocks = [{"label": name, "value": "x"}]
        other = caller.agent(
            memory_blocks=blocks, block_ids=[self.ids["block"]], identity_ids=belongings, tags=[name], tools=[TOOL]
        )
        caller.patch(f"agents/{agent}/core-memory/blocks/attach/{block}")
        caller.patch(f"identities/{self.ids['identity']}", {"block_ids": [block]})
        caller.patch(f"blocks/{self.ids['block']}", {"value": name})
        caller.post("archives/", {"name": name})
        folder = caller.post("folders/", {"name": name})["id"]
        for place in (folder, self.ids["folder"]):
            read_file(caller, place, name)
        caller.patch(f"agents/{agent}/folders/attach/{folder}")
        caller.patch(f"agents/{other['id']}/folders/attach/{self.ids['folder']}")
        given.waits_for_leave(Agent.objects.get(id=caller.agent(tools=[TOOL])["id"]), TOOL, "query")
        mcp_server(name, McpServer.objects.get(id=self.ids["mcp_server"]))
        caller.post(f"agents/{agent}/archival-memory", {"text": f"heron {name}"})
        conversation = caller.post(f"conversations/?agent_id={agent}")["id"]
        for place in (self.ids["conversation"], conversation, given.place(Agent.objects.get(id=other["id"])).id):
            talk(place, calls(*[(TOOL, {"query": "heron"})] * 2), says(f"heron {name}"))


TOOL = "conversation_search"


def mcp_server(name: str, of: Any) -> McpServer:
    """A server with one tool, in the organization of `of`; and one more tool of `of`, if that is a server."""
    made = McpServer.objects.create(
        organization_id=of.organization_id, name=name, server_type="sse", url="https://mcp.example"
    )
    for server in {made, of} if isinstance(of, McpServer) else {made}:
        Tool.objects.create(organization_id=of.organization_id, name=name, tool_type="external_mcp", mcp_server=server)
    return made


def talk(conversation: str, *answers: Any) -> str:
    """A turn; the run's id."""
    place = Conversation.objects.get(id=conversation)
    run = given.accept(place, given.offer("heron"))
    for answer in answers:
        turn = given.claim(conversation, "worker-1", given.LONG)
        assert turn is not None
        given.step(turn, given.Outfit(given.Script(answer)), given.Abort())
    return run.id


def read_file(caller: Caller, folder: str, name: str) -> str:
    """A file that a worker has read; its id."""
    file = caller.upload(folder, f"{name}.md", b"It pumps.")["id"]
    claimed = files.claim(60)
    assert claimed
    files.store(claimed, "It pumps.")
    files.complete()
    return file


@pytest.fixture
def filled(acme: Caller, monkeypatch: pytest.MonkeyPatch) -> Filled:
    monkeypatch.setattr(authentication, "KNOWN_SECONDS", 3600)
    agent = acme.agent(memory_blocks=[{"label": "human", "value": "Ann"}], tools=[TOOL])
    identity = acme.post("identities/", {"identifier_key": "k", "name": "Ann", "identity_type": "user"})["id"]
    conversation = acme.post(f"conversations/?agent_id={agent['id']}")["id"]
    run = talk(conversation, calls((TOOL, {"query": "x"})), says("hi"))
    server = mcp_server("there", Agent.objects.get())
    approval = given.waits_for_leave(Agent.objects.get(id=acme.agent(tools=["send_message"])["id"]))
    folder = acme.post("folders/", {"name": "Manuals"})["id"]
    acme.patch(f"agents/{agent['id']}/folders/attach/{folder}")
    file = read_file(acme, folder, "pump")
    acme.patch(f"agents/{agent['id']}/files/{file}/open")
    return Filled(
        acme,
        {
            "folder": folder,
            "file": file,
            "mcp_server": server.id,
            "mcp_tool": server.tools.get().id,
            "agent": agent["id"],
            "approval": approval.id,
            "block": agent["blocks"][0]["id"],
            "tool": agent["tools"][0]["id"],
            "identity": identity,
            "job": exported(acme, identity),
            "conversation": conversation,
            "run": run,
            "step": acme.get(f"runs/{run}/steps")[0]["id"],
            "message": acme.get("messages/")[0]["id"],
            "archive": acme.post(f"agents/{agent['id']}/archival-memory", {"text": "heron"})[0]["archive_id"],
        },
    )


def counts(filled: Filled) -> dict[str, int]:
    found = {}
    for path in COUNTS:
        filled.caller.get(path.format(**filled.ids))
        with asked() as queries:
            filled.caller.get(path.format(**filled.ids))
        found[path] = len(queries)
    return found


def test_every_path_is_in_the_table() -> None:
    assert {path for path, methods in METHODS.items() if "GET" in methods} <= COUNTS.keys()


def test_every_get_costs_the_same_with_few_rows_and_with_many(filled: Filled) -> None:
    filled.add(2)
    few = counts(filled)
    filled.add(25)
    assert counts(filled) == few == COUNTS
