"""What tests ask about processes: /proc where there is one, as on Linux, where these tests run."""

import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 60.0


def eventually(condition: Callable[[], object]) -> bool:
    """Whether it comes true before the patience ends."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def mentioning(text: str) -> set[int]:
    """The processes whose command line or environment holds the text."""
    return {int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and text in words(path)}


def words(process: Path) -> str:
    found = b""
    for part in ("cmdline", "environ"):
        try:
            found += (process / part).read_bytes()
        except OSError:
            continue
    return found.replace(b"\0", b" ").decode(errors="replace")
