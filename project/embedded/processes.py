"""Our own two programs, as command lines. docker-compose.yml runs the same ones."""

from collections.abc import Mapping
from pathlib import Path

from project.embedded.supervisor import Program

STOP_GRACE = 3.0
"""Seconds that `./perdure up` gives a worker, when PERDURE_STOP_GRACE does not say otherwise."""


def web_command(host: str, port: int, python: str = "python") -> tuple[str, ...]:
    return (
        *(python, "-m", "uvicorn", "project.asgi:application", "--host", host, "--port", str(port)),
        *("--loop", "uvloop", "--http", "httptools", "--ws", "websockets"),
        *("--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "2"),
    )


def worker_command(slots: int, python: str = "python") -> tuple[str, ...]:
    return (
        *(python, "-m", "celery", "-A", "project", "worker", "--pool", "threads", "--concurrency", str(slots)),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "warning"),
    )


def web(host: str, port: int, python: str, log: Path, environment: Mapping[str, str]) -> Program:
    return Program("web process", web_command(host, port, python), log, environment, grace=2.5)


def worker(slots: int, python: str, log: Path, environment: Mapping[str, str], grace: float) -> Program:
    return Program("worker", worker_command(slots, python), log, environment, grace=grace)
