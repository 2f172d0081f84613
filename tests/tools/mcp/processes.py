"""MCP servers as processes of their own, on free ports."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live.processes import Running, free_port
from tests.live.waiting import wait_until

GOOD, EVIL = "tests.tools.mcp.good_server", "tests.tools.mcp.evil_server"


@contextmanager
def started(module: str, kind: str, log: Path, port: int | None = None, **environment: str) -> Iterator[str]:
    """Its "host:port", when it listens."""
    port = port or free_port()
    command = (sys.executable, "-m", module, kind, str(port))
    process = Running("mcp", command, log, os.environ | environment)
    try:
        wait_until(lambda: _listens(process, port), what="the MCP server listens")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()


def _listens(process: Running, port: int) -> bool:
    assert process.is_alive, f"the MCP server ended; its log:\n{process.tail()}"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
