"""Postgres and Valkey without Docker, root or a port: `with running(home) as backing:` starts them and stops them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from project.embedded import accounts, homes, postgres, valkey
from project.embedded.accounts import Account
from project.embedded.errors import EmbeddedError
from project.embedded.supervisor import Child, Supervisor, last_line, silent

__all__ = ["Backing", "EmbeddedError", "running"]

LAST_DEATH = 4


@dataclass(frozen=True, slots=True)
class Backing:
    """The addresses of the two backing services, and who supervises those of them that are embedded."""

    database_url: str
    redis_url: str
    supervisor: Supervisor


@dataclass(frozen=True, slots=True)
class Ground:
    """Where and as whom the embedded services run."""

    home: Path
    run: Path
    account: Account | None
    throwaway: bool
    supervisor: Supervisor
    report: Callable[[str], None]

    def log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"


@contextmanager
def running(
    home: Path,
    *,
    database_url: str | None = None,
    redis_url: str | None = None,
    throwaway: bool = False,
    report: Callable[[str], None] = silent,
) -> Iterator[Backing]:
    """Holds the home and runs what has no URL given. One process at a time may do so; data stay for the next one.

    throwaway is for tests: no fsync, and the Postgres data are deleted at the end.
    """
    home = homes.prepared(home)
    with homes.locked(home), homes.sockets(home) as run, Supervisor(report) as supervisor:
        account = None if database_url and redis_url else accounts.unprivileged()
        ground = Ground(home, run, account, throwaway, supervisor, report)
        valkey_url = redis_url or start_valkey(ground)
        try:
            yield Backing(database_url or start_postgres(ground), valkey_url, supervisor)
        finally:
            supervisor.stop()
            if throwaway and not database_url:
                accounts.delete_data(home, "postgres")


def start_valkey(ground: Ground) -> str:
    ground.report("Starting Valkey ...")
    run = homes.socket_folder(ground.run, "valkey", ground.account)
    child = ground.supervisor.start(valkey.program(run, ground.log("valkey"), ground.account))
    wait_until(lambda: valkey.answers(run), child, ground.supervisor)
    return valkey.url(run)


def start_postgres(ground: Ground) -> str:
    ground.report("Starting Postgres ...")
    account, log = ground.account, ground.log("postgres")
    run = homes.socket_folder(ground.run, "postgres", account)
    parent = accounts.data_folder(ground.home, "postgres", account, ground.throwaway)
    data = postgres.initialized(parent, log, account, ground.throwaway)
    child = ground.supervisor.start(postgres.program(data, run, log, account, ground.throwaway))
    wait_until(lambda: postgres.answers(run), child, ground.supervisor)
    return postgres.url(run)


def wait_until(answers: Callable[[], bool], child: Child, supervisor: Supervisor) -> None:
    """A program that dies again and again is given up; one that lives is waited for: recovery may take long."""
    while not answers():
        supervisor.tick()
        if child.deaths >= LAST_DEATH:
            log = child.program.log
            raise EmbeddedError(f"{child.program.name} does not start: {last_line(log)} (more in {log})")
        time.sleep(0.05)
