"""Starts the process that reads a file, watches it, and believes little of what it says."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from accounts.fields import clean_text
from tools.reading.kinds import Kind
from tools.reading.texts import LONGEST

_ROOT = str(Path(__file__).resolve().parent.parent.parent)
_START = "import sys; sys.path.insert(0, sys.argv.pop()); from tools.reading.child import main; main()"
_LONGEST_PROBLEM = 1_000


class Unreadable(Exception):
    """Nothing can be made of the file; the text says why and what to do."""


def read(kind: Kind, data: bytes, seconds: float, still_wanted: Callable[[], bool] = lambda: True) -> str:
    """The file's text. Raises Unreadable.

    still_wanted  asked once a second; when it says no, the reading ends and is Unreadable
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as answer:
        given.write(data)
        given.seek(0)
        process = _started(kind, seconds, given, answer)
        try:
            _wait(process, seconds, still_wanted)
        finally:
            _end(process)
        answer.seek(0)
        return _told(answer.read(), process.returncode)


def _started(kind: Kind, seconds: float, given: IO[bytes], answer: IO[bytes]) -> subprocess.Popen[bytes]:
    """Its answer goes to a file, which the limits keep from growing: a pipe would fill our own memory."""
    return subprocess.Popen(
        [sys.executable, "-I", "-c", _START, kind, str(int(seconds) + 1), _ROOT],
        stdin=given,
        stdout=answer,
        stderr=subprocess.DEVNULL,
        env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        cwd="/",
        start_new_session=True,
    )


def _wait(process: subprocess.Popen[bytes], seconds: float, still_wanted: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0:
        try:
            process.wait(min(left, 1.0))
            return
        except subprocess.TimeoutExpired:
            if not still_wanted():
                raise Unreadable("The reading was broken off.") from None
    raise Unreadable(f"It took longer than {seconds:g} s to read. Split it up, or save it in a simpler form.")


def _told(answer: bytes, code: int) -> str:
    try:
        told: Any = json.loads(answer)
        if "problem" in told:
            raise Unreadable(clean_text(str(told["problem"]))[:_LONGEST_PROBLEM])
        return clean_text(str(told["text"]))[:LONGEST]
    except (ValueError, KeyError, TypeError):
        raise Unreadable(_broken_off(code)) from None


def _broken_off(code: int) -> str:
    if code == -signal.SIGXCPU:
        return "It takes too much time to read. Split it up, or save it in a simpler form."
    return "It cannot be read: what was to read it came to an end over it. Save it in a simpler form."


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
