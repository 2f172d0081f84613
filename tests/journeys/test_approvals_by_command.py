"""Calls that wait, as somebody at a terminal meets them: what waits is shown, with the command that answers it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from cli.configuration import ROOT
from tests.live import Server, call, turn


def perdure(server: Server, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PERDURE_URL": server.web.url, "PERDURE_API_KEY": server.key, "COLUMNS": "200"}
    command = [sys.executable, "-m", "cli", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, input=typed)


def test_what_waits_is_shown_with_the_command_that_answers_it(server: Server, tmp_path: Path) -> None:
    bell = tmp_path / "bell"
    bell.mkdir()
    rule = {"type": "requires_approval", "tool_name": "ring_bell"}
    agent = server.agent("ring_bell", "set_lamp", tool_rules=[rule])
    asked = turn(call("ring_bell", folder=bell), "!say Done.")

    first = perdure(server, "send", agent, asked)
    assert first.returncode == 1
    assert f'ring_bell {{"folder": "{bell}"' in first.stderr
    [command] = re.findall(r"\./perdure (approvals approve approval-\S+)", first.stderr)

    again = perdure(server, "send", agent, "And now?")
    assert again.stderr.startswith("The agent waits for an answer to its tool calls.")
    assert command in again.stderr
    assert "PENDING_APPROVAL" not in again.stderr

    chatted = perdure(server, "chat", agent, typed="And now?\n/quit\n").stdout
    assert "→ ring_bell {" in chatted
    assert chatted.count(command) == 2
    assert "PENDING_APPROVAL" not in chatted

    assert perdure(server, *command.split()).stdout.startswith("Approved; run-")
    server.await_end(last_run(server, agent))
    chatted = perdure(server, "chat", agent, typed=turn(call("ring_bell", folder=bell)) + "\n/quit\n").stdout
    assert "(approved)" in chatted
    assert "Done." in chatted
    assert "(requires approval)" in chatted
    assert "./perdure approvals approve approval-" in chatted.split("(requires approval)")[1]


def last_run(server: Server, agent: str) -> str:
    [(run,)] = server.sql("SELECT id FROM agents_run WHERE agent_id = %s ORDER BY created_at DESC LIMIT 1", agent)
    return str(run)
