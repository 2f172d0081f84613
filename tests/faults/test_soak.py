"""Workers die at random, one after the other, while many conversations are under way."""

import random
import time
from pathlib import Path

import pytest

from tests import invariants
from tests.fakellm import FakeLLM
from tests.live import Server, wait_until

SECONDS = 45


@pytest.mark.faults
def test_workers_killed_at_random(tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM, tmp_path: Path) -> None:
    text = f'Go.\n!sleep 0.2\n!call ring_bell {{"folder": "{tmp_path}"}}\n!then\n!call set_lamp {{"folder": "{tmp_path}"}}\n!then\n!say done'
    with Server(tmp_path_factory.mktemp("soak"), llm, workers=3) as server:
        agents = [server.agent("ring_bell", "set_lamp") for _ in range(20)]
        runs = []
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            runs += [server.send(agent, text) for agent in random.sample(agents, 3)]
            alive = [worker for worker in server.workers if worker.is_alive]
            victim = random.choice(alive)
            random.choice([victim.kill, victim.stop])()
            server.start_worker()
            for worker in server.workers:
                if worker.is_alive and worker is not victim and random.random() < 0.5:
                    worker.cont()
            for worker in alive[:-3]:
                worker.kill()
            time.sleep(random.uniform(0.2, 1.5))
        for worker in server.workers:
            if worker.is_alive:
                worker.cont()
        server.add_worker()
        wait_until(lambda: ended(server) == len(runs), 120, "all runs end")
        invariants.check(server.connection, accepted=runs)
        invariants.check_bells(server.connection, tmp_path)
        done = server.sql("SELECT count(*) FROM agents_run WHERE status = 'completed'")[0][0]
        assert done >= 0.9 * len(runs)


def ended(server: Server) -> int:
    return int(server.sql("SELECT count(*) FROM agents_run WHERE status IN ('completed', 'failed', 'cancelled')")[0][0])
