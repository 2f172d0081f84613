"""kill -9 of the worker that exports or erases an identity's data: another goes on where the last commit was."""

from typing import Any

import pytest

from tests.live import Server, wait_until


@pytest.mark.parametrize("kind", ["export", "erase"])
@pytest.mark.parametrize("batch", [3, *(pytest.param(batch, marks=pytest.mark.faults) for batch in (1, 5))])
def test_a_worker_is_killed_in_a_batch(server: Server, kind: str, batch: int) -> None:
    client, agent = server.client(), server.agent()
    client.agents.messages.create(agent, input="hello")
    key = f"{kind}-{batch}"
    body = {"identifier_key": key, "name": key, "identity_type": "user", "agent_ids": [agent]}
    someone: Any = client.post("/v1/identities/", body=body, cast_to=object)
    path = f"/v1/identities/{someone['id']}"
    with server.paused():
        dying = server.add_worker(PERDURE_FAULT=f"job:kill:{batch}")
        job: Any = client.post(f"{path}/{kind}", body={}, cast_to=object)
        assert dying.wait() < 0

    def report() -> Any:
        told: Any = client.get(f"{path}/jobs/{job['id']}", cast_to=object)
        return told["report"] if told["status"] == "completed" else None

    done = wait_until(report, what="another worker completes the job")
    assert (done["agent"], done["message"]) == (1, 3)
    if kind == "erase":
        assert server.sql("SELECT 1 FROM agents_agent WHERE id = %s", agent) == []
