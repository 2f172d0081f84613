"""What a step costs beyond the model's own time: wall time by phase, and CPU of the web and the worker process.

    .venv/bin/python -m benchmarks.step [--turns 200]

It starts a server of its own (embedded services, one web process, one worker) against the tests' fake LLM, and measures
plain turns (one step) and turns with a memory edit (two steps), first one at a time, then from eight clients at once.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from project.embedded import running
from tests.fakellm import FakeLLM
from tests.live.processes import Running
from tests.live.server import MODEL, Server

TURNS = {
    "plain": "!say A short answer.",
    "memory edit": '!call memory_insert {"label": "human", "new_string": "x"}\n!then\n!say Noted.',
}
FRESH_AGENTS = 8  # each turn goes to the next of them, so that no history grows long
TICK = 1 / os.sysconf("SC_CLK_TCK")

# The times of a run by the database's clock, which is this machine's, and the seconds that its models took.
PHASES = """
SELECT extract(epoch FROM run.created_at), extract(epoch FROM run.started_at), extract(epoch FROM run.completed_at),
       (SELECT sum(llm_ns) / 1e9 FROM agents_step WHERE run_id = run.id), run.steps_done
  FROM agents_run AS run WHERE id = %s
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds."""

    wall: float
    accept: float
    wake: float
    llm: float
    work: float
    answer: float
    steps: int

    @property
    def overhead(self) -> float:
        """Per step, without the model's time."""
        return (self.wall - self.llm) / self.steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=200)
    turns = parser.parse_args().turns
    print(f"{machine()}, {turns} turns each")
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        agents = [
            server.agent(model=MODEL, memory_blocks=[{"label": "human", "value": ""}]) for _ in range(FRESH_AGENTS)
        ]
        with httpx2.Client(base_url=server.web.url, headers={"Authorization": f"Bearer {server.key}"}) as client:
            for text in TURNS.values():
                take(server, client, agents, text, FRESH_AGENTS, 1)
            for clients in (1, FRESH_AGENTS):
                for name, text in TURNS.items():
                    report(f"{name}, {clients} at once", *measured(server, client, agents, text, turns, clients))


def machine() -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{platform.platform()}, {os.cpu_count()} cores, load {load}, Python {platform.python_version()}"


def pace() -> float:
    """CPU seconds of a loop that is always the same."""
    started, total = time.process_time(), 0
    for number in range(1_000_000):
        total += number % 7
    return time.process_time() - started


@contextmanager
def serving(folder: Path, slots: int = 50, workers: int = 1) -> Iterator[Server]:
    with running(folder / "services", throwaway=True) as backing, FakeLLM() as llm:
        os.environ |= {
            "DATABASE_URL": backing.database_url,
            "REDIS_URL": backing.redis_url,
            "PERDURE_HOME": str(folder),
            "PERDURE_SECRET_KEY": "for this measurement only",
            "PERDURE_LOG_LEVEL": "ERROR",
        }
        with Server(folder, llm, workers, PERDURE_DATABASE_POOL="10", PERDURE_WORKER_SLOTS=str(slots)) as server:
            yield server


def measured(
    server: Server, client: httpx2.Client, agents: list[str], text: str, turns: int, clients: int
) -> tuple[list[Turn], float, float, float]:
    """The turns; CPU seconds of web and worker; seconds in all."""
    web, worker, started = cpu(server.web), cpu(server.workers[0]), time.perf_counter()
    taken = take(server, client, agents, text, turns, clients)
    return taken, cpu(server.web) - web, cpu(server.workers[0]) - worker, time.perf_counter() - started


def take(server: Server, client: httpx2.Client, agents: list[str], text: str, turns: int, clients: int) -> list[Turn]:
    def one(number: int) -> tuple[float, float, str]:
        agent = agents[number % len(agents)]
        started = time.time()
        answer = client.post(f"/v1/agents/{agent}/messages", json={"input": text}, timeout=60)
        ended = time.time()
        answer.raise_for_status()
        return started, ended, answer.json()["messages"][0]["run_id"]

    with ThreadPoolExecutor(clients) as pool:
        spans = list(pool.map(one, range(turns)))
    return [turn(server, *span) for span in spans]


def turn(server: Server, started: float, ended: float, run_id: str) -> Turn:
    created, claimed, completed, llm, steps = (float(value) for value in server.sql(PHASES, run_id)[0])
    return Turn(
        wall=ended - started,
        accept=created - started,
        wake=claimed - created,
        llm=llm,
        work=completed - claimed - llm,
        answer=ended - completed,
        steps=int(steps),
    )


def report(name: str, turns: list[Turn], web: float, worker: float, elapsed: float) -> None:
    """With the machine's pace in these minutes, by which CPU times can be compared."""
    steps = sum(turn.steps for turn in turns)
    overheads = sorted(turn.overhead for turn in turns)

    def median(phase: str) -> str:
        return f"{phase} {statistics.median(getattr(turn, phase) for turn in turns) * 1e3:.1f}"

    print(f"\n{name}: {steps / elapsed:.0f} steps/s; a million rounds of a loop take {pace() * 1e3:.0f} ms")
    print(f"  overhead per step   p50 {overheads[len(overheads) // 2] * 1e3:.1f} ms, "
          f"p95 {overheads[int(len(overheads) * 0.95)] * 1e3:.1f} ms")  # fmt: skip
    print("  phases of a turn    " + ", ".join(map(median, ("accept", "wake", "work", "llm", "answer"))) + " ms (p50)")
    print(f"  CPU per step        web {web / steps * 1e3:.1f} ms, worker {worker / steps * 1e3:.1f} ms, "
          f"together {(web + worker) / steps * 1e3:.1f} ms")  # fmt: skip


def cpu(process: Running) -> float:
    """CPU seconds of the process so far, user and system."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK


if __name__ == "__main__":
    main()
