"""Packages of tools: from a folder of wheels that the tests make, into a real jail."""

import base64
import hashlib
import os
import time
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.agents import given
from tools import catalog, custom, packages
from tools.models import Tool
from tools.sandbox import Level, Sandbox, detect
from tools.spec import ToolCall, ToolReturn
from workers import packages as job

SOURCE = '''
def greeting() -> str:
    """Say what the package says."""
    import wheelmade
    return wheelmade.SAYS
'''


def make_wheel(folder: Path, version: str, says: str, name: str = "wheelmade") -> None:
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"SAYS = {says!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {path: hashlib.sha256(text.encode()).digest() for path, text in files.items()}
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()},{len(files[path])}\n"
        for path, digest in digests.items()
    )
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in (files | {f"{info}/RECORD": record}).items():
            wheel.writestr(path, text)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    make_wheel(folder, "1.0", "hello from 1")
    make_wheel(folder, "2.0", "hello from 2")
    (folder / "sourceonly-1.0.tar.gz").write_bytes(b"a package that would have to be built")
    return folder


@pytest.fixture
def store(tmp_path: Path, wheels: Path, settings: Any) -> Path:
    settings.ALLOW_TOOL_PACKAGES = True
    settings.TOOL_PACKAGE_INDEX = str(wheels)
    settings.TOOL_PACKAGE_STORE = tmp_path / "packages"
    return tmp_path / "packages"


@pytest.fixture
def saved(transactional_db: None, store: Path) -> Any:
    """`saved("wheelmade", "1.0")`: a tool that asks for it, in an organization of the test's."""
    owner = given.organization()

    def saved(name: str = "wheelmade", version: str | None = None) -> Tool:
        columns: dict[str, Any] = {"name": "greeting", "source_code": SOURCE, "json_schema": {"parameters": {}}}
        columns |= packages.columns([{"name": name, "version": version}])
        return catalog.put(owner.id, None, columns)

    return saved


def built(tool: Tool) -> tuple[str, str | None]:
    job.build(tool.id)
    tool.refresh_from_db()
    return tool.package_state, tool.package_error


def called(tool: Tool, store: Path | None) -> ToolReturn:
    with Sandbox(package_store=store) as sandbox:
        return custom.run(tool, {}, ToolCall("call-1", "greeting", "{}"), sandbox, custom.Caller({}))


@pytest.mark.skipif(detect().level < Level.FILTERED, reason="this machine cannot lock tools in")
@pytest.mark.parametrize(("version", "says"), [(None, "hello from 2"), ("1.0", "hello from 1")])
def test_a_tool_gets_its_packages(saved: Any, store: Path, version: str | None, says: str) -> None:
    tool = saved(version=version)
    assert tool.package_state == "waiting"
    assert built(tool) == ("ready", None)
    assert called(tool, store).text == says


@pytest.mark.parametrize(
    ("name", "version"), [("wheelmade", "3.0"), ("no-such-package", None), ("sourceonly", None), ("sourceonly", "1.0")]
)
def test_what_cannot_be_installed_is_told(saved: Any, store: Path, wheels: Path, name: str, version: str) -> None:
    """Also what would have to be built, which would run its code."""
    tool = saved(name, version)
    state, error = built(tool)
    assert (state, name in str(error)) == ("failed", True)
    assert str(store) not in str(error)
    assert str(wheels) not in str(error)
    returned = called(tool, store)
    assert (returned.status, returned.text) == (
        "error",
        f"The tool was not run. Its packages could not be installed: {error}",
    )
    assert list(store.iterdir()) == []


def test_a_call_before_they_are_there_says_so(saved: Any, store: Path) -> None:
    tool = saved()
    store.mkdir()
    said = "The tool was not run. Its packages are still being installed. Try again in a minute."
    assert called(tool, store).text == said
    Tool.objects.update(package_state="building")
    tool.refresh_from_db()
    assert called(tool, store).text == said
    assert list(store.iterdir()) == []


def test_a_call_where_they_are_not(saved: Any, store: Path, tmp_path: Path) -> None:
    tool = saved()
    built(tool)
    assert "not on this machine" in called(tool, tmp_path).text
    assert "installs none for tools" in called(tool, None).text


def test_the_same_again_is_not_installed_again(saved: Any) -> None:
    tool = saved(version="1.0")
    built(tool)
    assert saved(version="1.0").package_state == "ready"
    assert saved("WheelMade", "1.0").package_state == "ready"
    assert saved(version="2.0").package_state == "waiting"


