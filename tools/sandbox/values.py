"""What a call may use, what came of it, and how well it was locked in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, Protocol

from tools.abort import Abort

MEBIBYTE = 1 << 20


class Refused(Exception):
    """The call was not run, because it could not be run safely; the text says what would help."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one call. `memory_bytes` is address space; `scratch_*` hold where the call has a file system of its own."""

    wall_seconds: float = 30.0
    cpu_seconds: int = 30
    memory_bytes: int = 512 * MEBIBYTE
    file_bytes: int = 32 * MEBIBYTE
    processes: int = 64
    """Threads, that is: a call starts no processes."""
    scratch_bytes: int = 48 * MEBIBYTE
    scratch_files: int = 2048
    result_bytes: int = MEBIBYTE
    output_bytes: int = MEBIBYTE
    """What is kept of stdout, and of stderr."""
    flood_bytes: int = 64 * MEBIBYTE
    """How much of either ends the call."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`value` is JSON. `error` and `stderr` (with the traceback) may be shown to models and users.

    `cpu_seconds`: processor time of the call's own process, where it came to its end.
    """

    status: Literal["success", "error"]
    value: Any
    error: str | None
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float = 0.0


class Level(IntEnum):
    """How much of the jail a machine permits."""

    LIMITS = 1
    """Resource limits alone: no protection from a hostile tool."""
    FILTERED = 2
    """Landlock and the system call filter; the process table and the network stack are the host's."""
    FULL = 3
    """Namespaces as well."""


@dataclass(frozen=True, slots=True)
class Tier:
    """`reasons`: short sentences, one for each part that is missing."""

    level: Level
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((f"T{int(self.level)}", *self.reasons))


class Runner(Protocol):
    """What tools.sandbox.Sandbox offers to those who are given one."""

    limits: Limits
    package_store: Path | None

    def run(
        self,
        source: str,
        name: str,
        arguments: Mapping[str, Any],
        *,
        classes: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        packages: Path | None = None,
        hosts: Sequence[str] = (),
        abort: Abort | None = None,
    ) -> Outcome: ...

    def run_code(
        self,
        code: str,
        *,
        name: str = "code",
        variables: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        abort: Abort | None = None,
    ) -> Outcome: ...
