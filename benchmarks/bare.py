"""What a step costs without all that brings it to a thread: how much another kind of worker could save at most.

    .venv/bin/python -m benchmarks.bare [--turns 200]

Plain turns, each in a conversation of its own: by a worker, one at a time as they come from a client, and then by one
thread of a process that does nothing else, without Celery, heartbeat or sweep. Both claim, load, ask the tests' fake
LLM through the SDK, commit and publish; only the worker's CPU is counted. The rounds alternate.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.step import TURNS, cpu, machine, pace, serving
from tests.live.server import MODEL, Server

ROUNDS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--take", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.take:
        print(taken_alone(asked.take))
        return
    print(f"{machine()}, {asked.turns} turns each")
    found: dict[str, list[float]] = {"by a worker": [], "bare": []}
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        agent = server.agent(model=MODEL, memory_blocks=[{"label": "human", "value": ""}])
        with httpx2.Client(base_url=server.web.url, headers={"Authorization": f"Bearer {server.key}"}) as client:
            by_worker(server, client, agent, asked.turns // 4)
            for _ in range(ROUNDS):
                found["by a worker"].append(by_worker(server, client, agent, asked.turns))
                with server.paused():
                    found["bare"].append(bare(server, client, agent, asked.turns))
                print(f"a million rounds of a loop take {pace() * 1e3:.0f} ms; CPU per step, ms: "
                      + ", ".join(f"{name} {values[-1]:.1f}" for name, values in found.items()))  # fmt: skip
    worker, alone = (statistics.mean(values) for values in found.values())
    print(f"by a worker {worker:.1f} ms, bare {alone:.1f} ms: {alone / worker:.2f} of it")


def by_worker(server: Server, client: httpx2.Client, agent: str, turns: int) -> float:
    """Milliseconds of the worker's CPU a turn."""
    places = conversations(client, agent, turns)
    before = cpu(server.workers[0])
    for place in places:
        said(client, place)
    return (cpu(server.workers[0]) - before) / turns * 1e3


def bare(server: Server, client: httpx2.Client, agent: str, turns: int) -> float:
    """The same of a process that takes what waits."""
    places = conversations(client, agent, turns)
    for place in places:
        left_waiting(client, place)
    command = [sys.executable, "-m", "benchmarks.bare", "--take", *places]
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=True)
    for place in places:
        [[status]] = server.sql("SELECT status FROM agents_run WHERE conversation_id = %s", place)
        assert status == "completed", status
    return float(done.stdout)


def taken_alone(places: list[str]) -> float:
    """Milliseconds of this process' CPU a step. The first steps, which import what they need, are left out."""
    import django

    django.setup()
    from workers.process import WorkerProcess

    process = WorkerProcess()
    warm = len(places) // 4
    for place in places[:warm]:
        process.advance(place)
    before = time.process_time()
    for place in places[warm:]:
        process.advance(place)
    return (time.process_time() - before) / len(places[warm:]) * 1e3


def conversations(client: httpx2.Client, agent: str, count: int) -> list[str]:
    return [call(client, f"/v1/conversations/?agent_id={agent}", {})["id"] for _ in range(count)]


def said(client: httpx2.Client, place: str) -> None:
    call(client, f"/v1/conversations/{place}/messages", {"input": TURNS["plain"], "streaming": False})


def left_waiting(client: httpx2.Client, place: str) -> None:
    """Accepted; nobody waits for the answer."""
    path, body = f"/v1/conversations/{place}/messages", {"input": TURNS["plain"], "streaming": True}
    with client.stream("POST", path, json=body, timeout=60) as answer:
        answer.raise_for_status()


def call(client: httpx2.Client, path: str, body: dict[str, Any]) -> Any:
    answer = client.post(path, json=body, timeout=60)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    main()
