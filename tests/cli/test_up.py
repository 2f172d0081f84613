"""`./perdure up` as a user meets it: the whole server, started, used, stopped and killed."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from cli.configuration import ROOT, Refused
from cli.up import DEMO_MODEL, model_line, port_sentence, refuse_taken_port
from project.embedded import accounts, homes, postgres
from tests.project.embedded.processes import eventually, mentioning


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def taken_ports() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


taken_port = pytest.fixture(taken_ports)


class Server:
    """One `up`, whose lines are collected as it prints them."""

    def __init__(self, home: Path, port: int, **environment: str) -> None:
        own = {"PERDURE_HOME": str(home), "PERDURE_PORT": str(port), "PERDURE_WORKER_SLOTS": "4"}
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {**os.environ, **own, **environment}
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli", "up"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self.collect, daemon=True).start()

    def collect(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def greeted(self) -> "Server":
        assert eventually(lambda: "Next" in self.output or self.process.poll() is not None), self.diagnosis()
        assert self.process.poll() is None, self.diagnosis()
        return self

    def diagnosis(self) -> str:
        logs = sorted((self.home / "logs").glob("*.log"))
        return self.output + "".join(f"\n{log.name}: {log.read_text()[-2000:]}" for log in logs)

    def ended(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def get(self, path: str) -> object:
        key = (self.home / "api-key").read_text().strip()
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
            return json.load(response)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return perdure(self.environment, *words)


def perdure(environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers on homes of this test, and ends them with all that they leave."""
    started: list[Server] = []

    def begin(name: str = "home", port: int | None = None, **environment: str) -> Server:
        started.append(Server(tmp_path / name, port or free_port(), **environment))
        return started[-1]

    yield begin
    for server in started:
        server.process.kill()
        server.process.wait()
    for server in started:
        clean(server.home)


def clean(home: Path) -> None:
    data = (home / "postgres").resolve() / postgres.MAJOR
    assert eventually(lambda: postgres.postmaster(data) is None)
    if (home / "postgres").is_symlink():
        accounts.delete_data(home, "postgres")
    homes.forget(home / homes.RUN)
    shutil.rmtree(home, ignore_errors=True)


def test_a_server_is_used_stopped_and_started_again(start: Callable[..., Server]) -> None:
    server = start().greeted()
    order = ["Starting Valkey", "Starting Postgres", "Migrating", "Starting the worker", f"runs at {server.url}"]
    assert [server.output.index(word) for word in order] == sorted(server.output.index(word) for word in order)
    for word in ("api-key", "admin-password", DEMO_MODEL, "OPENAI_API_KEY", "docs/sandbox.md", "./perdure chat"):
        assert word in server.output
    for name in ("api-key", "admin-password", "secret-key", "run.json"):
        assert (server.home / name).stat().st_mode & 0o777 == 0o600

    agent = first_agent(server)
    answer = server.command("send", "Hello")
    assert (answer.returncode, answer.stderr) == (0, ""), server.diagnosis()
    assert answer.stdout.strip()
    migrations = server.command("manage", "showmigrations", "accounts")
    assert "[X] 0001_initial" in migrations.stdout, migrations.stderr

    assert server.ended(signal.SIGINT) == 0
    assert server.output.endswith("\nStopping ...\nStopped.\n")
    assert not mentioning(str(server.home))
    assert not (server.home / "run.json").exists()

    again = start(port=int(server.url.rpartition(":")[2])).greeted()
    assert first_agent(again) == agent
    said = again.get(f"/v1/agents/{agent}/messages")
    assert isinstance(said, list)
    assert "Hello" in [message.get("content") for message in said]
    assert again.ended(signal.SIGTERM) == 0
    assert not mentioning(str(server.home))


def first_agent(server: Server) -> str:
    agents = server.get("/v1/agents/?name=first")
    assert isinstance(agents, list)
    (agent,) = agents
    return str(agent["id"])


