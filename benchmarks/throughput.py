"""Steps a second with a model that takes no time, from one conversation to 512 at once, and the memory in use.

.venv/bin/python -m benchmarks.throughput [--turns 400]
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from benchmarks.capacity import megabytes, new_agent, send
from benchmarks.step import TURNS, cpu, machine, serving
from tests.live.server import Server

CONVERSATIONS = (1, 8, 32, 128, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=400)
    turns = parser.parse_args().turns
    print(machine())
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), slots=max(CONVERSATIONS)) as server:
        headers = {"Authorization": f"Bearer {server.key}"}
        with httpx2.Client(base_url=server.web.url, headers=headers, timeout=120) as client:
            print(f"idle: web {megabytes(server.web)} MB, worker {megabytes(server.workers[0])} MB (PSS)")
            agents = [new_agent(client, number) for number in range(max(CONVERSATIONS))]
            for conversations in CONVERSATIONS:
                measure(server, client, agents[:conversations], max(turns, conversations))
            print(f"afterwards: web {megabytes(server.web)} MB, worker {megabytes(server.workers[0])} MB (PSS)")


def measure(server: Server, client: httpx2.Client, agents: list[str], turns: int) -> None:
    """Runs are accepted without waiting for any; each conversation works its own off in order."""
    before, started = cpu(server.web) + cpu(server.workers[0]), time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: send(client, agents[number % len(agents)], TURNS["plain"]), range(turns)))
    while server.sql("SELECT 1 FROM agents_run WHERE completed_at IS NULL LIMIT 1"):
        time.sleep(0.05)
    elapsed, used = time.monotonic() - started, cpu(server.web) + cpu(server.workers[0]) - before
    print(f"{len(agents):4} conversations: {turns / elapsed:5.1f} steps/s, CPU {used / turns * 1e3:.1f} ms per step")


if __name__ == "__main__":
    main()
