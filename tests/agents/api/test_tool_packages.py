"""Packages of tools, over the API: installed after the tool was saved, and the tool says how that went."""

from pathlib import Path
from typing import Any

import pytest

from agents import hints
from tests.tools.test_packages import SOURCE, store, wheels
from workers import packages as job

__all__ = ["store", "wheels"]  # fixtures


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(hints, "_sent", lambda *words: not sent.append(words))
    return sent


def test_it_is_installed_after_it_was_saved_and_the_tool_says_how_that_went(
    acme: Any, store: Path, asked: list[Any]
) -> None:
    body = {
        "source_code": SOURCE,
        "pip_requirements": [{"name": "wheelmade"}],
        "metadata_": {"packages": 1, "a": 2},
    }
    tool = acme.post("tools/", body)
    assert asked == [("workers.build_packages", tool["id"])]
    assert tool["pip_requirements"] == [{"name": "wheelmade", "version": None}]
    assert tool["metadata_"] == {"a": 2, "packages": {"state": "waiting", "error": None}}
    job.build(tool["id"])
    assert acme.get(f"tools/{tool['id']}")["metadata_"]["packages"] == {"state": "ready", "error": None}
    assert acme.post("tools/", body)["metadata_"]["packages"]["state"] == "ready"
    changed = acme.patch(f"tools/{tool['id']}", {"pip_requirements": [{"name": "wheelmade", "version": "7"}]})
    assert changed["metadata_"]["packages"]["state"] == "waiting"
    assert len(asked) == 2
    job.build(tool["id"])
    failed = acme.get(f"tools/{tool['id']}")["metadata_"]["packages"]
    assert (failed["state"], "wheelmade" in failed["error"]) == ("failed", True)
    assert acme.patch(f"tools/{tool['id']}", {"pip_requirements": []})["metadata_"] == {"a": 2}


def test_a_requirement_that_is_none(acme: Any, store: Path) -> None:
    detail = acme.refused(422, "POST", "tools/", {"source_code": SOURCE, "pip_requirements": [{"name": "--pre"}]})
    assert detail[0]["loc"] == ["body", "pip_requirements"]


def test_other_languages_and_their_packages_are_refused(acme: Any, store: Path) -> None:
    npm = acme.refused(400, "POST", "tools/", {"source_code": SOURCE, "npm_requirements": [{"name": "left-pad"}]})
    assert "written in Python here and use no npm packages" in npm
    typescript = {"source_code": "export function a() {}", "source_type": "typescript"}
    assert "not in typescript" in str(acme.refused(422, "POST", "tools/", typescript))
