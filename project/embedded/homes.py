"""PERDURE_HOME: the folder of one installation. A lock says that it is in use, a link where its sockets are."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from project.embedded.accounts import Account, folder
from project.embedded.errors import EmbeddedError

LOCK = "lock"
RUN = "run"
RUN_PREFIX = "perdure-"


def prepared(home: Path) -> Path:
    """The home as an absolute path, there and ours."""
    home = home.absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.stat().st_uid != os.geteuid():
        raise EmbeddedError(
            f"{home} belongs to another user; start as that user, or set PERDURE_HOME to another folder."
        )
    return home


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Held as long as this process lives: the kernel lets go of it even after kill -9."""
    with (home / LOCK).open("a") as lock:
        if not taken(lock):
            raise EmbeddedError(
                f"Perdure already runs on {home}; stop that one, or set PERDURE_HOME to another folder."
            )
        yield


def taken(lock: IO[str]) -> bool:
    """Tries for a moment: another process that only asks in_use() holds the lock for an instant."""
    for _ in range(5):
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.05)
    return False


def in_use(home: Path) -> bool:
    """Whether some process holds the lock of this home."""
    try:
        with (home / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def sockets(home: Path) -> Iterator[Path]:
    """A private, short folder for sockets: their paths end at 107 bytes, and PERDURE_HOME or TMPDIR may be long.

    A new one for each start: a Valkey that still dies removes its own socket, never that of its successor, and no
    other user can guess and take the name. XDG_RUNTIME_DIR would be emptied when the user logs out.
    """
    link = home / RUN
    forget(link)
    run = Path(tempfile.mkdtemp(prefix=RUN_PREFIX, dir="/tmp"))
    run.chmod(0o711)  # the account of the services, if they have one, passes through to its own private folder
    link.symlink_to(run)
    try:
        yield run
    finally:
        forget(link)


def forget(link: Path) -> None:
    """Removes the socket folder of an earlier start."""
    with suppress(FileNotFoundError):
        run = link.readlink()
        if run.name.startswith(RUN_PREFIX):
            shutil.rmtree(run, ignore_errors=True)
        link.unlink()


def socket_folder(run: Path, name: str, account: Account | None) -> Path:
    return folder(run / name, account)
