"""Locks the current process in, step by step, each of them for good; then it reads its request and runs it."""

import fcntl
import os
import resource
import signal
import socket

from . import call, kernel, landlock, lent, root, seccomp
from .protocol import CALL_FILES, DEVICES, PROXY_PORT, Job, Setup, receive, send

_RESULT, _REQUEST, _FIRST_UNUSED = 3, 4, 5
_ABOVE_ALL_FIXED = 64
_ABOVE_ALL_OPEN = 1024  # the zygote, where all others come from, holds a handful
_OPEN_FILES = 64
_SHARED_PROCESSES = 2048


def enter(setup: Setup, channel: socket.socket, scratch: str) -> None:
    """Never returns. The job, the server's socket, the request, result, stdout and stderr come over the channel."""
    try:
        job, server, files = _awaited(channel)
        try:
            _lock(setup, job, files, scratch)
        except BaseException as error:
            send(server, {"failed": str(error) or type(error).__name__})
            raise
        server.detach()
        os.closerange(_FIRST_UNUSED, _ABOVE_ALL_OPEN)
        lent.install(setup.lent)
        call.serve(_REQUEST, _RESULT, scratch, job)
    finally:
        os._exit(0)


def _awaited(channel: socket.socket) -> tuple[Job, socket.socket, list[int]]:
    """If the warden dies, so shall we: the kernel sees to it from the first line on, the channel's end before it."""
    kernel.prctl("PDEATHSIG", kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    values, files = receive(channel, CALL_FILES)
    server = socket.socket(fileno=fcntl.fcntl(files[0], fcntl.F_DUPFD, _ABOVE_ALL_FIXED))
    return Job(**values), server, files[1:]


def _lock(setup: Setup, job: Job, files: list[int], scratch: str) -> None:
    _arrange_files(files)
    os.setsid()  # a group of its own: "everybody in my group" must not be the warden and the zygote
    if setup.namespaces:
        root.mount_scratch(job.scratch_bytes, job.scratch_files)
    os.chdir(scratch)
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _limit(job, own_user=setup.namespaces or setup.uid is not None)
    kernel.drop_capabilities()
    kernel.prctl("NO_NEW_PRIVS", kernel.PR_SET_NO_NEW_PRIVS, 1)
    if setup.landlock:
        landlock.install(_rules(setup, job, scratch), PROXY_PORT if job.network else None)
    kernel.prctl("DUMPABLE", kernel.PR_SET_DUMPABLE, 0)
    if setup.seccomp:
        seccomp.install(own_files=setup.namespaces, network=job.network)


def _arrange_files(files: list[int]) -> None:
    """Puts the call's files at known numbers; everything above is closed once nothing can fail any more."""
    request, result, stdout, stderr = (fcntl.fcntl(one, fcntl.F_DUPFD, _ABOVE_ALL_FIXED) for one in files)
    nothing = os.open("/dev/null", os.O_RDONLY)
    for source, number in ((nothing, 0), (stdout, 1), (stderr, 2), (result, _RESULT), (request, _REQUEST)):
        os.dup2(source, number, inheritable=False)


def _limit(job: Job, own_user: bool) -> None:
    """A user's processes are counted together: where the server has the same user, the limit must leave room for it."""
    for which, value in (
        (resource.RLIMIT_CPU, job.cpu_seconds),
        (resource.RLIMIT_AS, job.memory_bytes),
        (resource.RLIMIT_FSIZE, job.file_bytes),
        (resource.RLIMIT_NPROC, job.processes if own_user else _SHARED_PROCESSES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        highest = resource.getrlimit(which)[1]
        allowed = value if highest == resource.RLIM_INFINITY else min(value, highest)
        resource.setrlimit(which, (allowed, allowed))


def _rules(setup: Setup, job: Job, scratch: str) -> list[tuple[str, int]]:
    packages = (job.packages,) if job.packages else ()
    return [
        *((path, landlock.READ) for path in (*setup.readable, *lent.reachable(setup.lent).values(), *packages)),
        *((path, landlock.DEVICE) for path in DEVICES),
        (scratch, landlock.SCRATCH),
    ]
