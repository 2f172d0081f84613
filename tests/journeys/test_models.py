"""The loop against a model's provider, good and bad, in both wire protocols."""

from typing import Any

import letta_client
import pytest

from tests.live import Server, call, turn

PROTOCOLS = ["openai/fake-1", "anthropic/fake-1"]


def calls(server: Server, text: str) -> list[dict[str, Any]]:
    """What the provider was asked about a message that begins so."""
    return [call for call in server.llm.calls() if call["user"].startswith(text)]


@pytest.mark.parametrize("model", PROTOCOLS)
class TestProtocols:
    def test_a_turn_with_tools(self, server: Server, model: str, tmp_path) -> None:
        agent = server.agent("set_lamp", model=model)
        first = "!think It is dark.\n!say A moment.\n" + call("set_lamp", folder=tmp_path)
        answer = server.client().agents.messages.create(agent, input=turn(first, "!say There."))
        kinds = [message.message_type for message in answer.messages]
        assert kinds == [
            "reasoning_message",
            "assistant_message",
            "tool_call_message",
            "tool_return_message",
            "assistant_message",
        ]
        assert (answer.messages[-1].content, answer.messages[3].tool_return) == ("There.", "The lamp is on.")
        assert answer.usage.step_count == 2
        assert (tmp_path / "lit").exists()

    def test_several_calls_at_once(self, server: Server, model: str, tmp_path) -> None:
        agent = server.agent("set_lamp", "ring_bell", model=model)
        all_three = "\n".join(call(tool, folder=tmp_path) for tool in ("ring_bell", "set_lamp", "ring_bell"))
        server.client().agents.messages.create(agent, input=turn(all_three, "!say done"))
        assert server.transcript(agent)[1:] == [
            "assistant: [ring_bell, set_lamp, ring_bell]",
            "tool: The bell has rung.",
            "tool: The lamp is on.",
            "tool: The bell has rung.",
            "assistant: done",
        ]

    def test_a_key_that_is_refused(self, server: Server, model: str) -> None:
        agent = server.agent(model=model)
        with pytest.raises(letta_client.InternalServerError) as caught:
            server.client().agents.messages.create(agent, input=f"Key {model}\n!status 401")
        assert caught.value.status_code == 502
        assert caught.value.body["error"]["type"] == "llm_authentication"
        assert len(calls(server, f"Key {model}")) == 1

    def test_a_limit_that_passes(self, server: Server, model: str) -> None:
        mark = f"Limited {model}"
        server.llm.script(match=mark, status=429, headers={"retry-after": "1"})
        agent = server.agent(model=model)
        answer = server.client().agents.messages.create(agent, input=mark)
        assert answer.messages[-1].content == f"ok: {mark}"
        first, second = calls(server, mark)
        assert second["began"] >= first["ended"] + 1  # what the provider asked for

    def test_trouble_that_passes(self, server: Server, model: str) -> None:
        mark = f"Troubled {model}"
        server.llm.script(match=mark, status=500, repeat=2)
        agent = server.agent(model=model)
        answer = server.client().agents.messages.create(agent, input=mark)
        assert (answer.messages[-1].content, len(calls(server, mark))) == (f"ok: {mark}", 3)
        assert len(server.transcript(agent)) == 2

    def test_no_money_left(self, server: Server, model: str) -> None:
        mark = f"Broke {model}"
        error = {"type": "insufficient_quota", "message": "You exceeded your current quota: see billing."}
        server.llm.script(match=mark, status=429, body={"error": error, "type": "error"})
        agent = server.agent(model=model)
        with pytest.raises(letta_client.APIStatusError) as caught:
            server.client().agents.messages.create(agent, input=mark)
        assert (caught.value.status_code, caught.value.body["error"]["type"]) == (402, "llm_insufficient_credits")
        assert len(calls(server, mark)) == 1
        ((code,),) = server.sql("SELECT error_code FROM agents_run WHERE agent_id = %s", agent)
        assert code == "provider_quota"

    def test_a_stream_that_breaks(self, server: Server, model: str) -> None:
        mark = f"Cut {model}"
        server.llm.script(match=mark, text="This never comes to an end, " * 5, cut=4)
        agent = server.agent(model=model)
        assert server.client().agents.messages.create(agent, input=mark).messages[-1].content == f"ok: {mark}"
        assert server.transcript(agent) == [f"user: {mark}", f"assistant: ok: {mark}"]


