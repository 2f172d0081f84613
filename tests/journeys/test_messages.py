"""Messages of all agents: by id, as a list, by words; what is in the window; and the tags of agents."""

import json
import uuid
from typing import Any

import letta_client
import pytest

from tests.live import Server


def test_a_message_is_found_by_its_words_and_looked_up(server: Server) -> None:
    client, word = server.client(), f"pelican{uuid.uuid4().hex}"
    agent = server.agent()
    client.agents.messages.create(agent, input=f"The password is {word}.")
    client.agents.messages.create(server.agent(), input=f"Not only here: {word}.")
    found = client.messages.search(query=word, search_mode="fts")
    assert len(found) == 4
    of_agent = client.messages.search(query=word, agent_id=agent, limit=5, start_date="2020-01-01")
    assert {item.message_type for item in of_agent} == {"user_message", "assistant_message"}
    said = next(item for item in of_agent if item.message_type == "user_message")
    assert (said.content, said.agent_id) == (f"The password is {word}.", agent)
    [message] = client.messages.retrieve(said.message_id)
    assert (message.id, message.content) == (said.message_id, said.content)
    with pytest.raises(letta_client.BadRequestError, match="no agent of theirs has an embedding"):
        client.with_options(max_retries=0).messages.search(query=word, agent_id=agent, search_mode="vector")


def test_messages_are_listed_over_agents_and_by_conversation(server: Server) -> None:
    client, agent = server.client(), server.agent()
    for number in range(3):
        client.agents.messages.create(agent, input=f"number {number}")
    newest = client.messages.list(limit=2)
    assert [message.content for message in newest] == ["number 2", "ok: number 2"]
    [before] = client.messages.list(limit=1, before=newest[0].id)
    assert before.content == "ok: number 1"
    place = client.conversations.create(agent_id=agent).id
    list(client.conversations.messages.create(place, input="elsewhere"))
    users = client.messages.list(conversation_id=place, order="asc", include_return_message_types=["user_message"])
    assert [message.content for message in users] == ["elsewhere"]


def test_the_window_and_the_prompt_of_an_agent(server: Server) -> None:
    client = server.client()
    agent = server.agent("memory_insert", memory_blocks=[{"label": "human", "value": "Ann"}])
    client.agents.messages.create(agent, input="hello")
    window = client.get(f"/v1/agents/{agent}/context", cast_to=dict[str, Any])
    assert [message["role"] for message in window["messages"]] == ["system", "user", "assistant"]
    client.agents.blocks.update("human", agent_id=agent, value="Bea")
    assert "Bea" in client.agents.recompile(agent, dry_run=True)
    text = json.loads(client.agents.recompile(agent, update_timestamp=True))  # the SDK hands on the body as it is
    client.agents.messages.create(agent, input="hello again")
    assert client.agents.messages.list(agent, order="asc").items[0].content == text


def test_tags(server: Server) -> None:
    client, mark = server.client(), uuid.uuid4().hex
    for letter in "cabc":
        server.agent(tags=[f"{mark}{letter}"])
    assert client.tags.list(name=mark) == [f"{mark}{letter}" for letter in "abc"]
    assert client.tags.list(name=mark, order="desc", limit=1) == [f"{mark}c"]
    assert client.tags.list(name=mark, after=f"{mark}a", before=f"{mark}c") == [f"{mark}b"]
    assert client.get(f"/v1/agents/count?tags={mark}c", cast_to=int) == 2
