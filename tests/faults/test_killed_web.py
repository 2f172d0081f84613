"""kill -9 of a web process: what it had accepted goes on, and a client that asks again is not told twice."""

import signal
from collections.abc import Iterable
from typing import Any

import httpx
import pytest
from letta_client import APIConnectionError

from tests.faults.breaking import followed
from tests.live import Server, call, turn, wait_until


@pytest.mark.parametrize(("point", "accepted"), [("c1", 0), ("c2", 1), ("c3", 1)])
def test_at_an_accept(server: Server, point: str, accepted: int) -> None:
    """The client sends again with the same key: there is one run, and it gets that one's answer."""
    agent = server.agent()
    web = server.add_web(PERDURE_FAULT=f"{point}:kill")
    key = {"Idempotency-Key": f"accept-{point}"}
    with pytest.raises(APIConnectionError):
        server.client(web, max_retries=0).agents.messages.create(agent, input="hello", extra_headers=key)
    assert web.wait() == -signal.SIGKILL
    assert count(server, agent) == accepted
    answer = server.client().agents.messages.create(agent, input="hello", extra_headers=key)
    assert [message.content for message in answer.messages] == ["ok: hello"]
    assert count(server, agent) == 1
    assert server.transcript(agent) == ["user: hello", "assistant: ok: hello"]


def test_while_a_client_waits(server: Server) -> None:
    """The client's library sends its request again on its own, without any key."""
    agent = server.agent()
    web = server.add_web()
    run = server.send(agent, "first\n!sleep 0.5\n!say done")
    web.kill()
    retried = {"x-stainless-retry-count": "1"}
    answer = server.client().agents.messages.create(agent, input="first\n!sleep 0.5\n!say done", extra_headers=retried)
    assert [message.content for message in answer.messages] == ["done"]
    assert (count(server, agent), server.run(run)["status"]) == (1, "completed")


def test_while_clients_follow(server: Server) -> None:
    """Each takes up its stream at another web process, at the last event that it had seen."""
    agents = [server.agent("core_memory_append", memory_blocks=[{"label": "human", "value": ""}]) for _ in range(5)]
    first = "!delay 0.1\n!say I will remember this for you.\n" + call("core_memory_append", label="human", content="x")
    text = turn(first, "!sleep 1\n!delay 0.1\n!say There you are, it is done.")
    web = server.add_web()
    runs = [server.client(web).agents.messages.create_async(agent, input=text).id for agent in agents]
    streams = [server.client(web, max_retries=0).runs.messages.stream(run) for run in runs]
    seen = [[next(stream)] for stream in streams]
    web.kill()
    for run in runs:
        wait_until(lambda run=run: server.run(run)["steps_done"] > 0)  # type: ignore[misc]
    for run, before in zip(runs, seen, strict=True):
        rest = list(server.client().runs.messages.stream(run, starting_after=before[-1].seq_id))
        assert followed(before + rest) == followed(list(server.client().runs.messages.stream(run)))


@pytest.mark.parametrize("passing", [1, 4, 11])
def test_in_the_middle_of_a_stream(server: Server, passing: int) -> None:
    """The client takes it up behind its last number, at another web process, and has every event exactly once."""
    agent = server.agent("core_memory_append", memory_blocks=[{"label": "human", "value": ""}])
    note = call("core_memory_append", label="human", content="x")
    text = turn(f"!delay 0.05\n!say {SPOKEN[0]}\n{note}", f"!delay 0.05\n!say {SPOKEN[1]}")
    web = server.add_web(PERDURE_FAULT=f"c18:kill:{passing}")
    stream = server.client(web, max_retries=0).agents.messages.stream(agent, input=text, stream_tokens=True)
    seen = until_cut(stream)
    assert web.wait() == -signal.SIGKILL
    run, last = seen[0].run_id, max((event.seq_id or 0 for event in seen), default=0)
    rest = list(server.client().runs.messages.stream(run, starting_after=last))
    whole = followed(seen + rest)
    assert [text for kind, text in whole if kind == "assistant_message"] == SPOKEN
    assert whole == followed(list(server.client().runs.messages.stream(run)))


SPOKEN = ["I will remember this for you, word by word.", "There you are, it is done, and well done."]


def until_cut(stream: Iterable[Any]) -> list[Any]:
    """What came before the connection broke, which it must."""
    seen: list[Any] = []
    with pytest.raises(httpx.TransportError):
        seen.extend(stream)
    return seen


def count(server: Server, agent_id: str) -> int:
    return int(server.sql("SELECT count(*) FROM agents_run WHERE agent_id = %s", agent_id)[0][0])
