"""Starts the embedded Postgres and Valkey for the whole test run, before Django reads its settings.

Where tests run in several processes, each has services of its own, and the one that hands the tests out has none.
"""

import atexit
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from agents.llm.provider import VARIABLES

_stack = ExitStack()
atexit.register(_stack.close)  # also where pytest stops before it has begun


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    home = Path(_stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-tests-", ignore_cleanup_errors=True)))
    os.environ |= {
        "PERDURE_HOME": str(home),
        "PERDURE_SECRET_KEY": "the tests' own secret key, 0123456789abcdef",
        "PERDURE_LEASE": "2",
        "PERDURE_SWEEP": "0.5",
        "PERDURE_STOP_GRACE": "3",
        "PERDURE_APPS": "tests.effects",
    }
    for name in VARIABLES:
        os.environ.pop(name, None)
    if _runs_tests(early_config):
        os.environ |= _services(home)


def _runs_tests(config: pytest.Config) -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ or not config.known_args_namespace.numprocesses


def _services(home: Path) -> dict[str, str]:
    from project.embedded import running

    backing = _stack.enter_context(running(home, throwaway=True))
    return {"DATABASE_URL": backing.database_url, "REDIS_URL": backing.redis_url}
