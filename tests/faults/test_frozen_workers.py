"""SIGSTOP of a worker past its lease, takeover by another one, SIGCONT: what comes late is refused."""

from pathlib import Path

import pytest

from agents.loop.step import INTERRUPTED
from tests.faults.breaking import commits_frozen, stops_at
from tests.invariants import lines
from tests.live import Running, Server, call, turn, wait_until

APPEND = call("core_memory_append", label="human", content="Likes tea.")


@pytest.mark.parametrize("point", ["c5", "c6", "c7", "fence"])
def test_around_the_model(server: Server, point: str) -> None:
    agent = server.agent()
    run, late = stops_at(point, server, agent, "hello")
    server.await_end(run)
    wakes_and_lets_go(server, late)
    assert server.transcript(agent) == ["user: hello", "assistant: ok: hello"]


def test_a_commit_that_comes_late_is_fenced(server: Server) -> None:
    agent = server.agent("core_memory_append", memory_blocks=[{"label": "human", "value": "Ann."}])
    run, late = stops_at("fence", server, agent, turn(APPEND, "!say kept"))
    server.await_end(run)
    wakes_and_lets_go(server, late)
    assert server.client().agents.blocks.retrieve("human", agent_id=agent).value == "Ann.\nLikes tea."
    assert [line.partition(":")[0] for line in server.transcript(agent)] == ["user", "assistant", "tool", "assistant"]
    assert "Fenced: epoch 1" in late.log.read_text()


@pytest.mark.parametrize("point", ["c10", "c12"])
def test_around_a_bell(server: Server, folder: Path, point: str) -> None:
    """The sleeper was in the middle of the tool: the other worker can only say that it may or may not have rung."""
    agent = server.agent("ring_bell")
    run, late = stops_at(point, server, agent, turn(call("ring_bell", folder=folder), "!say done"))
    server.await_end(run)
    wakes_and_lets_go(server, late)
    assert server.transcript(agent)[1:] == ["assistant: [ring_bell]", f"tool error: {INTERRUPTED}", "assistant: done"]
    assert len(lines(folder / "rung")) == 1


@pytest.mark.faults
def test_inside_a_commit(server: Server) -> None:
    """It holds the lock of the conversation, until Postgres ends its session; accepting goes on all the while."""
    agent = server.agent()
    other = server.add_worker()
    with commits_frozen(server) as stands:
        first = server.send(agent, "first")
        wait_until(stands, what="the worker stands in its commit")
        frozen = server.owner()
        frozen.stop()
    second = server.send(agent, "second")
    server.await_end(first, 60)
    server.await_end(second)
    frozen.cont()
    assert server.transcript(agent) == ["user: first", "assistant: ok: first", "user: second", "assistant: ok: second"]
    assert other.is_alive


def wakes_and_lets_go(server: Server, late: Running) -> None:
    """Wake it, and see that it drops what it had."""
    ((since,),) = server.sql("SELECT clock_timestamp()")
    late.cont()
    idle = "SELECT 1 FROM workers_worker WHERE pid = %s AND turns = 0 AND heartbeat_at > %s"
    wait_until(lambda: server.sql(idle, late.pid, since), what="the late worker has let go")
