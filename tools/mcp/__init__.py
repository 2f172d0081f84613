"""Tools of MCP servers. The `mcp` package takes a second and 60 MB to import: session.py does, when first used."""

from tools.mcp.calls import Answer, RemoteTool, call, remote_tools
from tools.mcp.errors import Forbidden, McpError, Rejected, TimedOut, Unreachable

__all__ = [
    "Answer",
    "Forbidden",
    "McpError",
    "Rejected",
    "RemoteTool",
    "TimedOut",
    "Unreachable",
    "call",
    "remote_tools",
]
