"""Starts the embedded Postgres and Valkey for the whole test run, before Django reads its settings."""

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
def pytest_load_initial_conftests() -> None:
    from project.embedded import running

    home = Path(_stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-tests-", ignore_cleanup_errors=True)))
    backing = _stack.enter_context(running(home, throwaway=True))
    os.environ |= {
        "PERDURE_HOME": str(home),
        "PERDURE_SECRET_KEY": "the tests' own secret key, 0123456789abcdef",
        "DATABASE_URL": backing.database_url,
        "REDIS_URL": backing.redis_url,
        "PERDURE_LEASE": "2",
        "PERDURE_SWEEP": "0.5",
        "PERDURE_STOP_GRACE": "3",
        "PERDURE_APPS": "tests.effects",
        "PERDURE_LOCAL_EMBEDDINGS": "0",  # by words, unless a test wants vectors
    }
    for name in VARIABLES:
        os.environ.pop(name, None)
