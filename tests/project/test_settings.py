"""docs/settings.md knows every variable that is read."""

import re
from pathlib import Path

import pytest

from agents.llm.provider import VARIABLES
from tools.web.search import VARIABLES as SEARCH_VARIABLES

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/settings.md").read_text()
READ = re.compile(
    r'env\.(?:text|flag|handle|number|seconds|words|hosts|secret)\("([A-Z_]+)"|environ(?:\.get)?[(\[]"([A-Z_]+)"'
)

# Set by Django's own tools, and for tests.
NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE", "PERDURE_FAULT", "PERDURE_FAULT_ONCE", "PERDURE_FAULT_TEXT"}


def names(path):
    text = path.read_text()
    found = {one or other for one, other in READ.findall(text)}
    return found | ({*VARIABLES, *SEARCH_VARIABLES} if path.name == "settings.py" else set())


FOLDERS = ("project", "cli", "agents", "workers", "accounts")
SOURCES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]


def test_the_search_finds_what_there_is():
    assert {"PERDURE_HOME", "DATABASE_URL", "OPENAI_API_KEY"} <= names(ROOT / "project/settings.py")


@pytest.mark.parametrize("name", sorted({name for path in SOURCES for name in names(path)} - NOT_SETTINGS))
def test_every_variable_is_documented(name):
    assert f"`{name}`" in DOCUMENT


def test_nothing_is_documented_that_is_not_read():
    rows = re.findall(r"^\| `([A-Z_]+)`", DOCUMENT, re.MULTILINE)
    read = {name for path in SOURCES for name in names(path)} | {"PYTHON"}
    assert set(rows) <= read


@pytest.mark.parametrize(
    ("name", "default"),
    re.findall(r'env\.(?:number|seconds)\("([A-Z_]+)", (\d+)', (ROOT / "project/settings.py").read_text()),
)
def test_numbers_have_the_default_that_is_documented(name, default):
    assert re.search(rf"^\| `{name}` \| \w+ \| `{default}`", DOCUMENT, re.MULTILINE)
