"""Windows that are too small, and providers that count wrongly: the agent answers, or says what to do, and goes on.

The fake model `fake-w900` has a window of 900 tokens by a count of its own, and refuses every longer request.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import invariants
from tests.fakellm import FakeLLM
from tests.fakellm.windows import count, prompt
from tests.live import Server, call, turn

LONG = "All work and no play makes a dull day. " * 40
OVERFLOW = "context_window_overflow_in_system_prompt"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM) -> Iterator[Server]:
    """With a model's silence cut short, so that a summariser may hang."""
    with Server(tmp_path_factory.mktemp("tiny"), llm, workers=1, PERDURE_LLM_READ_TIMEOUT="1s") as running:
        yield running
        invariants.check(running.connection)


@pytest.fixture(autouse=True)
def clean(llm: FakeLLM) -> Iterator[None]:
    yield
    llm.reset()


def says(server: Server, agent: str, text: str) -> str:
    """How it ends when the agent is told this."""
    done = server.client().agents.messages.create(agent, input=text)
    return str(done.stop_reason.stop_reason)


def goes_on(server: Server, agent: str) -> None:
    done = server.client().agents.messages.create(agent, input="and now?")
    assert done.messages[-1].content.endswith("and now?")


def failure(server: Server, run_id: str) -> tuple[str, str, str, str]:
    row = server.await_end(run_id)
    return row["status"], row["stop_reason"], row["error_code"], row["error_message"]


def asked(server: Server) -> list[dict[str, Any]]:
    return [one["body"] for one in server.llm.calls()]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_long_talk_in_a_small_window(server: Server, provider: str) -> None:
    agent = server.agent(model=f"{provider}/fake-w2000", context_window_limit=2000)
    for number in range(12):
        assert says(server, agent, f"{number}: {LONG}") == "end_turn"
    # Its window was known and counted, so that no request was refused.
    own = [body for body in asked(server) if body["model"] == "fake-w2000"]
    assert len(own) > 12
    assert all(count(prompt(body)) <= 2000 for body in own)
    goes_on(server, agent)


def test_a_window_smaller_than_anybody_knew(server: Server) -> None:
    """The provider refuses, the context is summarised, and the next request goes through."""
    agent = server.agent(model="openai/fake-w1500")
    for number in range(10):
        assert says(server, agent, f"{number}: {LONG}") == "end_turn"
    assert any(count(prompt(body)) > 1500 for body in asked(server))
    goes_on(server, agent)


@pytest.mark.parametrize("window", [60, 3000])
def test_a_window_smaller_than_the_prompt(server: Server, window: int) -> None:
    """It fails in a way that says what to do; when that is done, it answers."""
    client = server.client()
    system = "You are very thorough. " * 700 if window == 3000 else "You are terse."
    agent = server.agent(model=f"openai/fake-w{window}", system=system, context_window_limit=window)
    before = len(server.transcript(agent))
    status, stop_reason, code, message = failure(server, server.send(agent, "hello"))
    assert (status, stop_reason, code) == ("failed", OVERFLOW, "context_overflow")
    assert "Shorten the instructions" in message
    assert len(server.transcript(agent)) == before + 1  # what was said, and nothing more
    client.agents.update(agent, system="You are terse.", model="openai/fake-w3000", context_window_limit=3000)
    goes_on(server, agent)


def test_a_window_just_above_the_prompt(server: Server) -> None:
    agent = server.agent(model="openai/fake-w1000")
    assert says(server, agent, "hello") == "end_turn"
    base = count(prompt(asked(server)[0]))
    server.client().agents.update(agent, model=f"openai/fake-w{base + 90}", context_window_limit=base + 90)
    for number in range(6):
        assert says(server, agent, f"What is {number} and {number} again?") == "end_turn"
    assert says(server, agent, LONG) == "end_turn"
    goes_on(server, agent)


