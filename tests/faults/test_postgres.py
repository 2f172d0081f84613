"""Database sessions that end in the middle of the work."""

import threading
from pathlib import Path

from tests.faults.breaking import terminate_backends
from tests.live import Server, call, turn


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


def terminate_until(server: Server, done: threading.Event) -> None:
    while not done.wait(0.5):
        terminate_backends(server)
