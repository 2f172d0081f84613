"""How well this machine can lock a call in: found out by doing it."""

import os
import pwd
import sys
import sysconfig
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tools.sandbox.jail import kernel
from tools.sandbox.jail.protocol import Job, Setup
from tools.sandbox.supervise import supervise
from tools.sandbox.values import Level, Limits, Outcome, Refused, Tier
from tools.sandbox.zygote import Zygote, ZygoteError

Account = tuple[int, int]
"""uid and gid."""

_LANDLOCK_WITH_TRUNCATE = 3
_LIBRARY_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/usr/share/ca-certificates")
_LIBRARY_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/openssl.cnf", "/etc/ssl/certs", "/etc/pki/tls/certs")

# What it takes to import pydantic: many a tool says with its models what its arguments are.
_LENT = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection")

# Each line is an escape; the probe passes when none of them works.
_PROBE = """
import os, socket
def escapes():
    yield "a file of the host was readable", lambda: open("/etc/hostname").close()
    yield "the root could be listed", lambda: os.listdir("/")
    yield "a file could be written beside the scratch folder", lambda: open("../probe", "w").close()
    yield "a socket could be made", lambda: socket.socket().close()
    yield "a process could be started", lambda: os.fork() or os._exit(0)
def probe():
    import ctypes, json, zoneinfo
    found = []
    for name, attempt in escapes():
        try:
            attempt()
        except OSError:
            continue
        found.append(name)
    return found
"""


def unprivileged() -> Account | None:
    """Whom calls run as: None (ourselves) unless we are root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return 65534, 65534
    return entry.pw_uid, entry.pw_gid


def setup_for(level: Level, account: Account | None, package_store: Path | None = None) -> Setup:
    uid, gid = account or (None, None)
    return Setup(
        namespaces=level >= Level.FULL,
        landlock=level >= Level.FILTERED,
        seccomp=level >= Level.FILTERED,
        uid=uid,
        gid=gid,
        readable=_readable(),
        lent=_lent(),
        package_store=str(package_store.resolve()) if package_store else None,
        scratch_parent=None,
    )


def _readable() -> tuple[str, ...]:
    """Python's own library, and what it loads of the system's. Not the server's packages."""
    of_python = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), f"{sys.base_prefix}/lib"}
    paths = sorted(of_python) + list(_LIBRARY_FOLDERS + _LIBRARY_FILES)
    return tuple(path for path in dict.fromkeys(paths) if os.path.exists(path))


@cache
def _lent() -> dict[str, str]:
    """Where they are; what is not installed is left out."""
    specs = {name: find_spec(name) for name in _LENT}
    files = {name: Path(spec.origin) for name, spec in specs.items() if spec and spec.origin}
    return {name: str(file.parent if file.name == "__init__.py" else file) for name, file in files.items()}


@cache
def detect(account: Account | None = None) -> Tier:
    """Tries in a throwaway process, from the best tier down. `account`: as in `unprivileged`, asked when None."""
    if sys.platform != "linux":
        return Tier(Level.LIMITS, ("The sandbox needs Linux.",))
    reasons: list[str] = []
    for level in (Level.FULL, Level.FILTERED):
        missing = _missing(level, account or unprivileged())
        if missing is None:
            return Tier(level, tuple(reasons))
        reasons.append(missing)
    return Tier(Level.LIMITS, tuple(reasons))


def _missing(level: Level, account: Account | None) -> str | None:
    """What this level lacks here; None: nothing."""
    abi = kernel.landlock_abi()
    if abi == 0:
        return "This kernel has no Landlock, or it is turned off."
    if level == Level.FILTERED and abi < _LANDLOCK_WITH_TRUNCATE:
        return "This kernel's Landlock does not stop files from being truncated (Linux 6.2 does)."
    zygote = Zygote(setup_for(level, account))
    try:
        found = _tried(zygote)
    except ZygoteError as error:
        what = "Namespaces are not permitted here" if level == Level.FULL else "Calls cannot be locked in here"
        return f"{what} ({error})."
    finally:
        zygote.close()
    if found.error:
        return f"A trial call failed ({found.error})."
    return f"A trial call escaped: {', '.join(found.value)}." if found.value else None


def _tried(zygote: Zygote) -> Outcome:
    limits = Limits(wall_seconds=20)
    request = {"source": _PROBE, "name": "probe", "arguments": {}, "classes": {}, "variables": {}, "script": False}
    return supervise(zygote, job_for(limits), request, limits, None, lambda listener: listener.close())


def job_for(limits: Limits, packages: Path | None = None, network: bool = False) -> Job:
    return Job(
        cpu_seconds=limits.cpu_seconds,
        memory_bytes=limits.memory_bytes,
        file_bytes=limits.file_bytes,
        processes=limits.processes,
        scratch_bytes=limits.scratch_bytes,
        scratch_files=limits.scratch_files,
        packages=str(packages) if packages else None,
        network=network,
    )


def check_safe(tier: Tier, allow_unsafe: bool) -> None:
    if tier.level >= Level.FILTERED or allow_unsafe:
        return
    raise Refused(
        f"Tools written by users are not run here: this machine cannot lock them in. {' '.join(tier.reasons)} "
        "Run the server on Linux 6.2 or later where user namespaces or Landlock are permitted, or, if you are its "
        "only user and trust every tool, set PERDURE_ALLOW_UNSAFE_TOOLS=1."
    )
