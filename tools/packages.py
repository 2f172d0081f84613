"""The packages that tools ask for: installed once, when a tool is saved, by a job; never when it is called.

Wheels only, because building a package runs its code. Each set of requirements gets a folder of the store, whose name
is made of them; the jail shows a call the folder of its tool and no other.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils import timezone
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from uv import find_uv_bin

from accounts.fields import clean_text
from tools.models import Tool

BUILD_SECONDS = 300
LARGEST = 500_000_000  # bytes, installed
MOST = 20
FORGOTTEN_AFTER = timedelta(days=1)
_SHOWN = 2000
_TAKEN_FOR_LOST = timedelta(seconds=BUILD_SECONDS + 60)
_HINTED_AGAIN_AFTER = timedelta(seconds=30)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_PASSED_ON = re.compile(r"UV_.*|(https?|all|no)_proxy|SSL_CERT_(FILE|DIR)", re.IGNORECASE)
_CREDENTIALS = re.compile(r"//[^/@\s]+@")

_one_at_a_time = threading.Lock()


def columns(requirements: Sequence[Any]) -> dict[str, Any]:
    """The columns of a tool that asks for these, [{name, version}]. Raises ValueError, saying what is wrong."""
    if len(requirements) > MOST:
        raise ValueError(f"A tool may ask for {MOST} packages at most.")
    named = sorted((_requirement(entry) for entry in requirements), key=lambda entry: str(entry["name"]))
    state = Tool.Packages.WAITING if named else Tool.Packages.NONE
    folder = _folder_name(named) if named else ""
    told = {"package_state": state, "package_error": None, "package_folder": folder, "package_at": timezone.now()}
    return {"pip_requirements": named} | told


def _requirement(entry: Any) -> dict[str, str | None]:
    name, version = entry.get("name"), entry.get("version") or None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{str(name)[:100]!r} is no name of a package: letters, digits, '.', '_' and '-' make one.")
    try:
        if version is not None:
            Version(version)
    except (InvalidVersion, TypeError):
        raise ValueError(f"{str(version)[:100]!r} is no version of {name}, such as 1.2.3.") from None
    return {"name": canonicalize_name(name), "version": version}


def _folder_name(named: list[dict[str, str | None]]) -> str:
    """Other packages under another Python: what was compiled for one does not run in the other."""
    inputs = [sys.implementation.cache_tag, os.uname().machine, named]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:32]


def still_good(tool: Tool, changed: dict[str, Any]) -> bool:
    """Whether the tool has, or will get, what the columns ask for; what failed is tried again."""
    same = tool.package_folder == changed.get("package_folder")
    return same and tool.package_state != Tool.Packages.FAILED


def build(tool_id: str, store: Path, index: str | None) -> None:
    """Install what the tool asks for, and say at the tool how that went. One that another has taken is left alone.

    index  the URL of a package index, or a folder of wheels; None: uv's own settings decide
    """
    tool = _taken(tool_id)
    connection.close()
    if tool is None:
        return
    with _one_at_a_time:
        problem = _installed(store, tool, index)
    told = {"package_error": problem, "package_at": timezone.now()}
    told["package_state"] = Tool.Packages.FAILED if problem else Tool.Packages.READY
    Tool.objects.filter(id=tool_id, package_folder=tool.package_folder).update(**told)
    _forget(store)


def _taken(tool_id: str) -> Tool | None:
    mine = Tool.objects.filter(id=tool_id, package_state=Tool.Packages.WAITING)
    if not mine.update(package_state=Tool.Packages.BUILDING, package_at=timezone.now()):
        return None
    return Tool.objects.filter(id=tool_id).first()


def overdue() -> list[str]:
    """Tools whose hint was lost, or whose builder has died: each is given out once in a while."""
    now = timezone.now()
    waiting = Q(package_state=Tool.Packages.WAITING, package_at__lt=now - _HINTED_AGAIN_AFTER)
    lost = Q(package_state=Tool.Packages.BUILDING, package_at__lt=now - _TAKEN_FOR_LOST)
    found = list(Tool.objects.filter(waiting | lost).values_list("id", flat=True)[:20])
    if found:
        again = Tool.objects.filter(waiting | lost, id__in=found)
        again.update(package_state=Tool.Packages.WAITING, package_at=now)
    return found


def _installed(store: Path, tool: Tool, index: str | None) -> str | None:
    """What went wrong, if anything did."""
    folder = store / tool.package_folder
    if folder.is_dir():
        return None
    wanted = [f"{entry['name']}=={entry['version']}" if entry["version"] else entry["name"]
              for entry in tool.pip_requirements or ()]  # fmt: skip
    try:
        with tempfile.TemporaryDirectory(prefix=".building-", dir=store) as place:
            target = Path(place) / "packages"
            problem = _uv(place, target, wanted, index) or _too_large(target)
            if problem is None:
                target.rename(folder)
            return problem
    except OSError as error:
        return f"The package store cannot be written: {error.strerror}."


def _uv(place: str, target: Path, wanted: list[str], index: str | None) -> str | None:
    command = [find_uv_bin(), "pip", "install", "--only-binary", ":all:", "--target", str(target)]
    command += ["--python", sys.executable, "--no-config", "--no-cache", "--link-mode", "copy", "--no-progress", "-q"]
    passed_on = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    environment = passed_on | {"PATH": "/usr/bin:/bin", "HOME": place, "TMPDIR": place}
    if index and Path(index).is_absolute():
        command += ["--no-index", "--find-links", index]
    elif index:
        environment["UV_DEFAULT_INDEX"] = index  # not an argument, which every user of the machine can see
    process = subprocess.Popen(
        [*command, "--", *wanted],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=place,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"The installation took longer than {BUILD_SECONDS} s."
    if process.returncode == 0:
        return None
    return _told(output.decode(errors="replace"), place, index) or f"The installation ended with {process.returncode}."


def _told(output: str, place: str, index: str | None) -> str:
    """Without paths of this machine, and without what may be a password."""
    for path in (place, str(Path(sys.prefix)), *([index] if index else ())):
        output = output.replace(path, "…")
    return clean_text(_CREDENTIALS.sub("//…@", output).strip())[-_SHOWN:]


def _too_large(target: Path) -> str | None:
    size = sum(path.lstat().st_size for path in target.rglob("*"))
    return f"The packages take {size:,} bytes, and may take {LARGEST:,}." if size > LARGEST else None


def _forget(store: Path) -> None:
    """Folders that no tool has asked for any more, for a day."""
    used = set(Tool.objects.exclude(package_folder="").values_list("package_folder", flat=True))
    before = time.time() - FORGOTTEN_AFTER.total_seconds()
    for folder in store.iterdir():
        if folder.name not in used and folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)