def test_what_failed_is_tried_again_when_it_is_saved_again(saved: Any, wheels: Path) -> None:
    tool = saved("latecomer")
    assert built(tool)[0] == "failed"
    make_wheel(wheels, "1.0", "late", "latecomer")
    assert saved("latecomer").package_state == "waiting"
    assert built(tool) == ("ready", None)


def test_a_tool_that_asks_for_nothing_any_more(saved: Any) -> None:
    tool = saved()
    built(tool)
    catalog.change(tool, None, packages.columns([]))
    assert (tool.pip_requirements, tool.package_state) == ([], "")


def test_one_job_builds_it(saved: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = saved()
    begun: list[str] = []

    def installed(store: Path, tool: Tool, index: str | None) -> str | None:
        begun.append(tool.id)
        job.build(tool.id)  # the same hint, to another worker
        return None

    monkeypatch.setattr(packages, "_installed", installed)
    job.build(tool.id)
    job.build(tool.id)
    assert begun == [tool.id]


def test_a_change_while_it_is_built_is_not_taken_for_done(saved: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = saved(version="1.0")
    monkeypatch.setattr(packages, "_installed", lambda *_: saved(version="2.0") and None)
    assert built(tool) == ("waiting", None)


def test_without_an_admins_leave_nothing_is_installed(saved: Any, settings: Any, store: Path) -> None:
    tool = saved()
    settings.ALLOW_TOOL_PACKAGES = False
    assert built(tool) == ("waiting", None)
    assert not store.exists()


@pytest.mark.parametrize(
    ("state", "seconds", "again"),
    [
        ("waiting", 5, False),
        ("waiting", 60, True),
        ("building", 60, False),
        ("building", 600, True),
        ("ready", 600, False),
    ],
)
def test_lost_hints_and_dead_builders(saved: Any, state: str, seconds: int, again: bool) -> None:
    tool = saved()
    Tool.objects.update(package_state=state, package_at=timezone.now() - timedelta(seconds=seconds))
    assert packages.overdue() == ([tool.id] if again else [])
    assert packages.overdue() == []


def test_packages_that_nobody_asks_for_any_more_are_removed_after_a_day(saved: Any, store: Path) -> None:
    tool = saved()
    built(tool)
    for name, days in (("old", 2), ("new", 0), (tool.package_folder, 2)):
        (store / name).mkdir(exist_ok=True)
        then = time.time() - days * 86_400
        os.utime(store / name, (then, then))
    packages._forget(store)
    assert sorted(path.name for path in store.iterdir()) == sorted(["new", tool.package_folder])


def test_too_large_a_set_is_not_kept(saved: Any, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "LARGEST", 10)
    state, error = built(saved())
    assert (state, "may take 10" in str(error)) == ("failed", True)
    assert list(store.iterdir()) == []


@pytest.mark.parametrize(
    "entry",
    [
        *(
            {"name": ""},
            {},
            {"name": 5},
            {"name": "-r"},
            {"name": "a b"},
            {"name": "a @ file:///etc"},
            {"name": "a==1"},
        ),
        *({"name": "https://evil.example/x.whl"}, {"name": "../x"}, {"name": "x" * 101}),
        *({"name": "a", "version": "1 --pre"}, {"name": "a", "version": "latest"}, {"name": "a", "version": ">=1"}),
        {"name": "a", "version": 1.0},
    ],
)
def test_what_is_no_requirement(entry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is no"):
        packages.columns([entry])


def test_there_are_not_too_many() -> None:
    with pytest.raises(ValueError, match="20 packages at most"):
        packages.columns([{"name": f"a{number}"} for number in range(21)])


def test_a_password_in_an_address_is_not_told() -> None:
    assert (
        packages._told("at https://me:secret@index.example/simple", "/nowhere", None)
        == "at https://…@index.example/simple"
    )


def test_the_password_of_an_index_is_no_argument(
    saved: Any, store: Path, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments of a process are seen by every user of the machine."""
    settings.TOOL_PACKAGE_INDEX = index = "https://somebody:s3cret@index.example/simple"
    script = tmp_path / "uv"
    script.write_text(f"#!/bin/sh\necho $* > {tmp_path}/arguments\necho $UV_DEFAULT_INDEX > {tmp_path}/index\nexit 1\n")
    script.chmod(0o700)
    monkeypatch.setattr(packages, "find_uv_bin", lambda: str(script))
    assert built(saved())[0] == "failed"
    assert "s3cret" not in (tmp_path / "arguments").read_text()
    assert (tmp_path / "index").read_text() == f"{index}\n"
