"""How many turns one worker process holds: as many as wished come to a model that takes five seconds.

    .venv/bin/python -m benchmarks.capacity [--turns 1000] [--seconds 5]

Twice: sent over HTTP as fast as the client can, which takes longer than the model does; and accepted while the worker
stands still, so that it finds all of them at once. Prints how many were with the model at one moment, how long they
took, and the database connections and the memory (PSS) at the peak.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2

from benchmarks.step import cpu, machine, serving
from tests.live.processes import Running
from tests.live.server import MODEL, Server

CLIENTS = 16
ACCEPTED_FIRST = "accepted before the worker begins"

# By the database's clock: from the first claim to the last, and to the last end.
SPAN = """
SELECT extract(epoch FROM max(started_at) - min(started_at))::float8,
       extract(epoch FROM max(completed_at) - min(started_at))::float8,
       count(*) FILTER (WHERE status = 'completed') FROM agents_run WHERE id = ANY(%s)
"""


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
        for way in ("sent as fast as the client can", ACCEPTED_FIRST):
            print(f"\n{chosen.turns} turns of {chosen.seconds:g} s, {way}")
            measure(server, chosen.turns, f"!sleep {chosen.seconds}", way == ACCEPTED_FIRST)
            server.workers.pop().terminate()  # the next one begins with nothing
            server.add_worker()
            server.llm.reset()


def measure(server: Server, turns: int, text: str, accepted_first: bool) -> None:
    headers = {"Authorization": f"Bearer {server.key}"}
    with (
        httpx2.Client(base_url=server.web.url, headers=headers, timeout=60) as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        agents = list(pool.map(lambda number: new_agent(client, number), range(turns)))
        used, peak = cpu(server.workers[0]), Peak(server)
        peak.start()
        with standing(server.workers[0], accepted_first):
            started = time.monotonic()
            runs = list(pool.map(lambda agent: send(client, agent, text), agents))
            print(f"  accepted in {time.monotonic() - started:.1f} s")
        await_ends(server)
        peak.ended.set()
    claimed, ended, completed = server.sql(SPAN, runs)[0]
    used = cpu(server.workers[0]) - used
    print(f"  {completed} of {len(runs)} completed")
    print(f"  after the first claim: the last claim {claimed:.1f} s, the last end {ended:.1f} s")
    print(f"  with the model at one moment: {server.llm.stats()['max_active']}")
    for name, value in (peak.highest | {"worker CPU, ms a turn": round(used / turns * 1e3, 1)}).items():
        print(f"  {name}: {value}")


@contextmanager
def standing(worker: Running, wanted: bool) -> Iterator[None]:
    if wanted:
        worker.stop()
    yield
    if wanted:
        worker.cont()


def await_ends(server: Server) -> None:
    while server.sql("SELECT 1 FROM agents_run WHERE completed_at IS NULL LIMIT 1"):
        time.sleep(0.5)


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
