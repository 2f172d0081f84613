"""Starts the zygote, gives it jobs from many threads, and starts another when it is gone."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tools.sandbox.jail.protocol import Job, Setup, receive, send

_READY_WITHIN = 20.0
_SEND_WITHIN = 10.0
_BOOT = "import sys; sys.path.insert(0, {folder!r}); from jail import zygote; del sys.path[0]; zygote.main({server})"


class ZygoteError(Exception):
    """It cannot be started, or it went away; the text says why."""


class Zygote:
    """One process at most. Everything here is for the process that made it: a fork of it starts its own."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._scratch: Path | None = None
        self._owner = os.getpid()
        self._closed = False

    def submit(self, job: Job, files: tuple[int, ...]) -> None:
        """Returns when the zygote has the job; what becomes of it is told on the first of the files."""
        with self._lock:
            if self._closed:
                raise ZygoteError("The sandbox is closed.")
            if not self._alive():
                self._start()
            try:
                self._send(job, files)
            except OSError:  # it died since we looked
                self._start()
                self._send(job, files)

    def restart(self) -> None:
        """Kills it, and with it all calls; the next call starts another."""
        with self._lock:
            self._stop()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._stop()

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process else None

    def _alive(self) -> bool:
        if self._owner != os.getpid():
            self._forget()
        return self._process is not None and self._process.poll() is None

    def _forget(self) -> None:
        """After a fork: what was started belongs to the process that we were forked from."""
        if self._socket:
            self._socket.close()
        self._owner, self._process, self._socket, self._scratch = os.getpid(), None, None, None

    def _send(self, job: Job, files: tuple[int, ...]) -> None:
        assert self._socket is not None
        send(self._socket, job, files)

    def _start(self) -> None:
        self._stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process, self._socket = _spawned(theirs.fileno()), ours
        setup = self._setup
        if not setup.namespaces:
            self._scratch = _scratch_parent(setup)
            setup = replace(setup, scratch_parent=str(self._scratch))
        try:
            ours.settimeout(_READY_WITHIN)
            send(ours, setup)
            answer, _ = receive(ours)
            ours.settimeout(_SEND_WITHIN)
        except (OSError, EOFError) as error:
            self._stop()
            raise ZygoteError("The sandbox's process ended while it started.") from error
        if "failed" in answer:
            self._stop()
            raise ZygoteError(answer["failed"])

    def _stop(self) -> None:
        if self._owner != os.getpid():
            return self._forget()
        if self._socket:
            self._socket.close()
        if self._process:
            self._process.kill()
            self._process.wait()
        if self._scratch:
            with suppress(OSError):
                shutil.rmtree(self._scratch)
        self._process = self._socket = self._scratch = None


def _spawned(standard_input: int) -> subprocess.Popen[bytes]:
    boot = _BOOT.format(folder=str(Path(__file__).resolve().parent), server=os.getpid())
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", boot],
        stdin=standard_input,
        stdout=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )


def _scratch_parent(setup: Setup) -> Path:
    """Calls without a file system of their own get a folder in this one."""
    folder = Path(tempfile.mkdtemp(prefix="perdure-sandbox-"))
    if setup.uid is not None and setup.gid is not None:
        os.chown(folder, setup.uid, setup.gid)
    return folder
