"""Agents that remember: in core memory, in the archive, in the conversation; and the MemGPT style of agent."""

import json

from letta_client.types.agents import AssistantMessage, ReasoningMessage

from tests.live import Server


def says(answer: object) -> str:
    """The last thing that the agent said."""
    messages = [m for m in answer.messages if m.message_type == "assistant_message"]  # type: ignore[attr-defined]
    return str(messages[-1].content)


def test_it_is_told_something_and_knows_it_later(server: Server) -> None:
    client = server.client()
    agent = client.agents.create(model="demo/scripted", memory_blocks=[{"label": "human", "value": ""}]).id
    answer = client.agents.messages.create(agent, input="My name is Ann.")
    assert [message.message_type for message in answer.messages] == [
        "reasoning_message",
        "tool_call_message",
        "tool_return_message",
        "reasoning_message",
        "assistant_message",
    ]
    assert "Ann" in client.agents.blocks.retrieve("human", agent_id=agent).value
    client.agents.messages.reset(agent)  # so that it can know from its memory only
    assert "Ann" in says(client.agents.messages.create(agent, input="What is my name?"))


def test_the_archive(server: Server) -> None:
    client = server.client()
    tools = ["archival_memory_insert", "archival_memory_search"]
    agent = client.agents.create(model="demo/scripted", tools=tools).id
    client.agents.messages.create(agent, input="File away: the boat is called Heron.")
    client.agents.messages.create(agent, input="File away: the harbour master is Bo.")
    client.agents.messages.reset(agent)
    found = says(client.agents.messages.create(agent, input="Search your archive for boat"))
    assert "Heron" in found
    texts = server.sql(
        "SELECT p.text FROM memory_passage p JOIN agents_agentarchive a USING (archive_id) WHERE a.agent_id = %s", agent
    )
    assert sorted(text for (text,) in texts) == ["the boat is called Heron.", "the harbour master is Bo."]


def test_the_conversation_is_searched(server: Server) -> None:
    client = server.client()
    agent = client.agents.create(model="demo/scripted").id
    client.agents.messages.create(agent, input="The password of the shed is pelican.")
    client.agents.messages.reset(agent)
    assert "pelican" in says(client.agents.messages.create(agent, input="Do you remember pelican"))


def test_an_agent_of_the_memgpt_kind(server: Server) -> None:
    """It thinks aloud in an argument, asks for a heartbeat to go on, and speaks through send_message."""
    client = server.client()
    agent = client.agents.create(
        model="openai/fake-1", agent_type="memgpt_agent", memory_blocks=[{"label": "human", "value": ""}]
    ).id
    keep = {"thinking": "I keep this.", "label": "human", "content": "Likes tea.", "request_heartbeat": True}
    speak = {"thinking": "Now I answer.", "message": "Noted!"}
    text = f"Tea!\n!call core_memory_append {json.dumps(keep)}\n!then\n!call send_message {json.dumps(speak)}"
    answer = client.agents.messages.create(agent, input=text)
    thoughts = [m.reasoning for m in answer.messages if isinstance(m, ReasoningMessage)]
    spoken = [m.content for m in answer.messages if isinstance(m, AssistantMessage)]
    assert (thoughts, spoken) == (["I keep this.", "Now I answer."], ["Noted!"])
    assert answer.stop_reason.stop_reason == "tool_rule"
    assert client.agents.blocks.retrieve("human", agent_id=agent).value == "Likes tea."
    call = next(m for m in answer.messages if m.message_type == "tool_call_message")
    assert "thinking" not in json.loads(call.tool_call.arguments)
    assert server.sql("SELECT count(*) FROM agents_step WHERE agent_id = %s", agent) == [(2,)]


def test_speech_as_a_tool_when_the_client_wants_to_see_it(server: Server) -> None:
    client = server.client()
    agent = client.agents.create(model="openai/fake-1", agent_type="memgpt_agent").id
    speak = json.dumps({"thinking": "So.", "message": "Hello!"})
    answer = client.agents.messages.create(agent, input=f"Hi\n!call send_message {speak}", use_assistant_message=False)
    kinds = [message.message_type for message in answer.messages]
    assert kinds == ["reasoning_message", "tool_call_message", "tool_return_message"]


def test_without_a_heartbeat_the_turn_ends(server: Server) -> None:
    client = server.client()
    agent = client.agents.create(model="openai/fake-1", agent_type="memgpt_agent", include_base_tool_rules=False,
                                 memory_blocks=[{"label": "human", "value": ""}]).id  # fmt: skip
    keep = json.dumps({"thinking": "Enough.", "label": "human", "content": "Tea.", "request_heartbeat": False})
    answer = client.agents.messages.create(agent, input=f"Tea\n!call core_memory_append {keep}\n!then\n!say more")
    assert (answer.stop_reason.stop_reason, answer.usage.step_count) == ("end_turn", 1)


def test_a_memory_that_does_not_fit_is_told_to_the_model(server: Server) -> None:
    client = server.client()
    agent = server.agent("core_memory_append", memory_blocks=[{"label": "human", "value": "", "limit": 10}])
    call = json.dumps({"label": "human", "content": "far too long for that"})
    client.agents.messages.create(agent, input=f"Go\n!call core_memory_append {call}\n!then\n!say sorry")
    assert client.agents.blocks.retrieve("human", agent_id=agent).value == ""
    assert server.transcript(agent)[2].startswith("tool error: ")


def test_an_agent_whose_memory_is_changed_from_outside_knows(server: Server) -> None:
    client = server.client()
    agent = client.agents.create(model="demo/scripted", memory_blocks=[{"label": "human", "value": "Bo"}]).id
    client.agents.blocks.update("human", agent_id=agent, value="The user's name is Cy.")
    assert "Cy" in says(client.agents.messages.create(agent, input="What is my name?"))
