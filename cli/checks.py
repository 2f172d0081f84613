"""`./perdure test`: style, types, the borders between packages, then the tests. The first failure ends it."""

import os
import subprocess
import sys

from cli.configuration import ROOT

BIN = os.path.dirname(sys.executable)

CHECKS = {
    "Lint": ("ruff", "check", "."),
    "Format": ("ruff", "format", "--check", "."),
    "Types": ("mypy",),
    "Imports": ("lint-imports",),
}


def check(faults: bool, arguments: list[str]) -> int:
    """The exit code of the first step that failed, or 0."""
    for name, command in CHECKS.items():
        code = step(name, (os.path.join(BIN, command[0]), *command[1:]))
        if code != 0:
            return code
    return step("Tests", pytest_command(faults, arguments))


def step(name: str, command: tuple[str, ...]) -> int:
    print(f"{name} ...", flush=True)
    # Types are checked with Django's settings loaded, and these want a key.
    environment = {"PERDURE_SECRET_KEY": "for checks only"} | os.environ
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


def pytest_command(faults: bool, arguments: list[str]) -> tuple[str, ...]:
    """Without --faults the slow fault tests stay out; an -m of the caller's own wins, as the last one.

    The whole suite is shared out to two processes, by file. What is asked for by name, and the fault tests, which
    starve processes of time, run in one.
    """
    chosen = ("--faults",) if faults else ("-m", "not faults")
    whole = not faults and all(argument.startswith("-") for argument in arguments)
    shared = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder") if whole else ()
    return (sys.executable, "-m", "pytest", *chosen, *shared, *arguments)


def soak(arguments: list[str]) -> int:
    return subprocess.run((sys.executable, "-m", "tests.soak", *arguments), cwd=ROOT).returncode
