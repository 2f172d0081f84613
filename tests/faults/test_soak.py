"""Workers die and freeze at random, one after the other, while many conversations are under way."""

import random
import time
from pathlib import Path

import pytest

from tests import invariants
from tests.fakellm import FakeLLM
from tests.live import Server, call, turn, wait_until

SECONDS = 45


@pytest.mark.faults
def test_workers_killed_and_frozen_at_random(
    tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM, tmp_path: Path
) -> None:
    bell, lamp = call("ring_bell", folder=tmp_path), call("set_lamp", folder=tmp_path)
    text = turn(f"!sleep 0.2\n{bell}", lamp, "!say done")
    with Server(tmp_path_factory.mktemp("soak"), llm, workers=3) as server:
        agents = [server.agent("ring_bell", "set_lamp") for _ in range(20)]
        runs, until = [], time.monotonic() + SECONDS
        while time.monotonic() < until:
            runs += [server.send(agent, text) for agent in random.sample(agents, 3)]
            strike(server)
            time.sleep(random.uniform(0.2, 1.5))
        wake(server)
        server.add_worker()
        wait_until(lambda: count(server, "completed", "failed", "cancelled") == len(runs), 120, "all runs end")
        invariants.check(server.connection, accepted=runs)
        invariants.check_bells(server.connection, tmp_path)
        assert count(server, "completed") >= 0.9 * len(runs)


def strike(server: Server) -> None:
    """Kill or freeze one worker, start another, wake some of the frozen, and keep their number small."""
    alive = [worker for worker in server.workers if worker.is_alive]
    victim = random.choice(alive)
    random.choice([victim.kill, victim.stop])()
    server.start_worker()
    for worker in alive:
        if worker is not victim and random.random() < 0.5:
            worker.cont()
    for worker in alive[:-3]:
        worker.kill()


def wake(server: Server) -> None:
    for worker in server.workers:
        if worker.is_alive:
            worker.cont()


def count(server: Server, *statuses: str) -> int:
    return int(server.sql("SELECT count(*) FROM agents_run WHERE status = ANY(%s)", list(statuses))[0][0])
