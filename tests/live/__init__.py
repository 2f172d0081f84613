"""The whole server as real processes, for tests: a database and a Valkey of its own, a web process, workers.

    with Server(folder, llm) as server:
        agent = server.client().agents.create(model="openai/fake-1", ...)
        doomed = server.add_worker(PERDURE_FAULT="c6:kill")

Nothing outlives it: every process is ended by its id, and dies with the test run however that ends.
"""

from tests.live.directions import call, turn
from tests.live.processes import Running
from tests.live.server import Server
from tests.live.waiting import wait_until

__all__ = ["Running", "Server", "call", "turn", "wait_until"]
