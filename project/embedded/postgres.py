"""The embedded Postgres 18 with pgvector, on a unix socket only. It survives kill -9 and starts again by itself."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from project.embedded.accounts import Account, folder
from project.embedded.errors import EmbeddedError
from project.embedded.supervisor import Program, completed, last_line
from project.embedded.wheels import postgres_binaries

MAJOR = "18"
ROLE = "perdure"
DATABASE = "perdure"
ORPHAN_PATIENCE = 8.0
"""Seconds given to the Postgres of a killed supervisor, per signal, to end."""

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def program(data: Path, run: Path, log: Path, account: Account | None, throwaway: bool = False) -> Program:
    """`data` as initialized() gave it, `run` the folder of its socket. Throwaway data need not survive a power cut."""
    settings = {**SETTINGS, "unix_socket_directories": str(run), **(THROWAWAY if throwaway else {})}
    arguments = [argument for key, value in settings.items() for argument in ("-c", f"{key}={value}")]
    return Program(
        name="Postgres",
        command=(str(postgres_binaries(account) / "postgres"), "-D", str(data), *arguments),
        log=log,
        account=account,
        stop_signal=signal.SIGINT,  # "fast": ends its sessions and writes a checkpoint
        grace=1.5,
        last_signal=signal.SIGQUIT,  # "immediate": recovers at its next start
        death_signal=signal.SIGINT,
    )


def url(run: Path) -> str:
    return f"postgresql://{ROLE}@/{DATABASE}?host={run}"


def initialized(parent: Path, log: Path, account: Account | None, throwaway: bool = False) -> Path:
    """The data folder in `parent`, made by initdb at the first start. A cut initdb leaves only the draft, made anew."""
    data, draft = parent / MAJOR, parent / f"{MAJOR}.new"
    if data.exists():
        settle(data)
        return data
    shutil.rmtree(draft, ignore_errors=True)
    initdb(folder(draft, account), log, account, throwaway)
    draft.rename(data)
    return data


def initdb(data: Path, log: Path, account: Account | None, throwaway: bool) -> None:
    # trust: the socket's folder lets only its owner (and root) in, so whoever connects may read the data anyway
    command = (
        str(postgres_binaries(account) / "initdb"),
        *("-D", str(data), f"--username={ROLE}", "--auth=trust", "--no-instructions"),
        *("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *(("--no-sync",) if throwaway else ()),
    )
    if completed(Program("initdb", command, log, account=account)) != 0:
        raise EmbeddedError(f"Postgres could not make its data folder {data}: {last_line(log)} (more in {log})")


def settle(data: Path) -> None:
    """Leaves no other postmaster on the data folder, whatever its last supervisor died of.

    The caller holds the lock of PERDURE_HOME, so a postmaster that still runs is an orphan: it is waited for, then told
    to end. A postmaster.pid whose number now belongs to another program would keep Postgres from starting for ever (in
    a container the same small numbers come back). It gets our own number: Postgres knows that its parent is no
    postmaster, and still checks the shared memory for backends of the old one, which deleting the file would prevent.
    """
    for number in (None, signal.SIGINT, signal.SIGQUIT):
        pid = postmaster(data)
        if pid is None:
            break
        if number is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        wait_for_end(data)
    disown(data / "postmaster.pid")


def postmaster(data: Path) -> int | None:
    """The process that runs Postgres on this data folder, by postmaster.pid, if it really is one."""
    pid = recorded(data / "postmaster.pid")
    return pid if pid is not None and runs_postgres(pid, data) else None


def recorded(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text(encoding="utf-8").splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def runs_postgres(pid: int, data: Path) -> bool:
    command = command_line(pid)
    return "postgres" in command and str(data) in command


def command_line(pid: int) -> str:
    """Empty when there is no such process."""
    if sys.platform == "linux":  # slim images have no ps
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    return subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True).stdout


def wait_for_end(data: Path) -> None:
    deadline = time.monotonic() + ORPHAN_PATIENCE
    while postmaster(data) is not None and time.monotonic() < deadline:
        time.sleep(0.1)


def disown(pid_file: Path) -> None:
    pid = recorded(pid_file)
    if pid is not None:
        lines = pid_file.read_text(encoding="utf-8").splitlines(keepends=True)
        pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]), encoding="utf-8")


def answers(run: Path) -> bool:
    """Whether it takes connections. Makes the database when it is not there yet."""
    try:
        with psycopg.connect(
            host=str(run), user=ROLE, dbname="postgres", connect_timeout=2, autocommit=True
        ) as connection:
            ensure_database(connection)
    except psycopg.OperationalError:
        return False
    return True


def ensure_database(connection: psycopg.Connection) -> None:
    exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
    if not exists:
        connection.execute(f"CREATE DATABASE {DATABASE}")
