"""Every page links to what exists, and every Python example compiles."""

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_compile(page: Path):
    for code in re.findall(r"^( *)```python\n(.*?)```", page.read_text(), re.DOTALL | re.MULTILINE):
        compile(textwrap.dedent(code[1]), str(page), "exec")


def test_the_files_that_pages_name_exist():
    named = {
        (page, name)
        for page in PAGES
        for name in re.findall(
            r"`((?:agents|workers|tools|memory|accounts|project|cli|tests|docs)/[\w/.-]+)`", page.read_text()
        )
    }
    gone = sorted(f"{page.name}: {name}" for page, name in named if not (ROOT / name).exists())
    assert not gone


def test_the_tests_that_pages_name_exist():
    named = {(page, *test) for page in PAGES for test in re.findall(r"`(tests/[\w/.-]+)::([\w:]+)`", page.read_text())}
    gone = sorted(
        f"{page.name}: {file}::{name}"
        for page, file, name in named
        for part in name.split("::")
        if not re.search(rf"(def|class) {part}\b", (ROOT / file).read_text())
    )
    assert named
    assert not gone
