"""Agents are made, looked at, changed and listed with the SDK."""

import uuid

import letta_client
import pytest
from letta_client import AsyncLetta, Letta

from tests.live import Server


def test_create_with_everything(server: Server) -> None:
    client = server.client()
    shared = client.blocks.create(label="project", value="Build a boat.")
    lamp = next(tool for tool in client.tools.list(name="set_lamp"))
    made = client.agents.create(
        name="Ada of the journeys",
        model="openai/fake-1",
        description="Knows ships.",
        system="You are a shipwright.",
        memory_blocks=[{"label": "human", "value": "Ann", "limit": 500}, {"label": "persona", "value": "Terse."}],
        block_ids=[shared.id],
        tools=["ring_bell", "archival_memory_search"],
        tool_ids=[lamp.id],
        tags=["ships", "tests"],
        metadata={"berth": 7},
        timezone="Europe/Vienna",
        context_window_limit=16_000,
        model_settings={"provider_type": "openai", "temperature": 0.2},
        initial_message_sequence=[{"role": "user", "content": "Ahoy."}, {"role": "assistant", "content": "Aye."}],
    )
    assert (made.name, made.description) == ("Ada of the journeys", "Knows ships.")
    assert made.system == "You are a shipwright."
    assert [(block.label, block.value) for block in made.blocks] == [
        ("human", "Ann"),
        ("persona", "Terse."),
        ("project", "Build a boat."),
    ]
    assert {tool.name for tool in made.tools} >= {"ring_bell", "archival_memory_search", "set_lamp", "memory_insert"}
    assert (made.tags, made.metadata, made.timezone) == (["ships", "tests"], {"berth": 7}, "Europe/Vienna")
    assert made.blocks[0].limit == 500
    assert [m.content for m in client.agents.messages.list(made.id, order="asc").items[1:]] == ["Ahoy.", "Aye."]


def test_relations_are_included_on_demand(server: Server) -> None:
    client = server.client()
    agent = server.agent("ring_bell", memory_blocks=[{"label": "human", "value": "Ann"}], tags=["x"])
    bare = client.agents.retrieve(agent)
    assert (bare.blocks, bare.tools, bare.tags) == ([], [], [])
    full = client.agents.retrieve(agent, include=["agent.blocks", "agent.tools", "agent.tags"])
    assert [block.label for block in full.blocks] == ["human"]
    assert [tool.name for tool in full.tools] == ["ring_bell"]
    assert full.tags == ["x"]


def test_change_list_and_delete(server: Server) -> None:
    client, mark = server.client(), uuid.uuid4().hex
    ids = [server.agent(tags=[mark]) for _ in range(5)]
    assert [agent.id for agent in client.agents.list(tags=[mark], limit=2)] == ids[::-1]
    assert [agent.id for agent in client.agents.list(tags=[mark], limit=2, order="asc")] == ids
    client.agents.update(ids[0], name="Bea", description="Changed.")
    assert client.agents.retrieve(ids[0]).name == "Bea"
    client.agents.delete(ids[0])
    with pytest.raises(letta_client.NotFoundError):
        client.agents.retrieve(ids[0])


def test_blocks_and_tools_of_an_agent(server: Server) -> None:
    client = server.client()
    agent = server.agent()
    block = client.blocks.create(label="notes", value="one")
    client.agents.blocks.attach(block.id, agent_id=agent)
    client.agents.blocks.update("notes", agent_id=agent, value="two")
    assert client.blocks.retrieve(block.id).value == "two"
    tool = next(tool for tool in client.tools.list(name="ring_bell"))
    client.agents.tools.attach(tool.id, agent_id=agent)
    assert [tool.name for tool in client.agents.tools.list(agent)] == ["ring_bell"]
    client.agents.tools.detach(tool.id, agent_id=agent)
    client.agents.blocks.detach(block.id, agent_id=agent)
    assert list(client.agents.tools.list(agent)) == list(client.agents.blocks.list(agent)) == []


async def test_the_async_client(server: Server) -> None:
    client: AsyncLetta = server.async_client()
    agent = await client.agents.create(model="openai/fake-1", include_base_tools=False)
    answer = await client.agents.messages.create(agent.id, input="hello")
    assert [message.content for message in answer.messages] == ["ok: hello"]
    events = [event async for event in await client.agents.messages.stream(agent.id, input="again")]
    assert [event.content for event in events if event.message_type == "assistant_message"] == ["ok: again"]
    assert len([message async for message in client.agents.messages.list(agent.id, order="asc", limit=2)]) == 5


class TestErrors:
    """What goes wrong arrives as the SDK's exceptions."""

    def test_keys(self, server: Server) -> None:
        for key in ("pdr_00000000_wrong", "nonsense"):
            with pytest.raises(letta_client.AuthenticationError):
                server.client(key=key).agents.list()
        with pytest.raises(letta_client.AuthenticationError):
            Letta(base_url=server.web.url).agents.messages.create(server.agent(), input="hello")

    def test_unknown_ids(self, server: Server) -> None:
        client, nobody = server.client(), f"agent-{uuid.uuid4()}"
        with pytest.raises(letta_client.NotFoundError, match=nobody):
            client.agents.retrieve(nobody)
        with pytest.raises(letta_client.NotFoundError):
            client.agents.messages.create(nobody, input="hello")
        with pytest.raises(letta_client.NotFoundError):
            client.runs.retrieve(f"run-{uuid.uuid4()}")

    def test_unreadable_requests(self, server: Server) -> None:
        client, agent = server.client(), server.agent()
        with pytest.raises(letta_client.UnprocessableEntityError):
            client.agents.retrieve("agent-1")
        with pytest.raises(letta_client.UnprocessableEntityError, match="not be empty"):
            client.agents.messages.create(agent, messages=[])
        with pytest.raises(letta_client.UnprocessableEntityError, match="both"):
            client.agents.messages.create(agent, input="a", messages=[{"role": "user", "content": "b"}])
        with pytest.raises(letta_client.UnprocessableEntityError, match="streaming"):
            client.agents.messages.create(agent, input="a", background=True)
        with pytest.raises(letta_client.UnprocessableEntityError):
            client.agents.messages.list(agent, order="sideways")  # type: ignore[arg-type]
        assert server.transcript(agent) == []

    def test_models_and_conflicts(self, server: Server) -> None:
        client, agent = server.client(), server.agent()
        with pytest.raises(letta_client.NotFoundError):
            client.agents.create(model="nobody/nothing")
        with pytest.raises(letta_client.BadRequestError):
            client.agents.create(model="no handle")
        with pytest.raises(letta_client.ConflictError):
            client.agents.messages.cancel(agent)


def test_a_reset_brings_back_what_the_agent_began_with(server: Server) -> None:
    client = server.client()
    agent = server.agent(
        initial_message_sequence=[{"role": "user", "content": "Ahoy."}, {"role": "assistant", "content": "Aye."}]
    )
    client.agents.messages.create(agent, input="!say Land in sight.")
    bare = client.agents.messages.reset(agent)
    assert len(bare.message_ids) == 1
    anew = client.agents.messages.reset(agent, add_default_initial_messages=True)
    [_, *kept] = anew.message_ids
    assert [client.messages.retrieve(id)[0].content for id in kept] == ["Ahoy.", "Aye."]
    client.agents.messages.create(agent, input=f"And now? {agent}")
    [asked] = [one["body"] for one in server.llm.calls() if one["user"].endswith(agent)]
    assert [said["content"] for said in asked["messages"][1:]] == ["Ahoy.", "Aye.", f"And now? {agent}"]
