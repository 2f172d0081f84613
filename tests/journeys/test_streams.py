"""Streams: by steps and by tokens, in the background, and taken up again at any event."""

import json
from typing import Any

import pytest

from tests.journeys.streams import joined
from tests.live import Server, call, turn, wait_until

SPEECH = "I will tell you all about it, at some length, in many small pieces, and then I will be done."
TURN = (
    "Go.\n!think Let me consider this with some care before I act.\n!say I write it down first.\n"
    '!call core_memory_append {"label": "human", "content": "Wants to know all about it."}\n'
    f"!then\n!delay 0.02\n!say {SPEECH}"
)


@pytest.fixture
def agent(server: Server) -> str:
    return server.agent("core_memory_append", memory_blocks=[{"label": "human", "value": ""}])


def test_by_steps(server: Server, agent: str) -> None:
    events = list(server.client().agents.messages.stream(agent, input=TURN))
    assert [event.message_type for event in events] == [
        "ping",
        "reasoning_message",
        "assistant_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]
    assert events[5].content == SPEECH
    assert events[-1].step_count == 2
    assert len({event.run_id for event in events[:6]}) == 1


def test_by_tokens(server: Server, agent: str) -> None:
    """The pieces of each message make up what is stored, in its place and under its id."""
    events = list(server.client().agents.messages.stream(agent, input=TURN, stream_tokens=True))
    assert sum(event.message_type == "assistant_message" for event in events) > 4
    stored = server.client().agents.messages.list(agent, order="asc").items[2:]
    assert joined(events) == joined(stored)
    final = [event.content for event in events if event.message_type == "assistant_message" and event.content]
    assert "".join(final) == "I write it down first." + SPEECH


@pytest.mark.parametrize("tokens", [False, True])
def test_taken_up_again_at_every_event(server: Server, agent: str, tokens: bool) -> None:
    client = server.client()
    events = list(client.agents.messages.stream(agent, input=TURN, background=True, stream_tokens=tokens))
    run_id = events[0].run_id
    events = [event for event in events if event.message_type != "ping"]
    numbers = [event.seq_id for event in events]
    assert numbers == sorted(set(numbers))
    for position, number in enumerate(numbers):
        again = client.runs.messages.stream(run_id, starting_after=number, extra_body={"stream_tokens": tokens})
        assert [event.seq_id for event in again] == numbers[position + 1 :]


def test_taken_up_again_while_it_goes_on(server: Server, agent: str) -> None:
    client = server.client()
    text = f"Go.\n!delay 0.05\n!say {SPEECH}\n!call core_memory_append " + json.dumps(
        {"label": "human", "content": "x"}
    )
    run = client.agents.messages.create_async(agent, input=f"{text}\n!then\n!delay 0.05\n!say {SPEECH}")
    first = [next(iter(client.runs.messages.stream(run.id)))]
    parts = [first]
    for _ in range(4):
        stream = client.runs.messages.stream(run.id, starting_after=parts[-1][-1].seq_id)
        parts.append([event for event, _ in zip(stream, range(3), strict=False)] or parts[-1][-1:])
    rest = list(client.runs.messages.stream(run.id, starting_after=parts[-1][-1].seq_id))
    heard = [event for part in parts for event in part] + rest
    assert [e.seq_id for e in heard] == sorted({e.seq_id for e in heard})
    stored = client.agents.messages.list(agent, order="asc").items[2:]
    assert joined(heard) == joined(stored)


def test_many_listeners_hear_the_same(server: Server, agent: str) -> None:
    client = server.client()
    run = client.agents.messages.create_async(agent, input=f"Go.\n!sleep 0.3\n!delay 0.05\n!say {SPEECH}")
    streams = [client.runs.messages.stream(run.id) for _ in range(5)]
    heard = [list(stream) for stream in streams]
    assert {"".join(e.content for e in events if e.message_type == "assistant_message") for events in heard} == {SPEECH}


def test_a_client_that_leaves_cancels_nothing(server: Server, agent: str) -> None:
    stream = server.client().agents.messages.stream(agent, input="Go.\n!sleep 0.3\n!say done")
    run_id = next(iter(stream)).run_id
    stream.close()
    assert server.await_end(run_id)["status"] == "completed"


def test_an_answer_that_has_to_be_begun_again(server: Server, agent: str) -> None:
    """The model's stream broke: what was shown of it is taken back, and the second try is the message."""
    server.llm.script(match="Break.", text=SPEECH, cut=3, delay=0.05)
    events: list[Any] = []
    response = server.client().agents.messages.with_streaming_response.stream(
        agent, input="Break.\n!say Whole.", stream_tokens=True
    )
    with response as raw:
        lines = list(raw.iter_lines())
    assert "event: step_restarted" in lines
    after = lines[lines.index("event: step_restarted") :]
    for line in after:
        if line.startswith("data: {"):
            events.append(json.loads(line.removeprefix("data: ")))
    assert "".join(e["content"] for e in events if e["message_type"] == "assistant_message") == "Whole."
    assert server.transcript(agent) == ["user: Break.", "assistant: Whole."]


def test_the_wire(server: Server, agent: str) -> None:
    """Lines as the SDK reads them: data only, [DONE] last."""
    with server.client().agents.messages.with_streaming_response.stream(agent, input="hello") as response:
        assert response.headers["content-type"] == "text/event-stream"
        lines = [line for line in response.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert json.loads(lines[0].removeprefix("data: "))["message_type"] == "ping"
    assert lines[-1] == "data: [DONE]"


def test_send_and_go(server: Server, agent: str) -> None:
    client = server.client()
    run = client.agents.messages.create_async(agent, input="Go.\n!sleep 0.3\n!say done")
    assert (run.status, run.background, run.metadata["run_type"]) == ("created", True, "send_message_async")
    wait_until(lambda: client.runs.retrieve(run.id).status == "completed")
    ended = client.runs.retrieve(run.id)
    assert (ended.stop_reason, ended.agent_id) == ("end_turn", agent)
    assert [m.message_type for m in client.runs.messages.list(run.id)] == ["user_message", "assistant_message"]
    assert [step.status for step in client.runs.steps.list(run.id)] == ["success"]
    usage = client.runs.usage.retrieve(run.id)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0


def test_speech_and_thoughts_of_a_memgpt_agent_come_word_by_word(server: Server) -> None:
    client = server.client()
    agent = client.agents.create(model="openai/fake-1", agent_type="memgpt_agent").id
    spoken = call("send_message", thinking="The user greets me, so I greet back.", message="Good morning to you, too!")
    events = list(client.agents.messages.stream(agent, input=turn(f"!delay 0.05\n{spoken}"), stream_tokens=True))
    thoughts = [event.reasoning for event in events if event.message_type == "reasoning_message"]
    words = [event.content for event in events if event.message_type == "assistant_message"]
    assert "".join(thoughts) == "The user greets me, so I greet back."
    assert "".join(words) == "Good morning to you, too!"
    assert len(words) > 1
