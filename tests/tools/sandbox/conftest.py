"""A sandbox for each tier that this machine has, and a shorthand for calls in it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.sandbox import Level, Limits, Outcome, Sandbox, Tier, detect
from tools.sandbox.tiers import Account, unprivileged

Run = Callable[..., Outcome]


def account_for(level: Level) -> Account | None:
    """Without namespaces: the server's own user, whose files and processes are nearest. Root's powers are dropped."""
    return unprivileged() if level == Level.FULL else (os.getuid(), os.getgid())


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Package folders of two tenants."""
    store = tmp_path_factory.mktemp("store")
    store.chmod(0o755)
    for tenant in ("ours", "theirs"):
        (store / tenant).mkdir()
        (store / tenant / f"{tenant}_package.py").write_text(f"OWNER = '{tenant}'\n")
    return store


@pytest.fixture(scope="session", params=[Level.FULL, Level.FILTERED], ids=["namespaces", "filtered"])
def level(request: pytest.FixtureRequest) -> Level:
    found = detect(account_for(request.param))
    if found.level < request.param:
        pytest.skip(str(found))
    return request.param


@pytest.fixture(scope="session")
def sandbox(level: Level, store: Path) -> Iterator[Sandbox]:
    limits = Limits(wall_seconds=20, cpu_seconds=10)
    with Sandbox(Tier(level), limits, account=account_for(level), package_store=store) as sandbox:
        yield sandbox


@pytest.fixture
def run(sandbox: Sandbox) -> Run:
    """`run("return n + 1", n=1)`: the body of a function that gets the keywords."""

    def run(body: str, *, limits: Limits | None = None, variables: dict[str, str] | None = None, **arguments: object):
        return sandbox.run(function(body, arguments), "tool", arguments, limits=limits, variables=variables)

    return run


def function(body: str, arguments: dict[str, object]) -> str:
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return f"def tool({', '.join(arguments)}):\n{lines}"
