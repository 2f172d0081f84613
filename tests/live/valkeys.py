"""A Valkey of a server's own, so that a test may flush, kill and freeze it."""

import shutil
import tempfile
from pathlib import Path

from project.embedded import accounts, homes, valkey
from tests.live.processes import Running
from tests.live.waiting import wait_until


class Valkey:
    def __init__(self, log: Path):
        self._log = log
        self._account = accounts.unprivileged()
        # Short, because the path of a socket may have 107 bytes.
        self._room = Path(tempfile.mkdtemp(prefix="perdure-", dir="/tmp"))
        self._room.chmod(0o711)
        self._folder = homes.socket_folder(self._room, "valkey", self._account)
        self.start()

    @property
    def url(self) -> str:
        return valkey.url(self._folder)

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self) -> None:
        program = valkey.program(self._folder, self._log, self._account)
        self.process = Running("Valkey", program.command, self._log, account=self._account)
        wait_until(lambda: valkey.answers(self._folder), what="Valkey answers")

    def close(self) -> None:
        self.process.kill()
        shutil.rmtree(self._room, ignore_errors=True)
