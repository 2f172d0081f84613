"""All that belongs to somebody, as a file, and away: by command, done by a worker."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.live import Server


def perdure(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PERDURE_URL": server.web.url, "PERDURE_API_KEY": server.key}
    command = [sys.executable, "-m", "cli", "identities", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def identity(server: Server, key: str, agent: str) -> str:
    body = {"identifier_key": key, "name": key, "identity_type": "user", "agent_ids": [agent]}
    made: Any = server.client().post("/v1/identities/", body=body, cast_to=object)
    return str(made["id"])


def test_exported_to_a_file_and_erased(server: Server, tmp_path: Path) -> None:
    client = server.client()
    agent = server.agent(memory_blocks=[{"label": "human", "value": "Ann"}])
    client.agents.messages.create(agent, input="remember me")
    identity(server, "guest-1", agent)
    file = tmp_path / "guest.jsonl"
    assert "1 agent" in perdure(server, "export", "guest-1", str(file)).stdout
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["data"]["text"] for row in rows if row["kind"] == "message"][1:] == ["remember me", "ok: remember me"]
    assert "Add --yes" in perdure(server, "erase", "guest-1").stderr
    assert "is empty" in perdure(server, "erase", "", "--yes").stderr
    assert client.agents.retrieve(agent)
    assert "1 agent" in perdure(server, "erase", "guest-1", "--yes").stdout
    assert server.sql("SELECT 1 FROM agents_message WHERE agent_id = %s", agent) == []
    assert "no identity" in perdure(server, "export", "guest-1", str(tmp_path / "again")).stderr
