"""A server that tests may break, with one sound worker at the beginning of each; afterwards its rows are checked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import invariants
from tests.fakellm import FakeLLM
from tests.live import Server


@pytest.fixture(scope="package")
def broken(tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("broken"), llm) as running:
        yield running


@pytest.fixture
def server(broken: Server) -> Iterator[Server]:
    """With exactly one worker that is sound."""
    alive = [worker for worker in broken.workers if worker.is_alive]
    for worker in alive[1:]:
        worker.kill()
    broken.workers = alive[:1] or [broken.add_worker()]
    yield broken
    for worker in broken.workers:
        if worker.is_alive:
            worker.cont()
    runs = [row[0] for row in broken.sql("SELECT id FROM agents_run")]
    invariants.check(broken.connection, accepted=runs)


@pytest.fixture
def folder(server: Server, tmp_path: Path) -> Iterator[Path]:
    """Where a bell hangs and a lamp stands; with a file `wait` in it, the tools wait."""
    yield tmp_path
    (tmp_path / "wait").unlink(missing_ok=True)
    invariants.check_bells(server.connection, tmp_path)
