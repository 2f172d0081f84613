"""`./perdure agents`: which agents there are."""

from typing import Any

from cli.screen import printable
from cli.server import server


def listed(name: str | None) -> None:
    part = (name or "").strip()
    found = [agent for agent in server().pages("/v1/agents/", query_text=part) if part.lower() in agent["name"].lower()]
    for agent in found:
        print(
            f"{agent['id']}  {printable(agent['name']):<24} {printable(agent['model'] or 'no model'):<28} {_ran(agent)}"
        )
    if not found:
        print(f"No agent has {part!r} in its name." if part else "There are no agents.")


def _ran(agent: dict[str, Any]) -> str:
    if agent["last_run_completion"] is None:
        return "has not run yet"
    return f"ran {agent['last_run_completion']}, {agent['last_stop_reason']}"
