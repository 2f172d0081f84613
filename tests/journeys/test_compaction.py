"""A context that is full, or that a client wants smaller: summarised, and never a reason for an agent to stop."""

from typing import Any

import letta_client
import pytest

from tests.live import Server, call, turn

SUMMARY = "The user counts upwards."


def talked(server: Server, turns: int = 4, **fields: Any) -> str:
    agent = server.agent(**fields)
    for number in range(turns):
        server.client().agents.messages.create(agent, input=f"number {number}")
    return agent


def in_context(server: Server, agent: str) -> list[str]:
    window = server.client().get(f"/v1/agents/{agent}/context", cast_to=dict[str, Any])
    return [message["role"] for message in window["messages"]]


def asked(server: Server, user: str) -> dict[str, Any]:
    """The last request to the model in which the user says this."""
    return next(one["body"] for one in reversed(server.llm.calls()) if one["user"] == user)


@pytest.mark.parametrize("mode", ["all", "sliding_window", "self_compact_all", "self_compact_sliding_window"])
def test_on_request(server: Server, mode: Any) -> None:
    client, agent = server.client(), talked(server)
    settings: Any = {
        "mode": mode,
        "sliding_window_percentage": 0.5,
        "model": "openai/fake-1",
        "prompt": f"Sum up {mode}.",
    }
    server.llm.script(match="Sum up" if mode.startswith("self") else "Conversation:", text=SUMMARY)
    before = len(client.agents.retrieve(agent).message_ids or ())
    done = client.agents.messages.compact(agent, compaction_settings=settings)
    assert (done.summary, done.num_messages_before) == (SUMMARY, before)
    ids = client.agents.retrieve(agent).message_ids or []
    assert done.num_messages_after == len(ids) == (2 if mode.endswith("all") else 6)
    client.agents.messages.create(agent, input=f"what now, {mode}?")
    said = asked(server, f"what now, {mode}?")["messages"]
    assert SUMMARY in said[1]["content"]
    assert ("number 0" in str(said), "number 3" in str(said)) == (False, not mode.endswith("all"))
    # Nothing is gone: it is only out of the context.
    stored = client.agents.messages.list(agent, order="asc", limit=50).items
    assert [m.content for m in stored if m.message_type == "user_message"][:4] == [f"number {n}" for n in range(4)]


def test_a_second_summary_takes_the_first_in(server: Server) -> None:
    client, agent = server.client(), talked(server, 2)
    server.llm.script(match="Conversation:", text="FIRST SUMMARY")
    client.agents.messages.compact(agent, compaction_settings={"mode": "all"})
    client.agents.messages.create(agent, input="number 2")
    server.llm.script(match="FIRST SUMMARY", text="SECOND SUMMARY")
    assert client.agents.messages.compact(agent, compaction_settings={"mode": "all"}).summary == "SECOND SUMMARY"
    assert len(client.agents.retrieve(agent).message_ids or []) == 2


def test_nothing_to_compact(server: Server) -> None:
    with pytest.raises(letta_client.BadRequestError, match="nothing to compact"):
        server.client().agents.messages.compact(server.agent())


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "whatever"},
        {"sliding_window_percentage": 2},
        {"clip_chars": 0},
        {"prompt": 7},
        {"prompt_acknowledgement": "yes"},
        {"model_settings": "hot"},
    ],
)
def test_settings_are_checked(server: Server, settings: Any) -> None:
    client, agent = server.client(), server.agent()
    for send in (
        lambda: client.agents.messages.compact(agent, compaction_settings=settings),
        lambda: client.agents.update(agent, compaction_settings=settings),
    ):
        with pytest.raises(letta_client.UnprocessableEntityError):
            send()


def test_a_summariser_that_nobody_has_is_refused_before_anything_is_done(server: Server) -> None:
    agent = talked(server, 1)
    with pytest.raises(letta_client.NotFoundError, match="nobody"):
        server.client().agents.messages.compact(agent, compaction_settings={"model": "nobody/knows"})
    assert len(server.client().runs.list(agent_id=agent).items) == 1


