"""What waits for an answer outlives every process, and what is approved runs once."""

from pathlib import Path
from typing import Any

import letta_client
import pytest

from agents.loop.step import INTERRUPTED
from tests.invariants import lines
from tests.live import Server, call, turn, wait_until

LEAVE = {"type": "requires_approval", "tool_name": "ring_bell"}
YES: list[Any] = [{"type": "approval", "approve": True}]


@pytest.fixture
def waiting(server: Server, folder: Path) -> str:
    """An agent that waits for a person's leave to ring."""
    agent = server.agent("ring_bell", tool_rules=[LEAVE])
    run = server.send(agent, turn(call("ring_bell", folder=folder), "!say done"))
    assert server.await_end(run)["stop_reason"] == "requires_approval"
    return agent


def test_a_restart_of_everything_while_it_waits(server: Server, waiting: str, folder: Path) -> None:
    server.web.kill()
    server.workers.pop().kill()
    server.restart_web()
    server.add_worker()
    answer = server.client().agents.messages.create(waiting, messages=YES)
    assert answer.stop_reason.stop_reason == "end_turn"
    assert len(lines(folder / "rung")) == 1


def test_a_restart_a_cancel_and_a_late_answer(server: Server, waiting: str, folder: Path) -> None:
    client = server.client()
    [(id,)] = server.sql("SELECT id FROM agents_approval WHERE agent_id = %s", waiting)
    server.workers.pop().kill()
    server.add_worker()
    client.agents.messages.cancel(waiting)
    rows = "SELECT answers, answered_at FROM agents_approval WHERE id = %s"
    before = server.sql(rows, id)
    with pytest.raises(letta_client.ConflictError):
        client.post(f"/v1/approvals/{id}", body={"approve": True}, cast_to=object)
    assert client.agents.messages.create(waiting, input="hello").stop_reason.stop_reason == "end_turn"
    assert server.sql(rows, id) == before
    assert lines(folder / "rung") == []


@pytest.mark.parametrize("point", ["c4", "c10", "c12", "c13"])
def test_a_worker_that_dies_with_the_answer(server: Server, waiting: str, folder: Path, point: str) -> None:
    """Before the claim, around the bell, and after the last commit of the step."""
    sound = server.workers[0]
    with server.paused():
        doomed = server.add_worker(PERDURE_FAULT=f"{point}:kill")
        run = server.client().agents.messages.create_async(waiting, messages=YES).id
        wait_until(lambda: not doomed.is_alive, what="the worker has died")
    assert sound.is_alive
    assert server.await_end(run)["status"] == "completed"
    rung = {"c4": 1, "c10": 0, "c12": 1, "c13": 1}[point]
    assert len(lines(folder / "rung")) == rung
    told = f"tool error: {INTERRUPTED}" if point in ("c10", "c12") else "tool: The bell has rung."
    assert server.transcript(waiting)[1:] == ["assistant: [ring_bell]", "approval", told, "assistant: done"]
