"""How many turns one worker process holds: as many as wished are sent at once to a model that takes five seconds.

    .venv/bin/python -m benchmarks.capacity [--turns 1000] [--seconds 5]

Prints how many were in flight together, how long all took, the database connections and the memory (PSS) at the peak.
"""

import argparse
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from benchmarks.step import machine, serving
from tests.live.processes import Running
from tests.live.server import MODEL, Server

CLIENTS = 16


class Peak(threading.Thread):
    """Looks twice a second at what the server uses, and keeps the highest of each."""

    def __init__(self, server: Server):
        super().__init__(daemon=True)
        self.server = server
        self.highest = {"database connections": 0, "worker PSS, MB": 0, "web PSS, MB": 0}
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.5):
            query = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            self._keep("database connections", self.server.sql(query)[0][0])
            self._keep("worker PSS, MB", megabytes(self.server.workers[0]))
            self._keep("web PSS, MB", megabytes(self.server.web))

    def _keep(self, name: str, value: int) -> None:
        self.highest[name] = max(self.highest[name], value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5)
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), slots=chosen.turns) as server:
        measure(server, chosen.turns, chosen.seconds)


def measure(server: Server, turns: int, seconds: float) -> None:
    headers = {"Authorization": f"Bearer {server.key}"}
    with (
        httpx2.Client(base_url=server.web.url, headers=headers, timeout=60) as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        agents = list(pool.map(lambda number: new_agent(client, number), range(turns)))
        peak = Peak(server)
        peak.start()
        started = time.monotonic()
        runs = list(pool.map(lambda agent: send(client, agent, f"!sleep {seconds}"), agents))
        accepted = time.monotonic() - started
        while unfinished := server.sql("SELECT count(*) FROM agents_run WHERE completed_at IS NULL")[0][0]:
            print(f"\r{unfinished} to go   ", end="", flush=True)
            time.sleep(0.5)
        elapsed = time.monotonic() - started
        peak.ended.set()
    completed = server.sql("SELECT count(*) FROM agents_run WHERE status = 'completed'")[0][0]
    print(f"\r{completed} of {len(runs)} completed; accepted in {accepted:.1f} s, all done in {elapsed:.1f} s")
    print(f"  turns in flight: {server.llm.stats()['max_active']}")
    for name, value in peak.highest.items():
        print(f"  {name}: {value}")


def new_agent(client: httpx2.Client, number: int) -> str:
    fields = {"name": f"agent {number}", "model": MODEL, "include_base_tools": False}
    return str(client.post("/v1/agents/", json=fields).raise_for_status().json()["id"])


def send(client: httpx2.Client, agent: str, text: str) -> str:
    return str(client.post(f"/v1/agents/{agent}/messages/async", json={"input": text}).raise_for_status().json()["id"])


def megabytes(process: Running) -> int:
    """Proportional set size."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) // 1024


if __name__ == "__main__":
    main()