def test_a_full_window_is_summarised_before_the_model_is_asked(server: Server) -> None:
    client = server.client()
    agent = server.agent(context_window_limit=2500)
    long = "All work and no play makes a dull day. " * 40
    server.llm.script(match="Conversation:", text=SUMMARY, repeat=20)
    events: list[Any] = []
    for number in range(8):
        events += client.agents.messages.stream(agent, input=f"{number}: {long}", include_compaction_messages=True)
    kinds = [event.message_type for event in events]
    assert "summary_message" in kinds
    [first, *_] = [event for event in events if event.message_type == "summary_message"]
    assert first.summary == SUMMARY
    assert dict(first.compaction_stats)["trigger"] == "context_window_exceeded"
    assert kinds[kinds.index("summary_message") - 1] == "event_message"
    assert in_context(server, agent)[:2] == ["system", "summary"]
    assert server.transcript(agent)[0].startswith("user: 0:")


def test_what_a_summary_has_used_is_counted(server: Server) -> None:
    """On request, and before an answer: the usage of the run and its step has both."""
    server.llm.reset()
    client, agent = server.client(), talked(server, 2)
    server.llm.script(match="Conversation:", text=SUMMARY, usage={"prompt_tokens": 700, "completion_tokens": 9})
    client.agents.messages.compact(agent, compaction_settings={"mode": "all"})
    [run] = client.runs.list(agent_id=agent, limit=1).items
    whole = client.runs.usage.retrieve(run.id)
    assert (whole.prompt_tokens, whole.completion_tokens) == (700, 9)

    agent, long = server.agent(context_window_limit=2500), "All work and no play makes a dull day. " * 80
    client.agents.messages.create(agent, input=long)
    # It is told in two pieces.
    used = {"prompt_tokens": 450, "completion_tokens": 5}
    server.llm.script(match="Conversation:", text=SUMMARY, usage=used, repeat=2)
    server.llm.script(match=f"again: {long}", text="Indeed.", usage={"prompt_tokens": 40, "completion_tokens": 2})
    done = client.agents.messages.create(agent, input=f"again: {long}")
    assert (done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.context_tokens) == (940, 12, 42)
    [step] = client.runs.steps.list(str(done.messages[0].run_id)).items
    assert (step.prompt_tokens, step.completion_tokens, step.total_tokens) == (940, 12, 952)


@pytest.mark.parametrize("answer", [{"status": 500}, {"text": ""}, {"status": 400}])
def test_a_summariser_that_fails_keeps_nobody_from_answering(server: Server, answer: dict[str, Any]) -> None:
    client = server.client()
    agent = server.agent(context_window_limit=2500)
    server.llm.script(match="Conversation:", repeat=50, **answer)
    long = "All work and no play makes a dull day. " * 40
    for number in range(6):
        done = client.agents.messages.create(agent, input=f"{number}: {long}")
        assert done.stop_reason.stop_reason == "end_turn"
    server.llm.reset()


def test_one_message_that_is_larger_than_the_window(server: Server) -> None:
    """The model is shown its beginning and its end; the row has it all."""
    client = server.client()
    agent = server.agent(context_window_limit=3000)
    huge = "START " + "word " * 20_000 + " END"
    done = client.agents.messages.create(agent, input=huge)
    assert done.stop_reason.stop_reason == "end_turn"
    assert client.agents.messages.create(agent, input="and now?").messages[-1].content == "ok: and now?"
    stored = client.agents.messages.list(agent, order="asc").items
    assert stored[1].content == huge


def test_a_turn_of_many_long_returns_goes_on(server: Server) -> None:
    client = server.client()
    agent = server.agent("repeat_text", context_window_limit=3000)
    server.llm.script(match="Conversation:", text=SUMMARY, repeat=20)
    steps = [call("repeat_text", text=f"{number} some words", times=150) for number in range(6)]
    done = client.agents.messages.create(agent, input=turn(*steps, "!say finished"))
    # The request itself has left by then, and with it what this model goes by; the summary is what is left of it.
    assert (done.stop_reason.stop_reason, done.messages[-1].message_type) == ("end_turn", "assistant_message")
    assert in_context(server, agent)[:2] == ["system", "summary"]
    assert client.agents.messages.create(agent, input="and now?").messages[-1].content == "ok: and now?"


def test_compacting_waits_its_turn(server: Server) -> None:
    agent = talked(server, 2)
    run = server.send(agent, "!delay 0.1\n!say slowly, slowly")
    done = server.client().agents.messages.compact(agent, compaction_settings={"mode": "all"})
    assert server.run(run)["status"] == "completed"
    assert done.num_messages_before == 7
