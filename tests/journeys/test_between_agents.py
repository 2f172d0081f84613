"""Agents that ask each other, with real workers."""

from tests.live import Server, call, turn

ASK = "send_message_to_agent_and_wait_for_reply"
TAGGED = "send_message_to_agents_matching_tags"


def asks(agent: str, text: str) -> str:
    return call(ASK, other_agent_id=agent, message=text)


def test_one_asks_another_and_goes_on(server: Server) -> None:
    client = server.client()
    ann, bob = server.agent(ASK, name="Ann"), server.agent(name="Bob")
    answer = client.agents.messages.create(ann, input=turn(asks(bob, "Well?\n!say It rains."), "!say Bob told me."))
    assert [message.message_type for message in answer.messages] == [
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
    ]
    assert answer.messages[1].tool_return == "It rains."
    heard = client.agents.messages.list(bob, order="asc").items[1]
    assert f"another agent, Ann ({ann})" in str(heard.content)
    assert heard.sender_id == ann
    kinds = {str(tool.tool_type) for tool in client.agents.tools.list(ann).items}
    assert kinds == {"letta_multi_agent_core"}


def test_two_that_ask_each_other(server: Server) -> None:
    """Whoever is waited for is told to answer; nobody waits for ever."""
    ann, bob = server.agent(ASK, name="Ann"), server.agent(ASK, name="Bob")
    back = turn(asks(ann, "And you?"), "!say I am well.", text="Well?")
    run = server.send(ann, turn(asks(bob, back), "!say Done."))
    assert server.await_end(run)["stop_reason"] == "end_turn"
    assert server.transcript(ann)[1:] == [f"assistant: [{ASK}]", "tool: I am well.", "assistant: Done."]
    assert server.transcript(bob)[2].startswith(f"tool error: Agent Ann ({ann}) is waiting for your reply")


def test_a_ring_of_three(server: Server) -> None:
    agents = [server.agent(ASK, name=name) for name in ("Ann", "Bob", "Cid")]
    pairs = zip(agents, [*agents[1:], agents[0]], strict=True)
    runs = [server.send(one, turn(asks(next_one, "Well?"), "!say Done.")) for one, next_one in pairs]
    assert {server.await_end(run)["status"] for run in runs} == {"completed"}
    told = [line for agent in agents for line in server.transcript(agent) if line.startswith("tool")]
    assert len(told) == 3
    asked = server.sql("SELECT count(*) FROM agents_run WHERE asked_by_id = ANY(%s) AND NOT status = 'completed'", runs)
    assert asked == [(0,)]


def test_all_with_a_tag(server: Server) -> None:
    ann = server.agent(TAGGED, name="Ann")
    others = [server.agent(name=name, tags=["crew of three"]) for name in ("Bob", "Cid")]
    words = call(TAGGED, message="Well?\n!say Yes.", match_all=["crew of three"], match_some=[])
    answer = server.client().agents.messages.create(ann, input=turn(words, "!say All well."))
    returned = str(answer.messages[1].tool_return)
    assert all(agent in returned for agent in others)
    assert returned.count('"reply": "Yes."') == 2