def test_blocks_that_fill_the_window(server: Server) -> None:
    client = server.client()
    blocks: Any = [{"label": "notes", "value": LONG * 3, "limit": 50_000}]
    agent = server.agent(model="openai/fake-w1200", memory_blocks=blocks, context_window_limit=1200)
    status, stop_reason, _, message = failure(server, server.send(agent, "hello"))
    assert (status, stop_reason, "blocks" in message) == ("failed", OVERFLOW, True)
    client.agents.blocks.update("notes", agent_id=agent, value="short")
    goes_on(server, agent)


@pytest.mark.parametrize("limit", [None, 900])
def test_a_message_larger_than_the_window(server: Server, limit: int | None) -> None:
    agent = server.agent(model="openai/fake-w900", context_window_limit=limit)
    assert says(server, agent, "START " + LONG * 20 + " END") == "end_turn"
    told = asked(server)[-1]["messages"][-1]["content"]
    assert (told.startswith("START"), told.endswith("END"), "left out" in told) == (True, True, True)
    goes_on(server, agent)


@pytest.mark.parametrize("limit", [None, 900])
def test_a_return_larger_than_the_window(server: Server, limit: int | None) -> None:
    agent = server.agent("repeat_text", model="openai/fake-w900", context_window_limit=limit)
    ringing = turn(call("repeat_text", text="some words", times=2000), "!say finished")
    assert says(server, agent, ringing) == "end_turn"
    goes_on(server, agent)


def test_hundreds_of_tiny_messages(server: Server) -> None:
    client = server.client()
    agent = server.agent(model="openai/fake-w900", context_window_limit=900)
    tiny: Any = [{"role": "user", "content": f"{number}"} for number in range(100)]
    for _ in range(3):
        done = client.agents.messages.create(agent, messages=tiny)
        assert done.stop_reason.stop_reason == "end_turn"
    goes_on(server, agent)


def test_a_summariser_with_a_smaller_window(server: Server) -> None:
    """Nobody knew how small it is: it refuses, and is given smaller pieces."""
    settings: Any = {"mode": "all", "model": "openai/fake-w1500", "prompt": "Sum up."}
    agent = server.agent(model="openai/fake-w9000", context_window_limit=5000, compaction_settings=settings)
    for number in range(12):
        assert says(server, agent, f"{number}: {LONG}") == "end_turn"
    summaries = [body for body in asked(server) if body["model"] == "fake-w1500"]
    fitting = [body for body in summaries if count(prompt(body)) <= 1500]
    assert len(summaries) > len(fitting) > 2
    assert "summary" in server.transcript(agent)
    goes_on(server, agent)


@pytest.mark.parametrize(
    "answer", [{"status": 500}, {"text": ""}, {"hang": True}, {"text": "word " * 20_000}, {"calls": [{"name": "x"}]}]
)
@pytest.mark.parametrize("mode", ["sliding_window", "self_compact_all"])
def test_a_summariser_that_fails(server: Server, mode: str, answer: dict[str, Any]) -> None:
    """Hanging, empty, or longer than it may be: the agent answers within the window all the same."""
    settings: Any = {"mode": mode, "prompt": "Sum up."}
    agent = server.agent(model="openai/fake-w900", context_window_limit=900, compaction_settings=settings)
    server.llm.script(match="Sum up." if mode.startswith("self") else "Conversation:", repeat=-1, **answer)
    for number in range(6):
        assert says(server, agent, f"{number}: {LONG[:900]}") == "end_turn"
    assert all(count(prompt(body)) <= 900 for body in asked(server))
    server.llm.reset()
    goes_on(server, agent)


@pytest.mark.parametrize(
    "usage",
    [
        False,
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": -5, "completion_tokens": -1},
        {"prompt_tokens": 10**15, "completion_tokens": 10**15},
        {"prompt_tokens": 1, "completion_tokens": 1},
        {"prompt_tokens": "many", "completion_tokens": None},
    ],
)
def test_a_provider_that_counts_wrongly(server: Server, usage: Any) -> None:
    agent = server.agent(model="openai/fake-w1500", context_window_limit=1500)
    server.llm.script(match="day.", repeat=-1, usage=usage)
    for number in range(5):
        assert says(server, agent, f"{number}: {LONG}") == "end_turn"
    goes_on(server, agent)
