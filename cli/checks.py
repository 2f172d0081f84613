"""`./perdure test`: style, types, the borders between packages, then the tests. The first failure ends it."""

import os
import subprocess
import sys

from cli.configuration import ROOT

BIN = os.path.dirname(sys.executable)

QUICK = "not faults and not thorough"

CHECKS = {
    "Lint": ("ruff", "check", "."),
    "Format": ("ruff", "format", "--check", "."),
    "Types": ("mypy",),
    "Imports": ("lint-imports",),
}


def check(faults: bool, arguments: list[str]) -> int:
    """The exit code of the first step that failed, or 0."""
    checks = {name: (os.path.join(BIN, command[0]), *command[1:]) for name, command in CHECKS.items()}
    for name, command in (checks | pytest_commands(faults, arguments)).items():
        code = step(name, command)
        if code != 0:
            return code
    return 0


def step(name: str, command: tuple[str, ...]) -> int:
    print(f"{name} ...", flush=True)
    # Types are checked with Django's settings loaded, and these want a key.
    environment = {"PERDURE_SECRET_KEY": "for checks only"} | os.environ
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


def pytest_commands(faults: bool, arguments: list[str]) -> dict[str, tuple[str, ...]]:
    """By name. An -m of the caller's own wins, as the last one.

    The whole suite is shared out to two processes, by file, with the thorough tests if the slow ones are wanted. What
    is asked for by name runs in one, and so do the fault tests, which starve processes of time.
    """
    pytest = (sys.executable, "-m", "pytest")
    if any(not argument.startswith("-") for argument in arguments):
        chosen = ("--faults",) if faults else ("-m", QUICK)
        return {"Tests": (*pytest, *chosen, *arguments)}
    shared = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
    if not faults:
        return {"Tests": (*pytest, "-m", QUICK, *shared, *arguments)}
    return {
        "Tests": (*pytest, "--faults", "-m", "not faults", *shared, *arguments),
        "Fault tests": (*pytest, "--faults", "-m", "faults", *arguments),
    }


def soak(arguments: list[str]) -> int:
    return subprocess.run((sys.executable, "-m", "tests.soak", *arguments), cwd=ROOT).returncode
