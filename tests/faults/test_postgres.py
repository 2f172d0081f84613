"""Database sessions that end in the middle of the work, or with a COMMIT whose answer nobody hears."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.breaking import terminate_backends
from tests.invariants import lines
from tests.live import Server, call, turn
from tests.live.proxies import LossyProxy


def test_all_sessions_end_again_and_again(server: Server, tmp_path: Path) -> None:
    agents = [server.agent("set_lamp") for _ in range(4)]
    text = turn("!sleep 0.3\n" + call("set_lamp", folder=tmp_path), "!sleep 0.3\n!say done")
    runs = [server.send(agent, text) for _ in range(3) for agent in agents]
    done = threading.Event()
    breaker = threading.Thread(target=terminate_until, args=(server, done))
    breaker.start()
    done.wait(4)
    done.set()
    breaker.join()
    assert {server.await_end(run, 90)["status"] for run in runs} == {"completed"}
    for agent in agents:
        assert [line for line in server.transcript(agent) if line.startswith("assistant")] == [
            "assistant: [set_lamp]",
            "assistant: done",
        ] * 3


def test_commits_whose_answer_is_lost(server: Server, folder: Path) -> None:
    """The worker looks first whether it had come through: nothing is done twice, and nothing is given up."""
    tools = [call("ring_bell", folder=folder), call("core_memory_append", label="human", content="x")]
    agents = [
        server.agent("ring_bell", "core_memory_append", memory_blocks=[{"label": "human", "value": ""}])
        for _ in range(4)
    ]
    with LossyProxy(server.environment["DATABASE_URL"]) as proxy, server.paused():
        worker = server.add_worker(DATABASE_URL=proxy.url)
        runs = [server.send(agent, turn(*tools, "!say done")) for _ in range(2) for agent in agents]
        assert {(row := server.await_end(run, 90))["error_code"] or row["status"] for run in runs} == {"completed"}
        worker.kill()
        assert proxy.cuts > 2
    for agent in agents:
        assert [line.partition("{")[0] for line in server.transcript(agent)][::6] == ["user: Begin."] * 2
        assert server.transcript(agent)[2] == "tool: The bell has rung."
        assert server.client().agents.blocks.retrieve("human", agent_id=agent).value == "x\nx"
    assert len(lines(folder / "rung")) == len(runs)


def test_accepts_whose_answer_is_lost(server: Server) -> None:
    agent = server.agent()
    with LossyProxy(server.environment["DATABASE_URL"], every=2, pause=0) as proxy:
        web = server.add_web(DATABASE_URL=proxy.url)
        client = server.client(web, max_retries=0)
        runs = [client.agents.messages.create_async(agent, input=f"number {n}").id for n in range(10)]
        web.kill()
        assert proxy.cuts > 2
    for run in runs:
        server.await_end(run)
    told = [line for n in range(10) for line in (f"user: number {n}", f"assistant: ok: number {n}")]
    assert server.transcript(agent) == told


def test_what_reads_does_not_notice_that_all_sessions_have_ended(server: Server) -> None:
    agent = server.agent()
    client = server.client(max_retries=0)
    for _ in range(5):
        with ThreadPoolExecutor(8) as users:  # so that the pool has many connections
            list(users.map(lambda _: client.agents.list(limit=1), range(32)))
        terminate_backends(server)
        assert client.agents.retrieve(agent).id == agent


def terminate_until(server: Server, done: threading.Event) -> None:
    while not done.wait(0.5):
        terminate_backends(server)
