"""A server under test, from its database to its clients."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import redis
from letta_client import AsyncLetta, Letta

from project.embedded.processes import web_command, worker_command
from tests.fakellm import FakeLLM
from tests.live import databases
from tests.live.processes import Running, free_port
from tests.live.valkeys import Valkey
from tests.live.waiting import wait_until

SLOTS = 50
MODEL = "openai/fake-1"


class Web(Running):
    """A web process, at `url`."""

    def __init__(self, log: Path, environment: dict[str, str], port: int | None = None):
        port = self.port = port or free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(f"web:{port}", web_command("127.0.0.1", port, sys.executable), log, environment)

    @property
    def answers(self) -> bool:
        assert self.is_alive, f"the web process ended; its log:\n{self.tail()}"
        try:
            with urllib.request.urlopen(f"{self.url}/v1/health/", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class Server:
    """Runs between entering and leaving. `environment` is what all of its processes get besides the usual."""

    def __init__(self, folder: Path, llm: FakeLLM, workers: int = 1, **environment: str):
        self.folder = folder
        self.llm = llm
        self.workers: list[Running] = []
        self._wanted_workers = workers
        self._started: list[Running] = []
        self.key = databases.template()
        self.database = databases.new_database()
        self.valkey = Valkey(folder / "valkey.log")
        self.connection = databases.connect(databases.url_of(self.database))
        self.environment = os.environ | {
            "PERDURE_HOME": str(folder),
            "DATABASE_URL": databases.url_of(self.database),
            "REDIS_URL": self.valkey.url,
            "PERDURE_DATABASE_POOL": "6",
            "PERDURE_WORKER_SLOTS": str(SLOTS),
            "OPENAI_BASE_URL": llm.url,
            "OPENAI_API_KEY": "sk-of-the-tests",
            "ANTHROPIC_BASE_URL": llm.anthropic_url,
            "ANTHROPIC_API_KEY": "sk-ant-of-the-tests",
            **environment,
        }

    def __enter__(self) -> "Server":
        try:
            self.web = self._start_web()
            workers = [self.start_worker() for _ in range(self._wanted_workers)]
            wait_until(lambda: self.web.answers, what="the web process answers")
            for worker in workers:
                self._await_worker(worker)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._show_logs()
        self.close()

    def close(self) -> None:
        for process in self._started:
            process.kill()
        self.valkey.close()
        self.connection.close()
        databases.drop_database(self.database)

    # Processes

    def add_web(self, **environment: str) -> Web:
        web = self._start_web(**environment)
        wait_until(lambda: web.answers, what="the web process answers")
        return web

    def restart_web(self) -> None:
        """The web process anew, where it was."""
        self.web = self._start_web(self.web.port)
        wait_until(lambda: self.web.answers, what="the web process answers")

    def add_worker(self, **environment: str) -> Running:
        """A further worker, ready to claim."""
        worker = self.start_worker(**environment)
        self._await_worker(worker)
        return worker

    def owner(self, conversation_id: str | None = None) -> Running:
        """The worker that holds the conversation now, or the only one that is held."""
        return wait_until(lambda: self._owner(conversation_id), what="a worker claims the conversation")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The workers that run now stand still meanwhile, so that one that is added gets all the work."""
        standing = [worker for worker in self.workers if worker.is_alive]
        for worker in standing:
            worker.stop()
        try:
            yield
        finally:
            for worker in standing:
                worker.cont()

    def _owner(self, conversation_id: str | None) -> Running | None:
        held = self.sql("SELECT id, owner FROM agents_conversation WHERE owner <> '' AND lease_until > now()")
        pids = [int(owner.split(":")[1]) for id, owner in held if conversation_id in (None, id)]
        return next((worker for worker in self.workers if worker.pid in pids), None)

    def _start_web(self, port: int | None = None, **environment: str) -> Web:
        web = Web(self.folder / f"web{len(self._started)}.log", self.environment | environment, port)
        self._started.append(web)
        return web

    def start_worker(self, **environment: str) -> Running:
        """A further worker, which may take some seconds to be ready."""
        log = self.folder / f"worker{len(self._started)}.log"
        environment = self.environment | environment
        command = worker_command(int(environment["PERDURE_WORKER_SLOTS"]), sys.executable)
        worker = Running("worker", command, log, environment)
        self._started.append(worker)
        self.workers.append(worker)
        return worker

    def _await_worker(self, worker: Running) -> None:
        def is_ready() -> bool:
            assert worker.is_alive, f"the worker ended; its log:\n{worker.tail()}"
            return bool(self.sql("SELECT 1 FROM workers_worker WHERE pid = %s", worker.pid))

        wait_until(is_ready, what="the worker has shown itself")

    def _show_logs(self) -> None:
        for process in self._started:
            print(f"--- {process.log.name} (exit code {process.exit_code})\n{process.tail()}")

    # Ways in

    def client(self, web: Web | None = None, key: str | None = None, **options: Any) -> Letta:
        return Letta(base_url=(web or self.web).url, api_key=key or self.key, **options)

    def async_client(self, web: Web | None = None, **options: Any) -> AsyncLetta:
        return AsyncLetta(base_url=(web or self.web).url, api_key=self.key, **options)

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.valkey.url)

    def sql(self, query: str, *parameters: Any) -> list[tuple]:
        return self.connection.execute(query, parameters or None).fetchall()  # type: ignore[arg-type]

    def manage(self, *arguments: str, script: str | None = None) -> str:
        return databases.manage(self.environment, *arguments, script=script)

    # What is there

    def send(self, agent_id: str, text: str, **fields: Any) -> str:
        """Send and go; the run's id."""
        return str(self.client().agents.messages.create_async(agent_id, input=text, **fields).id)

    def agent(self, *tools: str, **fields: Any) -> str:
        """A new agent that has these tools only; its id."""
        wanted = {"model": MODEL, "include_base_tools": False, "tools": list(tools)} | fields
        return str(self.client().agents.create(**wanted).id)

    def run(self, run_id: str) -> dict[str, Any]:
        """The row of a run."""
        cursor = self.connection.execute("SELECT * FROM agents_run WHERE id = %s", [run_id])
        row = cursor.fetchone()
        assert row, f"there is no {run_id}"
        assert cursor.description
        return {column.name: value for column, value in zip(cursor.description, row, strict=True)}

    def await_end(self, run_id: str, seconds: float = 40) -> dict[str, Any]:
        """The row of a run when it has ended."""
        ended = ("completed", "failed", "cancelled")
        what = f"{run_id} ends"
        return wait_until(lambda: row if (row := self.run(run_id))["status"] in ended else {}, seconds, what)

    def transcript(self, agent_id: str) -> list[str]:
        """Every message of the agent's conversation but the system's, one line each.

        `user: text`, `assistant: text`, `assistant: text [tool, tool]`, `tool: text`, `tool error: text`, `approval`,
        `summary`.
        """
        rows = self.sql(
            """SELECT role, content FROM agents_message AS m JOIN agents_conversation AS c ON c.id = m.conversation_id
                WHERE m.agent_id = %s AND c.is_default AND role <> 'system' ORDER BY seq""",
            agent_id,
        )
        return [_line(role, content) for role, content in rows]


def _line(role: str, content: dict[str, Any]) -> str:
    if role == "user":
        said = content["content"]
        return f"user: {said.splitlines()[0]}" if isinstance(said, str) else f"user: {said}"
    if role in ("approval", "summary"):
        return role
    if role == "tool":
        return f"tool{' error' if content['status'] == 'error' else ''}: {content['text']}"
    calls = ", ".join(call["name"] for call in content["calls"])
    return " ".join(part for part in ("assistant:", content["text"], f"[{calls}]" if calls else "") if part)
