"""`./perdure approvals`: tool calls that wait for consent, and the answer to them."""

import urllib.parse
from typing import Any

from cli.screen import printable, shortened
from cli.server import Server, server

LONGEST = 300


def listed() -> None:
    waiting = server().get("/v1/approvals/", pending="true", order="asc", limit="200")
    for approval in waiting:
        print(f"{approval['id']}  of {approval['agent_id']}, until {approval['deadline_at']}")
        for call in approval["calls"]:
            print(f"    {_line(call)}")
    if not waiting:
        print("Nothing waits for an answer.")


def answered(id: str, *, approve: bool, reason: str | None = None) -> None:
    path = f"/v1/approvals/{urllib.parse.quote(id, safe='')}"
    run = server().post(path, {"approve": approve, "reason": reason}, seconds=30)
    print(f"{'Approved' if approve else 'Denied'}; {run['id']} goes on with it.")


def waiting_of(there: Server, agent_id: str) -> str:
    """What the agent's own conversation waits for, and the commands that answer it; empty when that is nothing."""
    place = {"agent_id": agent_id, "conversation_id": "default"}
    return "\n".join(map(_how_to_answer, there.get("/v1/approvals/", pending="true", **place)))


def _how_to_answer(approval: dict[str, Any]) -> str:
    id, calls = approval["id"], approval["calls"]
    lines = ["These calls wait for an answer:", *(f"    {_line(call)}" for call in calls)]
    if all(call["by_client"] for call in calls):
        lines.append("The client sends what they have returned; only denied they can be from here:")
    else:
        lines.append(f"    ./perdure approvals approve {id}")
    return "\n".join([*lines, f"    ./perdure approvals deny {id} --reason 'Why not'"])


def _line(call: dict[str, Any]) -> str:
    """One line whatever the model wrote: a second one might look as if it were ours."""
    by_client = " (the client runs it)" if call["by_client"] else ""
    name, arguments = (" ".join(printable(call[part]).split()) for part in ("name", "arguments"))
    return f"{name} {shortened(arguments, LONGEST)}{by_client}"
