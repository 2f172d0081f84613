"""Watches one call from outside: keeps its output within bounds, and ends it when it must end."""

import json
import math
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from accounts.fields import clean_text
from tools.abort import Abort
from tools.sandbox.jail.protocol import Job, receive
from tools.sandbox.results import BadResult, parse
from tools.sandbox.values import Limits, Outcome
from tools.sandbox.zygote import Zygote, ZygoteError

_CHUNK = 1 << 16
_DIES_WITHIN = 5.0
_MOST_OF = 0.6  # the kernel ends a process by another clock than the one that it reports
_GONE = "The sandbox was stopped while the tool ran. It may have done part of its work."


@dataclass(slots=True)
class Capture:
    """The reading end of one of the call's pipes, and the beginning of what came out of it."""

    descriptor: int
    limit: int
    kept: bytearray = field(default_factory=bytearray)
    total: int = 0

    def read(self) -> bool:
        """False at the end, and where there is nothing to read now."""
        try:
            chunk = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return False
        self.total += len(chunk)
        self.kept += chunk[: self.limit - len(self.kept)]
        return bool(chunk)

    def text(self) -> str:
        text = clean_text(self.kept.decode(errors="replace"))
        return f"{text}\n[cut: {self.total} bytes, {self.limit} kept]\n" if self.total > self.limit else text


