"""Postgres refuses to run as root. Started by root, the embedded services run as an unprivileged account.

Such an account may not enter a checkout under /root, a virtualenv there, or a data folder in it. So, only for root,
all that it touches lives in ROOM: copies of the binaries (owned by root) and one data folder for each PERDURE_HOME,
which keeps a symbolic link to it. Without the link (PERDURE_HOME was deleted) a new data folder is made; the old one
stays until somebody deletes it.
"""

import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from project.embedded.errors import EmbeddedError

ROOM = Path("/var/lib/perdure")
CANDIDATES = ("postgres", "daemon", "nobody")
"""In this order. initdb wants an account that has a name, so a free uid would not do."""


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int


def unprivileged() -> Account | None:
    """Whom to run the services as: None (ourselves) unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        f"Postgres does not run as root and none of the accounts {', '.join(CANDIDATES)} exists; "
        "start Perdure as an ordinary user, or set DATABASE_URL and REDIS_URL."
    )


def folder(path: Path, account: Account | None) -> Path:
    """A folder that only the account may enter."""
    path.mkdir(mode=0o700, exist_ok=True)
    if account:
        os.chown(path, account.uid, account.gid)
    path.chmod(0o700)
    return path


def runnable(source: Path, name: str, parts: tuple[Path, ...], account: Account | None) -> Path:
    """The folder `source`, or, for an account of its own, the copy of its `parts` that the account can execute."""
    if account is None:
        return source
    copy = room() / name
    if not copy.exists():
        publish(source, parts, copy)
    return copy


def publish(source: Path, parts: tuple[Path, ...], copy: Path) -> None:
    """Copies into a draft and renames it: two first starts at once, or a cut one, leave only whole copies."""
    draft = Path(tempfile.mkdtemp(prefix=".copying-", dir=copy.parent))
    try:
        for part in parts:
            if (source / part).exists():
                shutil.copytree(source / part, draft / part)
        draft.chmod(0o755)
        if not copy.exists():
            draft.rename(copy)
    except OSError:
        if not copy.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def data_folder(home: Path, name: str, account: Account | None, throwaway: bool = False) -> Path:
    """Where a service keeps its data: home/name, for an account of its own a link from there to a folder of ROOM.

    Throwaway data goes to the folder for temporary files instead of ROOM, which nobody would clean. A real folder in
    the link's place is a copy that was brought back: it moves to ROOM.
    """
    link = home / name
    if account and not (link.is_symlink() and link.exists()):
        target = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=None if throwaway else room()))
        if link.is_dir() and not link.is_symlink():
            _bring_back(link, target, account)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return folder(link.resolve(), account)


def _bring_back(copy: Path, target: Path, account: Account) -> None:
    """The copy is taken away last: cut in the middle, it is done anew."""
    shutil.copytree(copy, target, symlinks=True, dirs_exist_ok=True)
    for parent, folders, files in os.walk(target):
        for entry in (".", *folders, *files):
            os.chown(Path(parent) / entry, account.uid, account.gid, follow_symlinks=False)
    shutil.rmtree(copy)


def room() -> Path:
    ROOM.mkdir(mode=0o755, exist_ok=True)
    return ROOM


def delete_data(home: Path, name: str) -> None:
    link = home / name
    shutil.rmtree(link.resolve(), ignore_errors=True)
    if link.is_symlink():
        link.unlink()
