"""`./perdure tools`: what tools there are; a tool from a file, its schema, and a try at it."""

import json
import urllib.parse
from pathlib import Path
from typing import Any

from cli.configuration import Refused
from cli.files import text_of
from cli.screen import printable
from cli.server import Server, find_agent, named, server

FIRST_LINE = 75


def listed() -> None:
    for tool in server().pages("/v1/tools/", order="asc"):
        words = (tool["description"] or "").strip().splitlines() or [""]
        print(f"{printable(tool['name']):<28} {tool['id']}\n    {printable(words[0][:FIRST_LINE])}")


def created(path: Path) -> None:
    tool = server().post("/v1/tools/", {"source_code": text_of(path)})
    print(f"{tool['name']} is {tool['id']}.\nGive it to an agent: ./perdure tools attach AGENT {tool['name']}")


def attached(agent: str, tool: str) -> None:
    _change(agent, tool, "attach", "has it now")


def detached(agent: str, tool: str) -> None:
    _change(agent, tool, "detach", "does not have it any more")


def _change(agent: str, tool: str, what: str, outcome: str) -> None:
    there = server()
    its, tool_id = find_agent(there, agent), find_tool(there, tool)
    there.patch(f"/v1/agents/{its['id']}/tools/{what}/{urllib.parse.quote(tool_id, safe='')}", {})
    print(f"{printable(its['name'])} ({its['id']}) {outcome}.")


def find_tool(there: Server, wanted: str) -> str:
    """A tool's id, by its id or its name."""
    is_id = wanted.startswith("tool-")
    ids = [wanted] if is_id else [tool["id"] for tool in there.get("/v1/tools/", name=named(wanted, "a tool"))]
    if not ids:
        raise Refused(f"There is no tool named {wanted!r}; ./perdure tools list shows those that there are.")
    return str(ids[0])


def schema(path: Path) -> None:
    print(json.dumps(server().post("/v1/tools/generate-schema", {"code": text_of(path)}), indent=2, ensure_ascii=False))


def tried(path: Path, arguments: str) -> None:
    """Runs the function in the jail, without saving it."""
    body = {"source_code": text_of(path), "args": _arguments(arguments)}
    done = server().post("/v1/tools/run", body)
    for line in done["stdout"]:
        print(printable(line))
    value = done["func_return"]
    text = printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    if done["status"] == "error":
        raise Refused(_failure([printable(line) for line in done["stderr"]], text))
    print(text)


def _failure(stderr: list[str], text: str) -> str:
    """What went wrong, once: some of it is in both."""
    return "\n".join([line for line in stderr if line.strip() != text.strip()] + [text])


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Refused(f'The arguments are no JSON ({error}). Write them like {{"num_sides": 6}}.') from None
    if not isinstance(value, dict):
        raise Refused('The arguments should be a JSON object, like {"num_sides": 6}.')
    return value