class Wake:
    """Ends a wait from another thread. After `close` it does nothing: its number may be another file's by then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.descriptor = os.eventfd(0)
        self._open = True

    def set(self) -> None:
        with self._lock:
            if self._open:
                os.eventfd_write(self.descriptor, 1)

    def close(self) -> None:
        with self._lock:
            self._open = False
            os.close(self.descriptor)


@dataclass(slots=True)
class Call:
    """A call under way. `why`: the reason it had to be stopped, if it had."""

    connection: socket.socket
    result: Capture
    stdout: Capture
    stderr: Capture
    limits: Limits
    on_network: Callable[[socket.socket], None]
    deadline: float = math.inf
    handle: int | None = None
    why: str | None = None
    end: dict[str, Any] | None = None

    def stop(self, why: str) -> None:
        if self.why is None:
            self.why, self.deadline = why, time.monotonic() + _DIES_WITHIN
        if self.handle is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def hear(self) -> None:
        """Takes what the warden says; `end` is its last word."""
        try:
            message, files = receive(self.connection, 2)
        except (EOFError, OSError):
            self.end = self.end or {}
            return
        if "started" not in message:
            self.end = message
            return
        self.handle = files[0]
        if self.why:
            self.stop(self.why)
        for listener in files[1:]:
            self.on_network(socket.socket(fileno=listener))

    def read_rest(self) -> None:
        """What was still in the pipes when the call ended."""
        for capture in (self.result, self.stdout, self.stderr):
            while capture.total <= self.limits.flood_bytes and capture.read():
                pass
        self.check_output()

    def forget(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    def check_output(self) -> None:
        if self.result.total > self.limits.result_bytes:
            self.stop(f"The tool's result is larger than {self.limits.result_bytes} bytes.")
        if max(self.stdout.total, self.stderr.total) > self.limits.flood_bytes:
            self.stop(f"The tool wrote more than {self.limits.flood_bytes} bytes of output and was stopped.")


class NotBegun(ZygoteError):
    """The zygote went away before the call had begun: it may be run again."""


def supervise(
    zygote: Zygote,
    job: Job,
    request: dict[str, Any],
    limits: Limits,
    abort: Abort | None,
    on_network: Callable[[socket.socket], None],
) -> Outcome:
    """Runs the call to its end, whatever the call does. Raises ZygoteError when it cannot be begun."""
    try:
        return _attempt(zygote, job, request, limits, abort, on_network)
    except NotBegun:
        return _attempt(zygote, job, request, limits, abort, on_network)


def _attempt(
    zygote: Zygote,
    job: Job,
    request: dict[str, Any],
    limits: Limits,
    abort: Abort | None,
    on_network: Callable[[socket.socket], None],
) -> Outcome:
    started = time.monotonic()
    with ExitStack() as stack:
        wake = Wake()
        stack.callback(wake.close)
        call = stack.enter_context(_begun(zygote, job, request, limits, on_network))
        if abort:
            stack.callback(abort.on_press(wake.set))
        _watch(call, zygote, wake, abort)
        call.read_rest()
        return _outcome(call, limits, time.monotonic() - started)


@contextmanager
def _begun(
    zygote: Zygote,
    job: Job,
    request: dict[str, Any],
    limits: Limits,
    on_network: Callable[[socket.socket], None],
) -> Iterator[Call]:
    with ExitStack() as ours, ExitStack() as theirs:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.enter_context(here)
        theirs.enter_context(there)
        asked = _request_file(request)
        theirs.callback(os.close, asked)
        result, result_end = _piped(limits.result_bytes, ours, theirs)
        stdout, stdout_end = _piped(limits.output_bytes, ours, theirs)
        stderr, stderr_end = _piped(limits.output_bytes, ours, theirs)
        call = Call(here, result, stdout, stderr, limits, on_network)
        ours.callback(call.forget)
        zygote.submit(job, (there.fileno(), asked, result_end, stdout_end, stderr_end))
        theirs.close()
        call.deadline = time.monotonic() + limits.wall_seconds  # the start of a zygote is not the tool's fault
        yield call


def _piped(limit: int, ours: ExitStack, theirs: ExitStack) -> tuple[Capture, int]:
    """What reads the pipe, and the end to write to."""
    reading, writing = os.pipe()
    ours.callback(os.close, reading)
    theirs.callback(os.close, writing)
    os.set_blocking(reading, False)
    return Capture(reading, limit), writing


def _request_file(request: dict[str, Any]) -> int:
    """In memory, for one reader; unlike a pipe it is filled at once, whatever its size."""
    descriptor = os.memfd_create("request", os.MFD_CLOEXEC)
    with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
        json.dump(request, file)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _watch(call: Call, zygote: Zygote, wake: Wake, abort: Abort | None) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(call.connection, selectors.EVENT_READ, call.hear)
        selector.register(wake.descriptor, selectors.EVENT_READ, None)
        for capture in (call.result, call.stdout, call.stderr):
            selector.register(capture.descriptor, selectors.EVENT_READ, capture)
        while call.end is None:
            for key, _ in selector.select(max(call.deadline - time.monotonic(), 0)):
                _take(call, key, selector, abort)
            call.check_output()
            if time.monotonic() < call.deadline:
                continue
            if call.why:  # it was killed, and its warden does not say that it is dead
                return zygote.restart()
            call.stop(f"The tool ran longer than {call.limits.wall_seconds:g} s and was stopped.")


def _take(call: Call, key: selectors.SelectorKey, selector: selectors.BaseSelector, abort: Abort | None) -> None:
    if isinstance(key.data, Capture):
        if not key.data.read():
            selector.unregister(key.fd)
    elif key.data is None:
        selector.unregister(key.fd)
        call.stop(f"The tool was stopped: {abort.reason if abort else 'the sandbox closes'}.")
    else:
        key.data()


def _outcome(call: Call, limits: Limits, seconds: float) -> Outcome:
    value, error = _result(call, limits)
    status: Literal["success", "error"] = "success" if error is None else "error"
    cpu = (call.end or {}).get("cpu", 0.0)
    return Outcome(status, value, error, call.stdout.text(), call.stderr.text(), seconds, cpu)


def _result(call: Call, limits: Limits) -> tuple[Any, str | None]:
    """What stopped the call counts more than a result, which may have come before, or too late."""
    end = call.end or {}
    if call.why:
        return None, call.why
    if "failed" in end:
        raise ZygoteError(end["failed"])
    if "ended" not in end and call.handle is None:  # its warden says that it has begun before it begins
        raise NotBegun("The sandbox's process was stopped.")
    if "ended" not in end:
        return None, _GONE
    if end["ended"] != 0:
        return None, _death(end["ended"], end["cpu"], limits)
    try:
        return parse(bytes(call.result.kept))
    except BadResult as error:
        return None, str(error)


def _death(code: int, cpu: float, limits: Limits) -> str:
    if code == -signal.SIGKILL and cpu > limits.cpu_seconds * _MOST_OF:
        return f"The tool used more than {limits.cpu_seconds} s of processor time and was stopped."
    if code < 0:
        return f"The tool's process was ended by signal {-code} ({signal.Signals(-code).name})."
    return f"The tool ended its process with exit code {code} and without a result."
