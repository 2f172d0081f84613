"""What fills a window, as it is told and counted; and the prefix that providers keep in their caches."""

import os
import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest

from tests.fakellm.windows import count, prompt
from tests.live import Server, call, turn

TALK = "All work and no play makes a dull day. " * 10
MODELS = ["openai/fake-w30000", "anthropic/fake-w30000"]


def window_of(server: Server, agent: str) -> dict[str, Any]:
    return server.client().get(f"/v1/agents/{agent}/context", cast_to=dict[str, Any])


def asked(server: Server, agent: str) -> list[dict[str, Any]]:
    return [one["body"] for one in server.llm.calls() if agent in str(one["body"])]


@pytest.mark.parametrize("model", MODELS)
def test_the_window_is_told_as_the_provider_counts_it(server: Server, model: str) -> None:
    agent = server.agent("memory_insert", "conversation_search", model=model, context_window_limit=30_000)
    for number in range(4):
        server.client().agents.messages.create(agent, input=f"{number}: {TALK}")
    told = window_of(server, agent)
    parts = {name: tokens for name, tokens in told.items() if name.startswith("num_tokens_")}
    assert sum(parts.values()) == told["context_window_size_current"]
    server.client().agents.messages.create(agent, input="hi")
    counted = count(prompt(asked(server, agent)[-1]))
    assert told["context_window_size_current"] == pytest.approx(counted, rel=0.05)


@pytest.mark.parametrize("model", MODELS)
def test_the_prefix_stays_the_same_bytes_between_edits(server: Server, model: str) -> None:
    """Tools, system prompt and earlier messages: each request begins with all of the one before."""
    client = server.client()
    agent = server.agent("memory_insert", "repeat_text", model=model, memory_blocks=[{"label": "human", "value": "A"}])
    client.agents.messages.create(agent, input="one")
    client.agents.messages.create(agent, input=turn(call("repeat_text", text="x", times=2), "!say done"))
    client.agents.messages.create(agent, input="three")
    requests = asked(server, agent)
    assert len(requests) == 4
    for earlier, later in pairwise(requests):
        assert [plain(later.get(part)) for part in ("tools", "system")] == [
            plain(earlier.get(part)) for part in ("tools", "system")
        ]
        said = plain(earlier["messages"])
        assert plain(later["messages"])[: len(said)] == said
    client.agents.blocks.update("human", agent_id=agent, value="B")
    client.agents.messages.create(agent, input="four")
    assert plain(asked(server, agent)[-1]) != plain(requests[-1])


def plain(part: Any) -> Any:
    """Without the marks that say where a cache may end: they move, and are no part of what is cached."""
    if isinstance(part, dict):
        return {name: plain(value) for name, value in part.items() if name != "cache_control"}
    return [plain(one) for one in part] if isinstance(part, list) else part


def test_breakpoints_stand_where_the_last_call_ended(server: Server) -> None:
    agent = server.agent("memory_insert", model="anthropic/fake-w30000")
    for number in range(3):
        server.client().agents.messages.create(agent, input=f"{number}")
    [*_, request] = asked(server, agent)
    marked = [["cache_control" in block for block in message["content"]] for message in request["messages"]]
    assert marked == [[False], [False], [True], [False], [True]]
    assert "cache_control" in request["tools"][-1]
    assert "cache_control" in request["system"][-1]


@pytest.mark.parametrize("model", MODELS)
def test_the_cached_share_is_shown(server: Server, model: str) -> None:
    client, agent = server.client(), server.agent(model=model)
    client.agents.messages.create(agent, input=TALK)
    done = client.agents.messages.create(agent, input="and now?")
    assert (done.usage.cached_input_tokens or 0) > 0.7 * (done.usage.prompt_tokens or 1)
    [run, *_] = client.runs.list(agent_id=agent).items
    usage = client.runs.usage.retrieve(run.id)
    [step] = client.runs.steps.list(run.id).items
    assert usage.prompt_tokens_details is not None
    shown = {usage.prompt_tokens_details.cached_tokens, step.cached_input_tokens, done.usage.cached_input_tokens}
    assert len(shown) == 1


def test_by_command(server: Server) -> None:
    agent = server.agent(context_window_limit=5000)
    environment = os.environ | {"PERDURE_URL": server.web.url, "PERDURE_API_KEY": server.key}
    command = [sys.executable, "-m", "cli", "window", agent]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert f"{window_of(server, agent)['context_window_size_current']:,}" in told
    assert "5,000 tokens fit. 1 messages are in context" in told
