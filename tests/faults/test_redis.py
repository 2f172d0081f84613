"""Redis emptied, killed or frozen: hints and live tokens are lost, nothing else is."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import exceptions as redis_errors

from tests import invariants
from tests.fakellm import FakeLLM
from tests.invariants import lines
from tests.live import Server, call, turn, wait_until


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("redis"), llm, workers=2) as running:
        yield running


@pytest.fixture
def server(own: Server) -> Iterator[Server]:
    yield own
    invariants.check(own.connection, accepted=[row[0] for row in own.sql("SELECT id FROM agents_run")])


@pytest.fixture
def silent(server: Server) -> Iterator[Server]:
    """Without Redis."""
    server.valkey.process.kill()
    yield server
    server.valkey.start()


def test_emptied_under_load(server: Server, tmp_path: Path) -> None:
    agents = [server.agent("set_lamp") for _ in range(6)]
    text = turn("!sleep 0.2\n" + call("set_lamp", folder=tmp_path), "!sleep 0.2\n!say done")
    done = threading.Event()
    flusher = threading.Thread(target=flush_until, args=(server, done))
    flusher.start()
    try:
        runs = [server.send(agent, text) for _ in range(4) for agent in agents]
        assert {server.await_end(run, 90)["status"] for run in runs} == {"completed"}
    finally:
        done.set()
        flusher.join()
    for agent in agents:
        told = ["user: Begin.", "assistant: [set_lamp]", "tool: The lamp is on.", "assistant: done"]
        assert server.transcript(agent) == told * 4


def flush_until(server: Server, done: threading.Event) -> None:
    with server.redis() as redis:
        while not done.wait(0.1):
            redis.flushall()


def test_gone_while_sending(silent: Server) -> None:
    agent = silent.agent()
    runs = [silent.send(agent, f"message {number}") for number in range(3)]
    assert {silent.await_end(run)["status"] for run in runs} == {"completed"}
    told = [line for n in range(3) for line in (f"user: message {n}", f"assistant: ok: message {n}")]
    assert silent.transcript(agent) == told


def test_gone_while_a_client_waits(silent: Server) -> None:
    agent = silent.agent()
    client = silent.client(max_retries=0)
    answer = client.agents.messages.create(agent, input="hello")
    assert [message.content for message in answer.messages] == ["ok: hello"]
    events = list(client.agents.messages.stream(agent, input="again", stream_tokens=True))
    assert [event.content for event in events if event.message_type == "assistant_message"] == ["ok: again"]
    assert events[-1].message_type == "usage_statistics"


def test_gone_while_a_run_is_cancelled(silent: Server) -> None:
    agent = silent.agent()
    run = silent.send(agent, "Never.\n!hang")
    wait_until(lambda: silent.run(run)["status"] == "running")
    assert silent.client().agents.messages.cancel(agent) == {run: "cancelled"}
    assert silent.await_end(run)["status"] == "cancelled"


def test_killed_in_the_middle_of_a_stream(server: Server) -> None:
    """A client that follows tokens gets the whole answer all the same."""
    agent = server.agent()
    text = "I count: one, two, three, four, five, six, seven, eight, nine, ten."
    stream = server.client(max_retries=0).agents.messages.stream(
        agent, input=f"Count.\n!delay 0.2\n!say {text}", stream_tokens=True
    )
    pieces = []
    for event in stream:
        if event.message_type == "assistant_message":
            pieces.append(event.content)
            if len(pieces) == 1:
                server.valkey.process.kill()
    server.valkey.start()
    assert "".join(pieces) == text


def test_frozen(server: Server) -> None:
    """A Redis that accepts and never answers is worse than none: every call to it has a short limit."""
    agent = server.agent()
    server.valkey.process.stop()
    try:
        runs = [server.send(agent, f"message {number}") for number in range(2)]
        assert {server.await_end(run, 60)["status"] for run in runs} == {"completed"}
    finally:
        server.valkey.process.cont()
    assert len(server.transcript(agent)) == 4


def test_frozen_under_load(server: Server, tmp_path: Path) -> None:
    """Nobody who sends is kept waiting for it, and turns with tools go on."""
    agents = [server.agent("set_lamp") for _ in range(4)]
    text = turn("!sleep 0.2\n" + call("set_lamp", folder=tmp_path), "!say done")
    patient = server.client(max_retries=0, timeout=10)
    server.valkey.process.stop()
    try:
        runs = [patient.agents.messages.create_async(agent, input=text).id for _ in range(3) for agent in agents]
        assert {server.await_end(run, 60)["status"] for run in runs} == {"completed"}
    finally:
        server.valkey.process.cont()
    assert len(lines(tmp_path / "lit")) == len(runs)


def test_without_memory(server: Server) -> None:
    """A Redis that refuses every write is as good as none."""
    with server.redis() as redis:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", "1")
        with pytest.raises(redis_errors.OutOfMemoryError):
            redis.set("tests", "x")
        redis.client_kill_filter(_type="normal", skipme=True)  # workers write to it when they connect
        try:
            agent = server.agent()
            runs = [server.send(agent, f"message {number}") for number in range(5)]
            assert {server.await_end(run)["status"] for run in runs} == {"completed"}
            events = list(server.client().agents.messages.stream(agent, input="again", stream_tokens=True))
        finally:
            redis.config_set("maxmemory", "0")
    assert "".join(event.content for event in events if event.message_type == "assistant_message") == "ok: again"
    assert all(worker.is_alive for worker in server.workers)


def test_works_with_hints_again_afterwards(server: Server) -> None:
    agent = server.agent()
    assert server.await_end(server.send(agent, "hello"))["status"] == "completed"


def test_a_worker_that_starts_without_redis_works_all_the_same(
    tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM
) -> None:
    with Server(tmp_path_factory.mktemp("without"), llm, workers=0) as server:
        server.valkey.process.kill()
        run = server.send(server.agent(), turn("!say hi"))
        server.add_worker()
        assert server.await_end(run)["status"] == "completed"
