"""What all tests share: the option for the slow ones, a fake LLM, and a server that nobody breaks."""

from collections.abc import Iterator
from functools import cache

import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase

from tests import invariants
from tests.fakellm import FakeLLM
from tests.live import Server
from tests.live.callees import Callee
from tests.live.processes import free_port
from tests.tools.mcp.processes import GOOD, started
from tools.sandbox import Level, detect


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", action="store_true", help="also the slow tests")


LONGEST = (
    *("cli/test_up.py", "agents/test_lifecycle_stateful.py", "model/test_machine.py", "mcp/test_calls.py"),
    *("api_document/test_fuzz.py", "journeys/test_planted_facts.py"),
)
"""Files that take a minute, or many. They come first, so that of two processes none is left with one at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not str(item.path).endswith(LONGEST))
    if config.getoption("--faults") or config.getoption("-m"):
        return
    slow = [item for item in items if item.get_closest_marker("faults") or item.get_closest_marker("thorough")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.fixture(scope="session", autouse=True)
def quickly_emptied_tables() -> Iterator[None]:
    """What tests have committed is deleted behind them. Django's own way takes a quarter of a second: it truncates, for
    which every file of every table and index is made anew, and then writes all permissions again."""
    kept = ("django_migrations", "django_content_type", "auth_permission")
    # Neither the order of foreign keys nor the triggers that keep counts matter where all rows go.
    around = ("SET session_replication_role = replica", "RESET session_replication_role")

    @cache
    def statement() -> str:
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        deletes = (f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables if table not in kept)
        return "; ".join((around[0], *deletes, around[1]))

    def emptied(self: TransactionTestCase) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", emptied)
        yield


@pytest.fixture(scope="session")
def llm() -> Iterator[FakeLLM]:
    with FakeLLM() as fake:
        yield fake


@pytest.fixture
def jail() -> None:
    """For tests in which users' tools run: they are refused where the machine cannot lock them in."""
    tier = detect()
    if tier.level < Level.FILTERED:
        pytest.skip(str(tier))


@pytest.fixture(scope="session")
def mcp_port() -> int:
    """Where the server below may reach an MCP server, should a test want one."""
    return free_port()


@pytest.fixture(scope="session")
def mcp_url(tmp_path_factory: pytest.TempPathFactory, mcp_port: int) -> Iterator[str]:
    with started(GOOD, "http", tmp_path_factory.mktemp("mcp") / "log", mcp_port) as address:
        yield f"http://{address}/mcp"


@pytest.fixture(scope="session")
def callee() -> Iterator[Callee]:
    with Callee() as called:
        yield called


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM, mcp_port: int, callee: Callee) -> Iterator[Server]:
    """One for all journeys: what breaks a process has a server of its own. Its rows are checked at the end."""
    reachable = {
        "PERDURE_MCP_PRIVATE_HOSTS": f"127.0.0.1:{mcp_port}",
        "PERDURE_CALLBACK_PRIVATE_HOSTS": f"127.0.0.1:{callee.port}",
        "PERDURE_CALLBACK_SECRET": callee.secret,
    }
    with Server(tmp_path_factory.mktemp("server"), llm, workers=2, **reachable) as running:
        yield running
        invariants.check(running.connection)
