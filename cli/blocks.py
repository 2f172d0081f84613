"""`./perdure blocks`: what a block of core memory was, and the way back; blocks from a file."""

import urllib.parse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.configuration import Refused
from cli.files import json_of
from cli.screen import printable
from cli.server import find_agent, server

STYLES = {"+": "green", "-": "red", "@": "cyan"}


def listed(agent: str) -> None:
    there = server()
    blocks = list(there.pages(f"/v1/agents/{find_agent(there, agent)['id']}/core-memory/blocks"))
    for block in blocks:
        print(
            f"{block['id']}  {printable(block['label']):<20} {len(block['value']):,} of {block['limit']:,} characters"
        )
    if not blocks:
        print("It has no blocks.")


def history(block_id: str) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for version in server().get(f"{_path(block_id)}/versions"):
        author = printable(version["author_id"] or "nobody known")
        console.print(Text(f"version {version['number']}  {version['created_at']}  {author}", "bold"))
        for line in _diff(version):
            console.print(Text(f"    {line}", STYLES.get(line[:1], "")))


def undo(block_id: str, version: int | None) -> None:
    block = server().post(f"{_path(block_id)}/undo", {"version": version}, seconds=30)
    print(f"{printable(block['label'])} is now:\n{printable(block['value'])}")


def imported(file: Path, agent: str | None) -> None:
    blocks = _blocks_of(file)
    there = server()
    body = {"blocks": blocks, "agent_id": find_agent(there, agent)["id"] if agent is not None else None}
    result = there.post("/v1/blocks/import", body, seconds=60)
    for became in ("created", "changed", "unchanged"):
        for block in result[became]:
            print(f"{block['id']}  {printable(block['label']):<20} {became}")


def _blocks_of(file: Path) -> list[Any]:
    """A list of blocks, an object that has it as `blocks`, or a single block."""
    found = json_of(file)
    if isinstance(found, dict):
        found = found.get("blocks", [found])
    if not isinstance(found, list) or not found:
        raise Refused(f"{file} has no list of blocks.")
    return found


def _path(block_id: str) -> str:
    return f"/v1/blocks/{urllib.parse.quote(block_id, safe='')}"


def _diff(version: dict[str, Any]) -> list[str]:
    if version["diff"] is None:
        return ["(too much to compare)"]
    return printable(version["diff"]).splitlines()
