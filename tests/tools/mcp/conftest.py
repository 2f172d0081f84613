"""MCP servers for tests, one of a kind for the whole run, and rows that name them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.tools.mcp.processes import EVIL, GOOD, started
from tools.models import McpServer

Named = Callable[..., McpServer]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Kind of server -> its "host:port"."""
    folder = tmp_path_factory.mktemp("mcp")
    with ExitStack() as stack:
        yield {
            "streamable_http": stack.enter_context(started(GOOD, "http", folder / "http.log")),
            "sse": stack.enter_context(started(GOOD, "sse", folder / "sse.log")),
            "evil": stack.enter_context(started(EVIL, "http", folder / "evil.log")),
        }


@pytest.fixture
def allowed(settings: Any, running: dict[str, str]) -> None:
    """Those servers may be reached, and commands be run."""
    settings.MCP_PRIVATE_HOSTS = list(running.values())
    settings.ALLOW_MCP_STDIO = True
