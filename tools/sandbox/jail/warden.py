"""One process beside each call: it makes the call's namespaces, waits for its end, and clears up after it.

Some wardens are always ready, each with its call's process, and take the next job from the server's socket
themselves: forks and namespaces are most of what a call costs.
"""

import os
import signal
import socket
import tempfile
from dataclasses import dataclass

from . import cell, kernel, root
from .protocol import CALL_FILES, PROXY_PORT, Job, Setup, receive, send

_NAMESPACES = kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWNS


@dataclass(frozen=True, slots=True)
class Spare:
    """A call's process that waits for its call: how to kill it, how to tell it, and the folder that is for it."""

    child: int
    handle: int
    channel: socket.socket
    scratch: str


def guard(setup: Setup, jobs: socket.socket, taken: int, proc: int, zygote: int) -> None:
    """Never returns. Gets all ready, takes one of the jobs and says so by closing `taken`."""
    try:
        die_with_parent(zygote)
        _guard(setup, jobs, taken, proc)
    finally:  # whatever went wrong: this process must not go back into the zygote's loop
        os._exit(0)


def _guard(setup: Setup, jobs: socket.socket, taken: int, proc: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    problem = spare = None
    try:
        spare = _made(setup, jobs, taken, proc)
    except OSError as error:
        problem = str(error)
    values, files = receive(jobs, CALL_FILES)
    os.write(taken, b"!")
    os.close(taken)
    jobs.close()
    with socket.socket(fileno=files[0]) as server:
        if spare is None:
            send(server, {"failed": problem})
        else:
            _run(setup, spare, Job(**values), server, files[1:])


def _made(setup: Setup, jobs: socket.socket, taken: int, proc: int) -> Spare:
    if setup.namespaces:
        unshare_as_user(_NAMESPACES, proc)
        socket.sethostname("sandbox")
    scratch = root.SCRATCH if setup.namespaces else tempfile.mkdtemp(prefix="call-", dir=setup.scratch_parent)
    channel, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        channel.close()
        jobs.close()
        os.close(taken)
        cell.enter(setup, inner, scratch)
    inner.close()
    return Spare(child, os.pidfd_open(child), channel, scratch)


def _run(setup: Setup, spare: Spare, job: Job, server: socket.socket, files: list[int]) -> None:
    """`files`: request, result, stdout and stderr. The server can kill the call before the call begins."""
    listener = _proxy_listener() if job.network else None
    send(server, {"started": True}, (spare.handle, listener.fileno()) if listener else (spare.handle,))
    if listener:
        listener.close()
    send(spare.channel, job, (server.fileno(), *files))
    for one in files:
        os.close(one)
    _, status, usage = os.wait4(spare.child, 0)
    if not setup.namespaces:
        root.remove_tree(spare.scratch)
    send(server, {"ended": os.waitstatus_to_exitcode(status), "cpu": usage.ru_utime + usage.ru_stime})


def die_with_parent(parent: int) -> None:
    """Also when the parent has died before the kernel knew of our wish: then another has taken its place."""
    kernel.prctl("PDEATHSIG", kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def unshare_as_user(flags: int, proc: int) -> None:
    """New namespaces, and a user namespace that owns them, where we keep our own ids."""
    uid, gid = os.getuid(), os.getgid()
    kernel.prctl("DUMPABLE", kernel.PR_SET_DUMPABLE, 1)  # or these files of ours would belong to root
    kernel.unshare(kernel.CLONE_NEWUSER | flags)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        file = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
        os.write(file, text.encode())
        os.close(file)
    kernel.prctl("DUMPABLE", kernel.PR_SET_DUMPABLE, 0)


def _proxy_listener() -> socket.socket:
    """The only address in the call's network. The server accepts on it, from outside."""
    listener = socket.socket()
    kernel.raise_loopback(listener.fileno())
    listener.bind(("127.0.0.1", PROXY_PORT))
    listener.listen(16)
    return listener
