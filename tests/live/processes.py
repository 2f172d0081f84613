"""One process of a server under test: started in a session of its own, ended by its id."""

import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from project.embedded.accounts import Account
from project.embedded.supervisor import Program, spawn


class Running:
    """Started when it is made. `name` is what its log is called."""

    def __init__(
        self,
        name: str,
        command: tuple[str, ...],
        log: Path,
        environment: Mapping[str, str] | None = None,
        account: Account | None = None,
    ):
        self.name = name
        self.log = log
        self._process = spawn(Program(name, command, log, environment, account))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number for one that was killed."""
        return self._process.poll()

    def stop(self) -> None:
        """Freeze it (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    @property
    def is_stopped(self) -> bool:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def cont(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """kill -9, and everything it had started with it."""
        if self.is_alive:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        if self.is_alive:
            os.kill(self.pid, signal.SIGTERM)

    def wait(self, seconds: float = 30) -> int:
        """The exit code, when it has ended."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end; its log:\n{self.tail()}") from None

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