def test_manage_starts_the_services_for_itself_when_no_server_runs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "PERDURE_HOME": str(home)}
    try:
        assert perdure(environment, "manage", "migrate", "accounts").returncode == 0
        assert "[X] 0001_initial" in perdure(environment, "manage", "showmigrations", "accounts").stdout
        assert perdure(environment, "manage", "no-such-command").returncode == 1
        assert not mentioning(str(home))
    finally:
        clean(home)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sends a signal to the children of a killed process")
def test_kill_9_leaves_no_process_and_the_next_start_works(start: Callable[..., Server]) -> None:
    server = start().greeted()
    data = str((server.home / "postgres").resolve())
    assert mentioning(data)
    server.ended(signal.SIGKILL)
    assert eventually(lambda: not mentioning(data))
    assert eventually(lambda: not mentioning(str(server.home)))
    assert start().greeted().ended(signal.SIGINT) == 0


def test_a_killed_web_process_and_worker_come_back(start: Callable[..., Server]) -> None:
    server = start().greeted()
    before = children(server)
    assert set(before) == {"celery", "uvicorn"}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    assert eventually(
        lambda: set(children(server)) == set(before) and not set(children(server).values()) & set(before.values())
    )
    assert eventually(lambda: answers(server)), server.diagnosis()
    assert server.command("send", "Hello").returncode == 0, server.diagnosis()


def children(server: Server) -> dict[str, int]:
    """The pids of our own two programs."""
    found = {}
    for pid in mentioning(str(server.home)):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if words[1:2] == ["-m"] and words[2] in ("uvicorn", "celery"):
            found[words[2]] = pid
    return found


def answers(server: Server) -> bool:
    try:
        server.get("/v1/health/")
    except OSError:
        return False
    return True


def test_a_second_up_on_the_same_home_is_one_sentence(start: Callable[..., Server], tmp_path: Path) -> None:
    home = homes.prepared(tmp_path / "home")
    with homes.locked(home):
        second = start()
        assert second.process.wait(timeout=30) == 1
    assert eventually(lambda: second.lines)
    assert second.lines == [f"Perdure already runs on {home}; stop that one, or set PERDURE_HOME to another folder.\n"]


def test_a_taken_port_is_one_sentence_and_nothing_is_started(start: Callable[..., Server], taken_port: int) -> None:
    server = start(port=taken_port)
    assert server.process.wait(timeout=30) == 1
    assert eventually(lambda: server.lines)
    assert len(server.lines) == 1
    assert re.match(rf"Port {taken_port} on 127\.0\.0\.1 is taken; set PERDURE_PORT to a free one", server.lines[0])
    assert not server.home.exists()


def test_a_wrong_setting_is_one_sentence(start: Callable[..., Server]) -> None:
    server = start(PERDURE_PORT="many")
    assert server.process.wait(timeout=30) == 1
    assert eventually(lambda: server.lines)
    assert server.lines == ["PERDURE_PORT is 'many'; expected a whole number of at least 1.\n"]


def test_a_free_port_is_not_refused() -> None:
    refuse_taken_port("127.0.0.1", free_port())


@pytest.mark.parametrize(
    ("host", "port", "named"), [("127.0.0.1", 70000, "PERDURE_PORT"), ("no host", 8283, "PERDURE_HOST")]
)
def test_what_nobody_can_listen_on_names_its_variable(host: str, port: int, named: str) -> None:
    with pytest.raises(Refused, match=named):
        refuse_taken_port(host, port)


def test_a_port_for_root_only_names_the_variable() -> None:
    assert "PERDURE_PORT" in port_sentence("127.0.0.1", 80, PermissionError(13, "Permission denied"))


def test_a_real_model_is_just_named() -> None:
    assert model_line("openai/some-model", {}) == "openai/some-model"
    assert "no LLM. Set OPENAI_API_KEY" in model_line(DEMO_MODEL, {})


def test_a_provider_without_models_is_named_with_the_reason() -> None:
    assert "(ollama: it does not answer)" in model_line(DEMO_MODEL, {"ollama": "it does not answer"})
