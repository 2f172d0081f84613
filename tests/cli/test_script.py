"""The script ./perdure, in a checkout whose path has spaces, with a python3 that only plays its part."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.configuration import ROOT

PYTHON = """#!/bin/sh
# plays python3, and the python of .venv: tells the log what it was asked for
echo "$@" >> "$PLAYED"
case "$*" in
    *version_info\\ \\<*) exit {recent} ;;
    *ensurepip*) exit {venv} ;;
    *version_info*) echo 3.11 ;;
    *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *"-m uv"*) exit {uv} ;;
    *"-m cli"*) echo "cli in $(pwd) got $3 and home ${{PERDURE_HOME:-unset}}" ;;
esac
"""

LOCK = """typer==1 \\
    --hash=sha256:aa
uv==2 \\
    --hash=sha256:bb \\
    --hash=sha256:cc
wheel==3 \\
    --hash=sha256:dd
"""


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.bin = folder / "bin"
        self.played = folder / "played"
        self.root.mkdir()
        self.bin.mkdir()
        shutil.copy(ROOT / "perdure", self.root / "perdure")
        (self.root / "requirements.lock").write_text(LOCK)
        (self.root / "requirements-dev.lock").write_text(LOCK + "pytest==4 \\\n    --hash=sha256:ee\n")
        (self.root / "requirements-embeddings.lock").write_text("model==5 \\\n    --hash=sha256:ff\n")
        self.play()

    def play(self, recent: int = 0, venv: int = 0, uv: int = 0) -> None:
        python = self.bin / "python3"
        python.write_text(PYTHON.format(recent=recent, venv=venv, uv=uv))
        python.chmod(0o755)

    def run(self, *words: str, script: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        self.played.write_text("")
        return subprocess.run(
            [str(script or self.root / "perdure"), *words],
            capture_output=True,
            text=True,
            cwd=self.bin.parent,
            env={"PATH": f"{self.bin}:{os.defpath}", "PYTHON": "python3", "PLAYED": str(self.played), **environment},
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_first_start_installs_and_later_ones_do_not(checkout: Checkout) -> None:
    first = checkout.run("up")
    assert first.returncode == 0, first.stderr
    assert "Installing the packages of requirements.lock" in first.stdout
    assert f"cli in {checkout.root} got up" in first.stdout
    assert "--require-hashes --compile-bytecode -r requirements.lock" in checkout.played.read_text()
    second = checkout.run("up")
    assert second.stdout == f"cli in {checkout.root} got up and home unset\n"
    assert "uv pip install" not in checkout.played.read_text()


def test_uv_comes_from_the_lock_with_its_hashes(checkout: Checkout) -> None:
    checkout.run("up")
    assert "pip install --quiet --require-hashes -r" in checkout.played.read_text()
    block = (checkout.root / ".venv" / "uv.lock").read_text()
    assert block == "uv==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"


def test_pip_installs_when_uv_does_not(checkout: Checkout) -> None:
    checkout.play(uv=1)
    result = checkout.run("up")
    assert result.returncode == 0
    assert "Installing with pip" in result.stdout
    assert "-m pip install -qq --require-hashes -r requirements.lock" in checkout.played.read_text()


def test_a_changed_lock_is_installed(checkout: Checkout) -> None:
    checkout.run("up")
    with (checkout.root / "requirements.lock").open("a") as lock:
        lock.write("new==1 \\\n    --hash=sha256:ff\n")
    assert "Installing" in checkout.run("up").stdout
    assert "Installing" not in checkout.run("up").stdout


def test_tests_install_the_larger_lock_which_serves_both(checkout: Checkout) -> None:
    assert "packages of requirements-dev.lock" in checkout.run("test").stdout
    assert "Installing" not in checkout.run("test").stdout
    assert "Installing" not in checkout.run("up").stdout


def test_the_local_embedding_model_is_installed_without_what_it_depends_on(checkout: Checkout) -> None:
    assert "Installing the local embedding model" in checkout.run("up").stdout
    assert "--no-deps --require-hashes -r requirements-embeddings.lock" in checkout.played.read_text()
    assert "Installing" not in checkout.run("up").stdout


def test_the_local_embedding_model_is_left_out_where_nobody_wants_it(checkout: Checkout) -> None:
    assert "embedding model" not in checkout.run("up", PERDURE_LOCAL_EMBEDDINGS="0").stdout
    assert "embedding model" not in checkout.run("chat").stdout
    assert "Installing the local embedding model" in checkout.run("up").stdout


def test_a_virtualenv_whose_python_is_gone_is_made_again(checkout: Checkout) -> None:
    checkout.run("up")
    (checkout.root / ".venv" / "bin" / "python").unlink()
    assert "Making .venv" in checkout.run("up").stdout


def test_it_finds_its_checkout_through_links(checkout: Checkout) -> None:
    link, chained = checkout.bin / "link", checkout.bin / "chained"
    link.symlink_to("../a checkout/perdure")
    chained.symlink_to(link)
    assert f"cli in {checkout.root} got up" in checkout.run("up", script=chained).stdout


def test_a_relative_home_is_meant_from_where_the_user_is(checkout: Checkout) -> None:
    result = checkout.run("up", PERDURE_HOME="my home")
    assert f"home {checkout.bin.parent}/my home" in result.stdout


def test_an_old_python_is_refused_with_what_to_install(checkout: Checkout) -> None:
    checkout.play(recent=1)
    result = checkout.run("up")
    assert result.returncode == 1
    assert "Python 3.11 or newer" in result.stderr
    assert "sudo apt install python3 python3-venv" in result.stderr


def test_a_python_without_venv_is_refused_with_what_to_install(checkout: Checkout) -> None:
    checkout.play(venv=1)
    result = checkout.run("up")
    assert result.returncode == 1
    assert "sudo apt install python3-venv" in result.stderr
    assert not (checkout.root / ".venv").exists()
