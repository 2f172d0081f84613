"""`./perdure tools` against a running server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.configuration import ROOT
from tests.live import Server

SOURCE = '''
def add_up(numbers: list[int]) -> int:
    """Add numbers up.

    Args:
        numbers: What to add.
    """
    print("adding")
    return sum(numbers)
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "adding.py"
    path.write_text(SOURCE)
    return path


def perdure(server: Server, *words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PERDURE_URL": server.web.url, "PERDURE_API_KEY": server.key, "COLUMNS": "200"}
    command = [sys.executable, "-m", "cli", "tools", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


@pytest.mark.usefixtures("jail")
def test_a_try_prints_what_the_function_prints_and_returns(server: Server, file: Path) -> None:
    assert perdure(server, "try", file, '{"numbers": [1, 2, 3]}').stdout == "adding\n6\n"
    assert server.sql("SELECT count(*) FROM tools_tool WHERE name = 'add_up' AND source_code IS NULL") == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "told"), [('{"numbers": "x"}', "numbers"), ("{", "no JSON"), ("[]", "a JSON object")]
)
def test_a_try_that_cannot_be(server: Server, file: Path, arguments: str, told: str) -> None:
    done = perdure(server, "try", file, arguments)
    assert (done.returncode, told in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
    assert len(set(done.stderr.splitlines())) == len(done.stderr.splitlines())


def test_its_schema(server: Server, file: Path) -> None:
    shown = json.loads(perdure(server, "schema", file).stdout)
    assert shown["parameters"]["properties"]["numbers"]["items"] == {"type": "integer"}


def test_it_is_saved_and_listed(server: Server, file: Path) -> None:
    done = perdure(server, "create", file)
    assert done.stdout.startswith("add_up is tool-")
    assert "Add numbers up." in perdure(server, "list").stdout


def test_a_source_that_is_no_tool(server: Server, file: Path) -> None:
    file.write_text("def nothing(): pass")
    done = perdure(server, "create", file)
    assert (done.returncode, "docstring" in done.stderr) == (1, True)
    assert "cannot be read" in perdure(server, "schema", file.with_name("absent.py")).stderr
