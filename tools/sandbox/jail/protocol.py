"""What the server and the zygote tell each other: JSON, and open files beside it, over Unix sockets."""

import json
import socket
from dataclasses import asdict, dataclass
from typing import Any

LONGEST_MESSAGE = 64 * 1024
PROXY_PORT = 3128
CALL_FILES = 5
"""The open files that come with a job: the call's socket, its request, result, stdout and stderr."""

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class Setup:
    """What all calls of a zygote share. `uid` and `gid`: whom to become; None: stay who we are."""

    namespaces: bool
    landlock: bool
    seccomp: bool
    uid: int | None
    gid: int | None
    readable: tuple[str, ...]
    lent: dict[str, str]
    """Packages of the server that calls may import: their names, and the folder or file that each of them is."""
    package_store: str | None
    scratch_parent: str | None
    """Where calls without a file system of their own get their folders."""


@dataclass(frozen=True, slots=True)
class Job:
    """What must be known of a call before it is jailed; the tool itself is in the request, which the jail reads."""

    cpu_seconds: int
    memory_bytes: int
    file_bytes: int
    processes: int
    scratch_bytes: int
    scratch_files: int
    packages: str | None
    network: bool


def send(connection: socket.socket, message: Any, files: tuple[int, ...] = ()) -> None:
    """`message`: JSON values, or a Setup or a Job."""
    plain = asdict(message) if isinstance(message, Setup | Job) else message
    socket.send_fds(connection, [json.dumps(plain).encode()], list(files))


def receive(connection: socket.socket, files: int = 0) -> tuple[Any, list[int]]:
    """Raises EOFError when the other side is gone."""
    encoded, received, _, _ = socket.recv_fds(connection, LONGEST_MESSAGE, files)
    if not encoded:
        raise EOFError
    return json.loads(encoded), received
