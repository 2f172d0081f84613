"""Many at once: an order for each conversation, one run for each key, and a turn for everybody."""

import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import invariants
from tests.fakellm import FakeLLM
from tests.live import Server, call, turn

CLIENTS = 20


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("load"), llm, workers=2) as running:
        running.add_web()
        yield running


@pytest.fixture
def server(own: Server) -> Iterator[Server]:
    yield own
    invariants.check(own.connection, accepted=[row[0] for row in own.sql("SELECT id FROM agents_run")])


def test_a_hundred_messages_to_one_conversation(server: Server) -> None:
    """They are answered in the order in which they were accepted, and the model is asked for one at a time."""
    agent = server.agent()
    texts = [f"[conversation {agent}] number {number}" for number in range(100)]
    runs = at_once(server, [(agent, text, None) for text in texts])
    assert {server.await_end(run, 60)["status"] for run in runs} == {"completed"}
    order = [text for (text,) in server.sql(INPUTS, agent)]
    assert sorted(order) == sorted(texts)
    told = [line for text in order for line in (f"user: {text}", f"assistant: ok: {text}")]
    assert server.transcript(agent) == told
    assert server.llm.stats()["max_active_by_conversation"][agent] == 1


def test_fifty_with_one_key(server: Server) -> None:
    """There is one run, and every one of them is told its id; the same key with other words is refused."""
    agent, key = server.agent(), uuid.uuid4().hex
    runs = at_once(server, [(agent, "once", key)] * 50)
    assert len(set(runs)) == 1
    assert server.await_end(runs[0])["status"] == "completed"
    assert at_once(server, [(agent, "once", key)] * 5) == runs[:5]
    assert server.transcript(agent) == ["user: once", "assistant: ok: once"]
    other = httpx.post(
        f"{server.web.url}/v1/agents/{agent}/messages/async",
        json={"input": "twice"},
        headers={"Authorization": f"Bearer {server.key}", "Idempotency-Key": key},
        trust_env=False,
    )
    assert other.status_code == 422


@pytest.mark.faults
def test_three_hundred_runs_and_a_noisy_neighbour(server: Server) -> None:
    """One conversation has as many as all the others together. They do not wait until it is done."""
    noisy, *quiet = (server.agent() for _ in range(31))
    text = "hello\n!sleep 0.1\n!say hi"
    loud = at_once(server, [(noisy, text, None)] * 300)
    runs = at_once(server, [(agent, text, None) for _ in range(10) for agent in quiet])
    assert {server.await_end(run, 120)["status"] for run in [*runs, *loud]} == {"completed"}
    last_of = "SELECT max(completed_at) FROM agents_run WHERE id = ANY(%s)"
    assert server.sql(last_of, runs) < server.sql(last_of, loud)


@pytest.mark.faults
def test_all_workers_replaced_five_times(server: Server, tmp_path: Path) -> None:
    """As in a rolling update: each is asked to end when another is there. No run fails, nothing is done twice."""
    agents = [server.agent("ring_bell") for _ in range(8)]
    text = turn(f"!sleep 0.5\n{call('ring_bell', folder=tmp_path)}", "!sleep 0.5\n!say done")
    runs: list[str] = []
    for _ in range(5):
        runs += at_once(server, [(agent, text, None) for agent in agents])
        for old in [worker for worker in server.workers if worker.is_alive]:
            server.add_worker()
            old.terminate()
            assert old.wait() == 0
    assert {server.await_end(run, 90)["status"] for run in runs} == {"completed"}
    for agent in agents:
        told = ["user: Begin.", "assistant: [ring_bell]", "tool: The bell has rung.", "assistant: done"]
        assert server.transcript(agent) == told * 5
    assert len(invariants.lines(tmp_path / "rung")) == len(runs)
    invariants.check_bells(server.connection, tmp_path)


def test_a_stream_taken_up_twenty_times(server: Server) -> None:
    """Wherever a client breaks off, the pieces that it had and those that follow are the whole, each once."""
    agent, client = server.agent("core_memory_append", memory_blocks=[{"label": "human", "value": ""}]), server.client()
    words = " ".join(f"word{number}" for number in range(60))
    note = call("core_memory_append", label="human", content="x")
    text = turn(f"!delay 0.03\n!say {words}\n{note}", f"!delay 0.03\n!say {words}")
    run = server.send(agent, text)
    chance, heard, numbers = random.Random(40), [], [0]
    for _ in range(20):
        stream = client.runs.messages.stream(run, starting_after=numbers[-1])
        for event, _ in zip(stream, range(chance.randint(1, 3)), strict=False):
            if event.message_type != "ping":
                heard.append(event)
                numbers.append(event.seq_id)
        stream.close()
    heard += list(client.runs.messages.stream(run, starting_after=numbers[-1]))
    assert [event.seq_id for event in heard] == sorted({event.seq_id for event in heard})
    assert spoken(heard) == [words, words]
    assert {event.seq_id for event in client.runs.messages.stream(run)} <= {event.seq_id for event in heard}


INPUTS = "SELECT input #>> '{0,content}' FROM agents_run WHERE agent_id = %s ORDER BY seq"


def at_once(server: Server, messages: list[tuple[str, str, str | None]]) -> list[str]:
    """Send them all (agent, text, idempotency key), many at a time; the ids of their runs."""
    limits = httpx.Limits(max_connections=CLIENTS)
    head = {"Authorization": f"Bearer {server.key}"}
    with httpx.Client(headers=head, limits=limits, timeout=60, trust_env=False) as client:

        def send(message: tuple[str, str, str | None]) -> str:
            agent, text, key = message
            headers = {"Idempotency-Key": key} if key else {}
            answer = client.post(
                f"{server.web.url}/v1/agents/{agent}/messages/async", json={"input": text}, headers=headers
            )
            assert answer.status_code == 200, answer.text
            return str(answer.json()["id"])

        with ThreadPoolExecutor(CLIENTS) as pool:
            return list(pool.map(send, messages))


def spoken(events: list[Any]) -> list[str]:
    """The text of each message that was told, in their order."""
    texts: dict[str, str] = {}
    for event in events:
        if event.message_type == "assistant_message":
            texts[event.id] = texts.get(event.id, "") + event.content
    return list(texts.values())
