"""`./perdure up`: everything that a server needs, started in order, kept running, and stopped with Ctrl-C."""

import errno
import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from cli.configuration import (
    ADMIN_PASSWORD,
    API_KEY,
    ROOT,
    RUN_FILE,
    Configuration,
    Refused,
    child_environment,
    configuration,
    ensure_secret_key,
    write_private,
)
from project.embedded import Backing, homes, processes, running
from project.embedded.supervisor import Program, Supervisor, completed, last_line

DEMO_MODEL = "demo/scripted"
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PACE = 0.2
TIER_SECONDS = 5.0
TIERS = {
    "T3": "locked in namespaces, Landlock and a filter of system calls",
    "T2": "locked in Landlock and a filter of system calls, without namespaces",
    "T1": "this machine can only limit them, not lock them in: those that you write are refused",
}

console = Console(highlight=False, markup=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `manage.py bootstrap` said."""

    model: str | None = None
    without_models: Mapping[str, str] = field(default_factory=dict)  # provider: why


def up() -> None:
    chosen = configuration()
    os.chdir(ROOT)
    refuse_second(chosen)
    refuse_taken_port(chosen.host, chosen.port)
    interrupt_on_signals()
    try:
        serve(chosen)
    except KeyboardInterrupt:
        say("Stopped.")


def serve(chosen: Configuration) -> None:
    with (
        running(chosen.home, database_url=chosen.database_url, redis_url=chosen.redis_url, report=say) as backing,
        run_file(chosen, backing),
        Supervisor(say) as supervisor,
    ):
        ensure_secret_key(chosen.home)
        environment = child_environment(chosen, backing.database_url, backing.redis_url)
        prepared = prepare(chosen.home, environment)
        start(supervisor, chosen, environment)
        wait_for_health(chosen, supervisor, backing)
        greet(chosen, prepared, tier_of(chosen, supervisor, backing))
        watch(supervisor, backing)


def say(line: str) -> None:
    console.print(line)


def refuse_second(chosen: Configuration) -> None:
    if homes.in_use(chosen.home):
        raise Refused(f"Perdure already runs on {chosen.home}; stop that one, or set PERDURE_HOME to another folder.")


def refuse_taken_port(host: str, port: int) -> None:
    """Tried before anything is started: the web process would only find it out after all the others."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        raise Refused(port_sentence(host, port, error)) from None


def port_sentence(host: str, port: int, error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken; set PERDURE_PORT to a free one, for example PERDURE_PORT={port + 1}."
    if number == errno.EACCES or isinstance(error, OverflowError):
        return f"Port {port} cannot be used ({error}); set PERDURE_PORT to a number between 1024 and 65535."
    return f"Nothing can listen on {host} ({error}); set PERDURE_HOST to an address of this machine."


def interrupt_on_signals() -> None:
    """The first signal unwinds the start or the watch; later ones are ignored, since stopping is bounded anyway."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
        say("\nStopping ...")
        raise KeyboardInterrupt

    for number in STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, stop)


@contextmanager
def run_file(chosen: Configuration, backing: Backing) -> Iterator[None]:
    """Tells chat, send and manage where the server is. One left by kill -9 counts for nothing without the lock."""
    path = chosen.home / RUN_FILE
    content = {
        "pid": os.getpid(),
        "url": chosen.url,
        "host": chosen.host,
        "port": chosen.port,
        "database_url": backing.database_url,
        "redis_url": backing.redis_url,
    }
    write_private(path, json.dumps(content, indent=2) + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def prepare(home: Path, environment: Mapping[str, str]) -> Prepared:
    say("Migrating ...")
    log = home / "logs" / "prepare.log"
    if completed(Program("prepare", (sys.executable, "-m", "cli.prepare"), log, environment)) != 0:
        raise Refused(f"The database could not be prepared: {last_line(log)} (more in {log})")
    try:
        told = json.loads(last_line(log))
        return Prepared(told["model"], told["without_models"])
    except (ValueError, KeyError, TypeError):
        return Prepared()


def start(supervisor: Supervisor, chosen: Configuration, environment: Mapping[str, str]) -> None:
    """The worker first: the last to be started is the first to be stopped."""
    logs = chosen.home / "logs"
    say("Starting the worker and the web process ...")
    supervisor.start(
        processes.worker(chosen.slots, sys.executable, logs / "worker.log", environment, chosen.stop_grace)
    )
    supervisor.start(processes.web(chosen.host, chosen.port, sys.executable, logs / "web.log", environment))


def wait_for_health(chosen: Configuration, supervisor: Supervisor, backing: Backing) -> None:
    while not healthy(chosen.url):
        tick(supervisor, backing)


def healthy(url: str) -> bool:
    return health(url) is not None


def health(url: str) -> dict[str, Any] | None:
    """What the web process says of itself; None as long as it says nothing."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=2)
    try:
        connection.request("GET", "/v1/health/")
        response = connection.getresponse()
        told: dict[str, Any] = json.load(response)
        return told if response.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def tier_of(chosen: Configuration, supervisor: Supervisor, backing: Backing) -> str | None:
    """How the worker locks tools in, if it says so within a few seconds."""
    until = time.monotonic() + TIER_SECONDS
    while not (tier := (health(chosen.url) or {}).get("sandbox")) and time.monotonic() < until:
        tick(supervisor, backing)
    return tier


def watch(supervisor: Supervisor, backing: Backing) -> None:
    while True:
        tick(supervisor, backing)


def tick(supervisor: Supervisor, backing: Backing) -> None:
    backing.supervisor.tick()
    supervisor.tick()
    time.sleep(PACE)


def greet(chosen: Configuration, prepared: Prepared, tier: str | None) -> None:
    say("")
    say(f"Perdure runs at {chosen.url} (Ctrl-C stops it).")
    for name, meaning in facts(chosen, prepared, tier).items():
        say(f"  {name:<8} {meaning}")
    say("")


def facts(chosen: Configuration, prepared: Prepared, tier: str | None) -> dict[str, str]:
    lines = {"API key": f"in {near(chosen.home / API_KEY)}"}
    if (chosen.home / ADMIN_PASSWORD).exists():
        lines["Admin"] = f"{chosen.url}/admin/ as admin, password in {near(chosen.home / ADMIN_PASSWORD)}"
    if prepared.model:
        lines["Model"] = model_line(prepared.model, prepared.without_models)
    if tier in TIERS:
        lines["Tools"] = f"{TIERS[tier]} ({tier}, docs/sandbox.md)"
    lines["Next"] = "./perdure chat, in another terminal"
    return lines


def model_line(model: str, without_models: Mapping[str, str]) -> str:
    if model != DEMO_MODEL:
        return model
    demo = f"{model}, a script to try things out with: no LLM. "
    if not without_models:
        return demo + "Set OPENAI_API_KEY, ANTHROPIC_API_KEY or OLLAMA_BASE_URL and start again for a real one."
    told = "; ".join(f"{provider}: {why}" for provider, why in without_models.items())
    return f"{demo}No configured provider has another ({told}). See to that and start again."


def near(path: Path) -> str:
    """The path as seen from the checkout, when it lies in it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
