"""Nobody schedules. What is due is found by the sweep of any worker, whoever else has died, and without Redis."""

import signal
from pathlib import Path

from agents.approvals import OVERDUE
from tests import invariants
from tests.fakellm import FakeLLM
from tests.live import Server, call, turn, wait_until

READY = "SELECT count(*) FROM agents_inbox WHERE ready_at IS NOT NULL"


def test_a_sweep_that_dies_on_its_way(server: Server) -> None:
    """It had found three conversations, and taken up one: another worker finds all of them."""
    agents = [server.agent() for _ in range(3)]
    silent = server.add_web(REDIS_URL="redis://127.0.0.1:1/0")  # so that nobody is told of anything
    with server.paused():
        runs = [server.client(silent).agents.messages.create_async(agent, input="hello").id for agent in agents]
        doomed = server.start_worker(PERDURE_FAULT="c16:kill:2")
        assert doomed.wait() == -signal.SIGKILL
        given_out = server.sql("SELECT hinted_at IS NOT NULL FROM agents_inbox WHERE conversation_id IN "
                               "(SELECT conversation_id FROM agents_run WHERE id = ANY(%s))", runs)  # fmt: skip
        assert given_out == [(True,)] * 3
        assert "completed" not in [server.run(run)["status"] for run in runs[1:]]
    silent.kill()
    assert {server.await_end(run)["status"] for run in runs} == {"completed"}
    for agent in agents:
        assert server.transcript(agent) == ["user: hello", "assistant: ok: hello"]


def test_what_is_due_without_a_scheduler(tmp_path: Path, llm: FakeLLM) -> None:
    """A wait, a deadline and an unanswered call: Redis is gone for good, and so is the worker that knew of them."""
    with Server(tmp_path, llm, PERDURE_APPROVAL_DEADLINE="3") as server:
        hasty = server.add_web(PERDURE_RUN_DEADLINE="3")
        server.valkey.process.kill()
        patient, late = server.agent(), server.agent()
        asking = server.agent("ring_bell", tool_rules=[{"type": "requires_approval", "tool_name": "ring_bell"}])
        llm.script(match="Wait a little.", status=429, headers={"Retry-After": "2"})
        llm.script(match="Wait too long.", status=429, headers={"Retry-After": "600"})
        waits = server.send(patient, "Wait a little.")
        expires = server.client(hasty).agents.messages.create_async(late, input="Wait too long.").id
        asks = server.send(asking, turn(call("ring_bell", folder=tmp_path), "!say done"))
        assert server.await_end(asks)["stop_reason"] == "requires_approval"
        for run in (waits, expires):
            wait_until(lambda run=run: server.run(run)["not_before"], what="it waits as a row")
        server.workers.pop().kill()
        server.add_worker()

        ended = server.await_end(waits)
        assert (ended["status"], ended["claims"]) == ("completed", 2)
        assert ended["completed_at"] > ended["not_before"]
        ended = server.await_end(expires)
        assert (ended["error_code"], ended["completed_at"] >= ended["deadline_at"]) == ("deadline_exceeded", True)
        denied = wait_until(lambda: server.sql("SELECT id FROM agents_run WHERE approval_id IS NOT NULL"))
        assert server.await_end(denied[0][0])["status"] == "completed"
        assert OVERDUE in server.transcript(asking)[-2]
        invariants.check(server.connection, accepted=[waits, expires, asks])
