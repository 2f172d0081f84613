"""A server under load while its processes are killed, frozen, flushed and restarted at random, and one page of report.

    ./perdure soak --minutes 5 --seed 7

The seed chooses what is struck and when; the same seed gives the same strikes. Runs use a tool whose effect is counted
outside of the database, so that an effect that came twice shows.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import letta_client

from tests import invariants
from tests.fakellm import FakeLLM
from tests.live import Server, call, turn, wait_until

AGENTS = 20
WORKERS = 3
MOST_WORKERS = 5
PAUSE = (0.2, 1.5)  # seconds between two strikes
SETTLE = 180.0  # seconds that all runs have to end in, when the strikes are over

HELD = "SELECT id, epoch FROM agents_conversation WHERE owner <> '' AND lease_until > now() AND owner LIKE %s"


@dataclass
class Report:
    seed: int
    runs: list[str] = field(default_factory=list)
    refused: int = 0
    strikes: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)  # seconds from a worker's end to the next claim
    completed: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # by the code of the error
    lost: int = 0
    doubled: int = 0
    calls: int = 0
    recorded: int = 0

    def __str__(self) -> str:
        struck = ", ".join(f"{count} x {name}" for name, count in sorted(self.strikes.items()))
        times = sorted(self.recoveries) or [0.0]
        recovery = (
            f"p50 {statistics.median(times):.1f} s, p95 {times[int(len(times) * 0.95)]:.1f} s, max {times[-1]:.1f} s"
        )
        return "\n".join(
            (
                f"seed                {self.seed}",
                f"struck              {struck}",
                f"offered             {len(self.runs)} runs ({self.refused} more were refused)",
                f"completed           {self.completed}",
                f"failed              {', '.join(f'{n} x {code}' for code, n in self.failed.items()) or 0}",
                f"lost                {self.lost}",
                f"doubled             {self.doubled} effects",
                f"LLM calls repeated  {self.calls - self.recorded} of {self.calls}",
                f"recovery            {recovery} ({len(self.recoveries)} conversations taken over)",
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="./perdure soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perdure-soak-") as folder, services(Path(folder)), FakeLLM() as llm:
        print(f"{chosen.minutes:g} minutes with seed {chosen.seed} ...", flush=True)
        report = soak(Path(folder), llm, chosen.minutes * 60, chosen.seed)
    print(report)
    sys.exit(report.lost + report.doubled and 1)


@contextmanager
def services(folder: Path) -> Iterator[None]:
    """Postgres for this run alone, and the settings that the tests use."""
    from project.embedded import running

    with running(folder / "services", throwaway=True) as backing:
        os.environ |= {
            "PERDURE_HOME": str(folder),
            "PERDURE_SECRET_KEY": "for this run only",
            "DATABASE_URL": backing.database_url,
            "REDIS_URL": backing.redis_url,
            "PERDURE_LEASE": "2",
            "PERDURE_SWEEP": "0.5",
            "PERDURE_APPS": "tests.effects",
        }
        yield


def soak(folder: Path, llm: FakeLLM, seconds: float, seed: int) -> Report:
    """Raises AssertionError when an invariant is broken; loss and doubling are in the report."""
    report, chance = Report(seed), random.Random(seed)
    tools = folder / "effects"
    tools.mkdir()
    text = turn(f"!sleep 0.2\n{call('ring_bell', folder=tools)}", call("set_lamp", folder=tools), "!say done")
    with Server(folder, llm, workers=WORKERS) as server:
        agents = [server.agent("ring_bell", "set_lamp") for _ in range(AGENTS)]
        until = time.monotonic() + seconds
        watched: dict[str, tuple[int, float]] = {}
        while time.monotonic() < until:
            for agent in chance.sample(agents, 3):
                offer(server, agent, text, report)
            name = strike(server, chance, watched)
            report.strikes[name] += 1
            rest_until = time.monotonic() + chance.uniform(*PAUSE)
            while time.monotonic() < rest_until:
                note_recoveries(server, watched, report)
                time.sleep(0.05)
        recover(server)
        ended = "SELECT count(*) FROM agents_run WHERE status IN ('completed', 'failed', 'cancelled')"
        wait_until(lambda: server.sql(ended)[0][0] >= len(report.runs), SETTLE, "all runs end")
        note_recoveries(server, watched, report)
        settle(server, tools, report)
    return report


def offer(server: Server, agent: str, text: str, report: Report) -> None:
    try:
        report.runs.append(server.send(agent, text))
    except letta_client.APIError:
        # The client's library had tried three times. Nothing was accepted that it knows of.
        report.refused += 1


def strike(server: Server, chance: random.Random, watched: dict[str, tuple[int, float]]) -> str:
    """Do one of the things that happen to servers; its name."""
    alive = [worker for worker in server.workers if worker.is_alive]
    victim = chance.choice(alive)
    blows: dict[str, Callable[[], object]] = {
        "kill a worker": victim.kill,
        "freeze a worker": victim.stop,
        "wake the frozen": lambda: [worker.cont() for worker in alive],
        "flush Redis": lambda: server.redis().flushall(),
        "restart Redis empty": lambda: (server.valkey.process.kill(), server.valkey.start()),
        "kill the web process": lambda: (server.web.kill(), server.restart_web()),
    }
    name = chance.choices(list(blows), weights=(5, 3, 3, 2, 1, 1))[0]
    if name in ("kill a worker", "freeze a worker"):
        now = time.monotonic()
        watched |= {id: (epoch, now) for id, epoch in server.sql(HELD, f"%:{victim.pid}:%")}
        server.start_worker()
        spare = [worker for worker in alive if worker is not victim]
        for worker in spare[: max(0, len(alive) + 1 - MOST_WORKERS)]:
            worker.kill()
    blows[name]()
    return name


def note_recoveries(server: Server, watched: dict[str, tuple[int, float]], report: Report) -> None:
    """Conversations of struck workers that another one has taken over since."""
    if not watched:
        return
    now = time.monotonic()
    for id, epoch in server.sql("SELECT id, epoch FROM agents_conversation WHERE id = ANY(%s)", list(watched)):
        if epoch > watched[id][0]:
            report.recoveries.append(now - watched.pop(id)[1])


def recover(server: Server) -> None:
    """The strikes are over: whoever is frozen goes on, and one more worker comes."""
    for worker in server.workers:
        if worker.is_alive:
            worker.cont()
    server.add_worker()


def settle(server: Server, tools: Path, report: Report) -> None:
    """The accounts of the run, from the rows and from the effects themselves."""
    invariants.check(server.connection)
    ends = {id: (status, code) for id, status, code in server.sql("SELECT id, status, error_code FROM agents_run")}
    found = [ends[run] for run in report.runs if run in ends]
    report.completed = sum(status == "completed" for status, _ in found)
    report.failed = Counter(str(code) for status, code in found if status == "failed")
    report.lost = len(report.runs) - len(found)
    rung = Counter((tools / "rung").read_text().split()) if (tools / "rung").exists() else Counter[str]()
    report.doubled = sum(count - 1 for count in rung.values())
    report.calls = server.llm.stats()["calls"]
    query = "SELECT count(*) FROM agents_step WHERE status IN ('committed', 'responded')"
    report.recorded = server.sql(query)[0][0]


if __name__ == "__main__":
    main()
