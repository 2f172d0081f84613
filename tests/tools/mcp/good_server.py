"""A good MCP server, made with the `mcp` package: `python -m tests.tools.mcp.good_server stdio|sse|http [port]`.

Over HTTP it wants no key, unless the variable MCP_KEY is set.
"""

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

server = MCPServer("good", log_level="CRITICAL")


class Point(BaseModel):
    x: int
    y: int = 0


@server.tool()
def add(a: int, b: Annotated[int, Field(description="The other one.")] = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def where(point: Point, others: list[Point] | None = None) -> dict[str, Any]:
    """Tell a place."""
    return {"x": point.x, "y": point.y, "others": len(others or [])}


@server.tool()
def picture() -> Image:
    """Draw a picture."""
    return Image(data=b"123456", format="png")


@server.tool()
def fail(reason: str) -> str:
    """Fail."""
    raise ToolError(reason)


@server.tool()
def wait(seconds: float) -> str:
    """Take a while."""
    time.sleep(seconds)
    return "done"


@server.tool()
def note(path: str, text: str) -> str:
    """Write a line to a file."""
    with Path(path).open("a") as file:
        file.write(f"{text}\n")
    return "noted"


@server.tool(name="odd name/with.signs")
def odd() -> str:
    """Has a name that no provider takes."""
    return "odd"


@server.tool()
def variable(name: str) -> str:
    """Tell a variable of the environment."""
    return os.environ.get(name, "(none)")


def _guarded(app: Any) -> Any:
    """The app behind a key, where there is one."""
    key = os.environ.get("MCP_KEY")

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and key and (b"authorization", f"Bearer {key}".encode()) not in scope["headers"]:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"no"})
            return
        await app(scope, receive, send)

    return guarded


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        import uvicorn

        app = server.sse_app() if sys.argv[1] == "sse" else server.streamable_http_app()
        uvicorn.run(_guarded(app), host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
