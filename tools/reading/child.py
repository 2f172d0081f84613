"""What runs in the process that reads one file: it locks itself in as far as the kernel lets it, then reads stdin.

argv    the kind of file, and the seconds of processor time that it may take
stdout  {"text": ...} or {"problem": ...}
"""

import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import sysconfig

from tools.reading.texts import LONGEST, Problem, text_of
from tools.sandbox.jail import kernel, landlock, seccomp

MEMORY = 1_500_000_000  # bytes of address space
LONGEST_ANSWER = 12 * LONGEST + 10_000  # bytes: JSON makes at most twelve of a character
_OPEN_FILES = 64
_NEEDED = {"pdf": ("pypdf", "cryptography.hazmat.primitives.ciphers"), "html": ("tools.web.pages", "trafilatura")}
_TOO_LARGE = "It needs more memory than the reading of a file may take. Split it up."


def main() -> None:
    kind, seconds = sys.argv[1], int(sys.argv[2])
    with _where_there_is_one():
        kernel.prctl("PDEATHSIG", kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    for module in _NEEDED.get(kind, ()):
        importlib.import_module(module)
    _limit(seconds)
    _lock()
    sys.stdout.write(json.dumps(_answer(kind, sys.stdin.buffer.read())))
    sys.stdout.flush()
    os._exit(0)


def _answer(kind: str, data: bytes) -> dict[str, str]:
    try:
        return {"text": text_of(kind, data)}
    except Problem as problem:
        return {"problem": str(problem)}
    except MemoryError:
        return {"problem": _TOO_LARGE}
    except Exception as error:
        return {"problem": f"It is damaged, or has something in it that is not understood here ({_named(error)})."}


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _limit(seconds: int) -> None:
    for which, value in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, LONGEST_ANSWER),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        highest = resource.getrlimit(which)[1]
        allowed = value if highest == resource.RLIM_INFINITY else min(value, highest)
        with _where_there_is_one():
            resource.setrlimit(which, (allowed, allowed))


def _lock() -> None:
    """No network, no programs, no files but Python's own: what of it the machine permits. The limits hold anyway."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    rules = [(path, landlock.READ) for path in sorted(paths) if os.path.isdir(path)]
    with _where_there_is_one():
        kernel.drop_capabilities()
    with _where_there_is_one():
        kernel.prctl("NO_NEW_PRIVS", kernel.PR_SET_NO_NEW_PRIVS, 1)
        with _where_there_is_one():
            landlock.install(rules, None)
        seccomp.install(own_files=False, network=False)


def _where_there_is_one() -> contextlib.suppress:
    """Another system, or an older kernel, has not all of these."""
    return contextlib.suppress(OSError, ValueError, KeyError, AttributeError)
