"""What memory was, and the way back: by the client, by plain HTTP and by the command line; blocks from a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import requests

from cli.configuration import ROOT
from tests.live import Server


def perdure(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PERDURE_URL": server.web.url, "PERDURE_API_KEY": server.key}
    command = [sys.executable, "-m", "cli", "blocks", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


def test_what_an_agent_wrote_is_found_and_undone(server: Server) -> None:
    client = server.client()
    agent = server.agent("core_memory_append", memory_blocks=[{"label": "human", "value": "Ann"}])
    block = client.agents.blocks.retrieve("human", agent_id=agent)
    call = json.dumps({"label": "human", "content": "Likes tea."})
    client.agents.messages.create(agent, input=f"Go\n!call core_memory_append {call}\n!then\n!say Noted.")
    client.blocks.update(block.id, value="Ann likes coffee.")

    url, headers = f"{server.web.url}/v1/blocks/{block.id}", {"Authorization": f"Bearer {server.key}"}
    listed = requests.get(f"{url}/versions", headers=headers, timeout=20).json()
    assert [version["value"] for version in listed] == ["Ann likes coffee.", "Ann\nLikes tea.", "Ann"]
    assert (listed[1]["author_kind"], listed[1]["diff"]) == ("step", "@@ -1 +1,2 @@\n Ann\n+Likes tea.")
    assert client.steps.retrieve(listed[1]["author_id"]).agent_id == agent

    undone = requests.post(f"{url}/undo", json={"expected_version": 3}, headers=headers, timeout=20)
    assert undone.json()["value"] == "Ann\nLikes tea."
    late = requests.post(f"{url}/undo", json={"expected_version": 3}, headers=headers, timeout=20)
    assert late.status_code == 409

    history = perdure(server, "history", block.id).stdout
    assert "version 4" in history
    assert "    +Likes tea." in history
    assert perdure(server, "undo", block.id, "--version", "1").stdout == "human is now:\nAnn\n"
    assert client.blocks.retrieve(block.id).value == "Ann"
    refused = perdure(server, "undo", block.id, "--version", "9")
    assert (refused.returncode, "has no version 9" in refused.stderr) == (1, True)


def test_blocks_that_the_client_listed_are_imported_from_a_file(server: Server, tmp_path: Path) -> None:
    client = server.client()
    agent = server.agent(memory_blocks=[{"label": "human", "value": "Ann"}])
    other = server.agent(memory_blocks=[{"label": "human", "value": "?"}])
    listed = [block.model_dump(mode="json") for block in client.agents.blocks.list(agent)]
    file = tmp_path / "blocks.json"
    file.write_text(json.dumps([*listed, {"label": "plans", "value": "Rest."}]))

    said = perdure(server, "import", str(file), "--agent", other)
    words = [line.split()[1:] for line in said.stdout.splitlines()]
    assert words == [["plans", "created"], ["human", "changed"]], said.stderr
    blocks = {block.label: block for block in client.agents.blocks.list(other)}
    assert {label: block.value for label, block in blocks.items()} == {"human": "Ann", "plans": "Rest."}
    assert "  import-" in perdure(server, "history", blocks["human"].id).stdout
    assert client.agents.blocks.retrieve("human", agent_id=agent).id == listed[0]["id"]

    file.write_text("\n".join(json.dumps({"label": label, "value": "four", "limit": 3}) for label in ("new", "human")))
    refused = perdure(server, "import", str(file), "--agent", other)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "Block 1, 'new'" in refused.stderr
    assert len(client.agents.blocks.list(other).items) == 2