class TestCallsThatAreWrong:
    def test_an_unknown_tool(self, server: Server) -> None:
        agent = server.agent("set_lamp")
        answer = server.client().agents.messages.create(agent, input="Go\n!call fly {}\n!then\n!say cannot")
        assert answer.messages[-1].content == "cannot"
        assert answer.messages[1].status == "error"
        assert "there is no tool 'fly'" in answer.messages[1].tool_return

    @pytest.mark.parametrize(
        "arguments", ['{"folder": "/tmp', "{}", '{"folder": 7}', '{"folder": "/x", "more": 1}', "[]"]
    )
    def test_arguments(self, server: Server, arguments: str) -> None:
        """They go back to the model; the tool is never run with something else instead."""
        agent = server.agent("ring_bell")
        server.client().agents.messages.create(agent, input=f"Go\n!call ring_bell {arguments}\n!then\n!say cannot")
        transcript = server.transcript(agent)
        assert transcript[2].startswith("tool error: Invalid tool call: ")
        assert transcript[3] == "assistant: cannot"
        query = (
            "SELECT a.status FROM agents_toolattempt AS a JOIN agents_run ON run_id = agents_run.id WHERE agent_id = %s"
        )
        assert server.sql(query, agent) == [("failed",)]

    def test_three_in_a_row(self, server: Server) -> None:
        agent = server.agent("set_lamp")
        run = server.await_end(server.send(agent, turn(*[call("fly")] * 5)))
        assert (run["status"], run["stop_reason"], run["error_code"]) == (
            "failed",
            "invalid_tool_call",
            "invalid_tool_calls",
        )
        assert len(server.transcript(agent)) == 1 + 3 * 2

    def test_a_tool_that_fails(self, server: Server) -> None:
        agent = server.agent("set_lamp")
        text = turn(call("set_lamp", folder="/nowhere"), "!say so")
        server.client().agents.messages.create(agent, input=text)
        assert "Error executing function set_lamp: FileNotFoundError" in server.transcript(agent)[2]


class TestNoEnd:
    def test_steps(self, server: Server, tmp_path) -> None:
        agent = server.agent("set_lamp")
        text = turn(*(f"!say {n}\n{call('set_lamp', folder=tmp_path)}" for n in range(9)))
        answer = server.client().agents.messages.create(agent, input=text, max_steps=3)
        assert (answer.stop_reason.stop_reason, answer.usage.step_count) == ("max_steps", 3)
        assert server.client().agents.messages.create(agent, input="next").messages[-1].content == "ok: next"

    def test_a_loop(self, server: Server, tmp_path) -> None:
        agent = server.agent("set_lamp")
        run = server.await_end(server.send(agent, turn(*[call("set_lamp", folder=tmp_path)] * 9)))
        assert (run["status"], run["stop_reason"], run["error_code"]) == ("failed", "error", "loop_detected")
        assert run["steps_done"] == 5


def test_an_empty_answer(server: Server) -> None:
    """Asked three times, then given up."""
    server.llm.script(match="Nothing.", text="", repeat=3)
    agent = server.agent()
    with pytest.raises(letta_client.InternalServerError) as caught:
        server.client().agents.messages.create(agent, input="Nothing.")
    assert caught.value.body["error"]["type"] == "llm_empty_response"
    assert (len(calls(server, "Nothing.")), server.transcript(agent)) == (3, ["user: Nothing."])
    assert server.client().agents.messages.create(agent, input="next").messages[-1].content == "ok: next"


def test_an_error_in_a_stream(server: Server) -> None:
    """The SDK raises it, and the run says the same."""
    agent = server.agent()
    with pytest.raises(letta_client.APIStatusError):
        list(server.client().agents.messages.stream(agent, input="Refused.\n!status 400"))
    ((status, code),) = server.sql("SELECT status, error_code FROM agents_run WHERE agent_id = %s", agent)
    assert (status, code) == ("failed", "bad_request")


def test_text_that_postgres_refuses(server: Server) -> None:
    """NUL and lone surrogates, from the user and from the model, are stored as the replacement character."""
    server.llm.script(match="Odd", text="a\x00b\ud800c", repeat=2)
    agent = server.agent()
    client = server.client()
    answer = client.agents.messages.create(agent, input="Odd \x00 text")
    assert answer.messages[-1].content == "a\ufffdb\ufffdc"
    events = list(client.agents.messages.stream(agent, input="Odd \x00 text", stream_tokens=True))
    assert "".join(e.content for e in events if e.message_type == "assistant_message") == "a\ufffdb\ufffdc"
    assert server.transcript(agent) == ["user: Odd \ufffd text", "assistant: a\ufffdb\ufffdc"] * 2
