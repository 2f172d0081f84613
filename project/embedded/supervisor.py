"""Starts programs, starts them again when they die, and stops them. None outlives this process, even after kill -9.

Everything here happens in the main thread: Linux ties the death signal of a child to the thread that forked it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from project.embedded.accounts import Account

PR_SET_PDEATHSIG = 1
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
LIVED_LONG = 30.0
DEATHS_WORTH_A_LINE = 3
"""From these on it is said once that it goes on like that, instead of each time."""
LONGEST_LOG = 10 * 1024 * 1024

libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Program:
    """A command and how to treat it. Its output goes to `log`."""

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] | None = None
    """None: the environment of this process."""
    account: Account | None = None
    """Whom to run it as; None: as ourselves."""
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 3.0
    """Seconds from the stop signal to the last one."""
    last_signal: signal.Signals = signal.SIGKILL
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when this process is gone."""


@dataclass(slots=True)
class Child:
    """One supervised program: the process that runs now, or when the next one is due."""

    program: Program
    process: subprocess.Popen[bytes] | None
    started: float
    delay: float = FIRST_DELAY
    due: float = 0.0
    deaths: int = 0
    """Early deaths in a row."""
    last_end: str = ""
    """How the process before this one ended."""


def silent(_line: str) -> None:
    """A `report` that nobody reads."""


@dataclass(slots=True)
class Supervisor:
    """A context manager: whatever was started in it has ended when it is left."""

    report: Callable[[str], None] = silent
    clock: Callable[[], float] = time.monotonic
    children: list[Child] = field(default_factory=list)

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, program: Program) -> Child:
        shorten(program.log)
        child = Child(program, spawn(program), self.clock())
        self.children.append(child)
        return child

    def tick(self) -> None:
        """Notices deaths and starts again what is due. To be called a few times a second."""
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                self.died(child)
            if child.process is None and self.clock() >= child.due:
                child.process, child.started = spawn(child.program), self.clock()
                if child.deaths < DEATHS_WORTH_A_LINE:  # later ones would only repeat themselves
                    self.report(f"The {child.program.name} {child.last_end}; started again.")

    def died(self, child: Child) -> None:
        now = self.clock()
        child.last_end = how_ended(child)
        sweep(child)
        if now - child.started > LIVED_LONG:
            child.delay, child.deaths = FIRST_DELAY, 0
        child.process, child.due = None, now + child.delay
        child.delay = min(child.delay * 2, LONGEST_DELAY)
        child.deaths += 1
        if child.deaths == DEATHS_WORTH_A_LINE:
            self.report(f"The {child.program.name} keeps stopping; {child.program.log} says why. Trying on.")

    def stop(self) -> None:
        """Asks all of them to end, in the reverse order of their start, and waits for each within its grace."""
        stopping = self.children[::-1]
        self.children = []
        for child in stopping:
            send(child, child.program.stop_signal)
        asked = self.clock()
        for child in stopping:
            end(child, asked + child.program.grace - self.clock())


def how_ended(child: Child) -> str:
    code = child.process.returncode if child.process else 0
    return f"was killed (signal {-code})" if code < 0 else f"ended with code {code}"


def spawn(program: Program) -> subprocess.Popen[bytes]:
    """Starts the program in a session of its own: Ctrl-C at the terminal must reach only the supervisor."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "Programs are started from the main thread: they die together with the thread that forks them."
        )
    account = program.account
    with program.log.open("ab") as log:
        return subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=program.environment,
            cwd="/" if account else None,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            start_new_session=True,
            preexec_fn=dying_with(os.getpid(), program.death_signal),
        )


def completed(program: Program) -> int:
    """Runs a program to its end and gives its exit code. It ends too when we are interrupted."""
    shorten(program.log)
    process = spawn(program)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def dying_with(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    """What the child does before exec, and after it changed its uid, which would have cleared the death signal."""

    def arrange() -> None:
        if sys.platform == "linux":
            libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the kernel knew of our wish
            os._exit(1)

    return arrange


def send(child: Child, number: signal.Signals) -> None:
    if child.process is not None and child.process.poll() is None:
        child.process.send_signal(number)


def end(child: Child, seconds: float) -> None:
    if child.process is None:
        return
    try:
        child.process.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        send(child, child.program.last_signal)
        child.process.wait()
    sweep(child)


def sweep(child: Child) -> None:
    """Kills what a dead program left in its process group, so that its sandboxes do not outlive it.

    Not Postgres (its last signal is not SIGKILL): its backends notice the death themselves, and killing one of them
    while another postmaster already recovers would be a second crash.
    """
    if child.process is not None and child.program.last_signal == signal.SIGKILL:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)


def shorten(log: Path) -> None:
    """Begins the log anew when it has grown long."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if log.stat().st_size > LONGEST_LOG:
            os.truncate(log, 0)


def last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
