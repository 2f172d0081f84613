"""Another organization's things are not there: not to be read, changed, sent to, followed or cancelled."""

from collections.abc import Callable

import letta_client
import pytest
from letta_client import Letta

from tests.live import Server

SECOND = """
from accounts.keys import issue_key
from accounts.models import Organization
print("key:", issue_key(Organization.objects.create(name="Second"), name="second")[1])
"""


@pytest.fixture(scope="module")
def stranger(server: Server) -> Letta:
    """A client with the key of a second organization."""
    said = server.manage("shell", script=SECOND)
    return server.client(key=said.split("key:")[1].split()[0])


@pytest.fixture(scope="module")
def ids(server: Server) -> dict[str, str]:
    """The ids of things of the first organization."""
    client = server.client()
    agent = server.agent(memory_blocks=[{"label": "human", "value": "Ann"}])
    run = server.send(agent, "hello")
    server.await_end(run)
    return {
        "agent": agent,
        "run": run,
        "block": next(iter(client.agents.blocks.list(agent))).id,
        "tool": next(iter(client.tools.list(name="set_lamp"))).id,
        "conversation": client.conversations.create(agent_id=agent).id,
        "step": next(iter(client.runs.steps.list(run))).id,
    }


ATTEMPTS: dict[str, Callable[[Letta, dict[str, str]], object]] = {
    "retrieve agent": lambda c, i: c.agents.retrieve(i["agent"]),
    "update agent": lambda c, i: c.agents.update(i["agent"], name="Mine"),
    "delete agent": lambda c, i: c.agents.delete(i["agent"]),
    "send": lambda c, i: c.agents.messages.create(i["agent"], input="hello"),
    "stream": lambda c, i: list(c.agents.messages.stream(i["agent"], input="hello")),
    "send async": lambda c, i: c.agents.messages.create_async(i["agent"], input="hello"),
    "list messages": lambda c, i: c.agents.messages.list(i["agent"]),
    "cancel": lambda c, i: c.agents.messages.cancel(i["agent"], run_ids=[i["run"]]),
    "reset": lambda c, i: c.agents.messages.reset(i["agent"]),
    "list blocks": lambda c, i: c.agents.blocks.list(i["agent"]),
    "retrieve block": lambda c, i: c.blocks.retrieve(i["block"]),
    "update block": lambda c, i: c.blocks.update(i["block"], value="x"),
    "delete block": lambda c, i: c.blocks.delete(i["block"]),
    "use a block": lambda c, i: c.agents.create(model="demo/scripted", block_ids=[i["block"]]),
    "use a tool": lambda c, i: c.agents.create(model="demo/scripted", tool_ids=[i["tool"]]),
    "retrieve run": lambda c, i: c.runs.retrieve(i["run"]),
    "run's messages": lambda c, i: c.runs.messages.list(i["run"]),
    "run's stream": lambda c, i: list(c.runs.messages.stream(i["run"])),
    "run's usage": lambda c, i: c.runs.usage.retrieve(i["run"]),
    "retrieve step": lambda c, i: c.steps.retrieve(i["step"]),
    "retrieve conversation": lambda c, i: c.conversations.retrieve(i["conversation"]),
    "send to conversation": lambda c, i: list(c.conversations.messages.create(i["conversation"], input="hello")),
    "conversation for agent": lambda c, i: c.conversations.create(agent_id=i["agent"]),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_not_found(stranger: Letta, ids: dict[str, str], attempt: str) -> None:
    with pytest.raises(letta_client.NotFoundError, match="not found"):
        ATTEMPTS[attempt](stranger, ids)


def test_nothing_is_listed(stranger: Letta, ids: dict[str, str]) -> None:
    assert list(stranger.agents.list()) == list(stranger.blocks.list()) == list(stranger.runs.list()) == []


def test_nothing_has_changed(server: Server, ids: dict[str, str]) -> None:
    client = server.client()
    assert client.agents.blocks.retrieve("human", agent_id=ids["agent"]).value == "Ann"
    assert server.transcript(ids["agent"]) == ["user: hello", "assistant: ok: hello"]


def test_the_same_idempotency_key_in_both(server: Server, stranger: Letta) -> None:
    key = {"Idempotency-Key": "the same in both"}
    own = stranger.agents.create(model="openai/fake-1", include_base_tools=False).id
    mine = server.client().agents.messages.create(server.agent(), input="one", extra_headers=key)
    theirs = stranger.agents.messages.create(own, input="two", extra_headers=key)
    assert (mine.messages[-1].content, theirs.messages[-1].content) == ("ok: one", "ok: two")
