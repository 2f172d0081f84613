"""A Postgres of a test's own, so that it may be stopped and started again. It keeps what it has committed."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project.embedded import accounts, homes, postgres
from tests.fakellm import FakeLLM
from tests.live import Running, Server, databases, wait_until

KEY_FILE = "api-key"


class Postgres:
    def __init__(self, folder: Path, **settings: str):
        self._log = folder / "postgres.log"
        self._account = accounts.unprivileged()
        # Short, because the path of a socket may have 107 bytes.
        self._room = Path(tempfile.mkdtemp(prefix="perdure-", dir="/tmp"))
        self._room.chmod(0o711)
        self._sockets = homes.socket_folder(self._room, "run", self._account)
        parent = homes.socket_folder(self._room, "data", self._account)
        self._data = postgres.initialized(parent, self._log, self._account, throwaway=True)
        self._settings = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.start()

    @property
    def url(self) -> str:
        return postgres.url(self._sockets)

    def start(self) -> None:
        command = postgres.program(self._data, self._sockets, self._log, self._account).command
        self._process = Running("Postgres", (*command, *self._settings), self._log, account=self._account)
        wait_until(lambda: postgres.answers(self._sockets), what="Postgres answers")

    def stop_at_once(self) -> None:
        """As `pg_ctl stop -m immediate`: sessions are cut, and the next start recovers from the log."""
        os.kill(self._process.pid, signal.SIGQUIT)
        self._process.wait()

    def close(self) -> None:
        self._process.kill()
        shutil.rmtree(self._room, ignore_errors=True)


@contextmanager
def served_from(postgres: Postgres, folder: Path, llm: FakeLLM, **environment: str) -> Iterator[Server]:
    """A server whose rows are there."""
    server = Server(folder, llm, DATABASE_URL=postgres.url, **environment)
    server.connection.close()
    for arguments in (("migrate", "--no-input"), ("bootstrap",)):
        server.manage(*arguments)
    server.key = (folder / KEY_FILE).read_text().strip()
    reconnect(server)
    with server:
        yield server


def reconnect(server: Server) -> None:
    """The test's own session, after it was cut."""
    server.connection.close()
    server.connection = databases.connect(server.environment["DATABASE_URL"])
