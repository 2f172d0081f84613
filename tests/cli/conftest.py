"""An environment that holds none of our own variables, and a console whose output can be read."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from cli.screen import Screen

PREFIXES = ("PERDURE_", "DATABASE_URL", "REDIS_URL", "OPENAI_", "ANTHROPIC_", "OLLAMA_")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PERDURE_HOME", str(tmp_path / "home"))


@pytest.fixture
def screen() -> Screen:
    return Screen(Console(file=io.StringIO(), width=80, highlight=False, markup=False))
