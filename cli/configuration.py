"""What the command reads from the environment, and the files that it keeps in PERDURE_HOME."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from project import env
from project.embedded.processes import STOP_GRACE

ROOT = Path(__file__).resolve().parent.parent
API_KEY = "api-key"
ADMIN_PASSWORD = "admin-password"
SECRET_KEY = "secret-key"
RUN_FILE = "run.json"


class Refused(Exception):
    """What was asked for cannot be done; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Configuration:
    home: Path
    host: str
    port: int
    slots: int
    stop_grace: float
    database_url: str | None
    redis_url: str | None

    @property
    def url(self) -> str:
        """Where this machine reaches the server: a server that listens on all addresses is asked on the loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def configuration() -> Configuration:
    return Configuration(
        home=home(),
        host=env.text("PERDURE_HOST", "127.0.0.1"),
        port=env.number("PERDURE_PORT", 8283, minimum=1),
        slots=env.number("PERDURE_WORKER_SLOTS", 1000, minimum=1),
        stop_grace=env.seconds("PERDURE_STOP_GRACE", STOP_GRACE),
        database_url=env.secret("DATABASE_URL"),
        redis_url=env.secret("REDIS_URL"),
    )


def home() -> Path:
    return Path(env.text("PERDURE_HOME", str(ROOT / ".perdure"))).absolute()


def child_environment(chosen: Configuration, database_url: str, redis_url: str) -> dict[str, str]:
    """The environment of our own programs. What we resolved from a NAME_FILE is handed on as NAME alone."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL_FILE", "REDIS_URL_FILE")
    }
    return inherited | {
        "PERDURE_HOME": str(chosen.home),
        "PERDURE_STOP_GRACE": str(chosen.stop_grace),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PYTHONUNBUFFERED": "1",
    }


def ensure_secret_key(home: Path) -> None:
    """Makes the key that signs cookies at the first start, unless PERDURE_SECRET_KEY brings one."""
    if env.secret("PERDURE_SECRET_KEY") is None and not (home / SECRET_KEY).exists():
        write_private(home / SECRET_KEY, secrets.token_urlsafe(48) + "\n")


def write_private(path: Path, content: str) -> None:
    """Writes a file that only its owner may read; it appears whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    draft.replace(path)
