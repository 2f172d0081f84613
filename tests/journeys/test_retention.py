"""An organization says how long it keeps things, and a worker sees to it."""

import os
import subprocess
import sys

from tests.live import Server
from tests.live.waiting import wait_until


def perdure(server: Server, *words: str) -> str:
    environment = os.environ | {"PERDURE_URL": server.web.url, "PERDURE_API_KEY": server.key}
    command = [sys.executable, "-m", "cli", "retention", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_old_runs_are_deleted_by_a_worker(server: Server) -> None:
    client, agent = server.client(), server.agent()
    client.agents.messages.create(agent, input="long ago")
    client.agents.messages.create(agent, input="lately")
    old, new = client.runs.list(agent_id=agent, order="asc").items
    with server.connection.cursor() as cursor:
        past = "now() - interval '20 years'"
        cursor.execute(f"UPDATE agents_run SET created_at = {past}, completed_at = {past} WHERE id = %s", [old.id])
    assert "runs: for ever" in perdure(server, "show")
    perdure(server, "set", "--runs", "3650")
    wait_until(lambda: len(client.runs.list(agent_id=agent).items) == 1, what="the old run is deleted")
    assert client.runs.retrieve(new.id).status == "completed"
    assert len(server.transcript(agent)) == 4
    told = perdure(server, "show")
    assert "runs: 3,650 days" in told
    assert "1 run" in told
    perdure(server, "set", "--runs", "0")
    assert "runs: for ever" in perdure(server, "show")
