"""The fake as a child process, and its control API as Python."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class FakeLLM:
    """Runs the server from `start` (or entering) to `stop` (or leaving)."""

    def __init__(self) -> None:
        self.root = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> "FakeLLM":
        command = [sys.executable, "-m", "tests.fakellm", "--port", "0", "--until-eof"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=_ROOT, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout
        self.root = self._process.stdout.readline().strip()
        if not self.root:
            raise RuntimeError("the fake LLM did not start: see its error output above")
        return self

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process = None

    def __enter__(self) -> "FakeLLM":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL takes."""
        return self.root + "/v1"

    @property
    def anthropic_url(self) -> str:
        """What ANTHROPIC_BASE_URL takes."""
        return self.root

    def script(self, *answers: dict[str, Any], **answer: Any) -> None:
        """What the next calls are answered with: dicts with the fields of `Answer`, `match` and `repeat`."""
        self._ask("POST", "/script", [*answers, *([answer] if answer else [])])

    def script_embeddings(self, *answers: dict[str, Any]) -> None:
        """What the next requests for vectors are answered with: dicts with the fields of `EmbeddingAnswer`."""
        self._ask("POST", "/script-embeddings", list(answers))

    def calls(self) -> list[dict[str, Any]]:
        """The requests since the last reset: path, headers, body, user, conversation, client_port, began, ended,
        outcome ("answered" or "broken off")."""
        calls: list[dict[str, Any]] = self._ask("GET", "/calls")
        return calls

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self._ask("GET", "/stats")
        return stats

    def reset(self) -> None:
        self._ask("POST", "/reset", {})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data=sent, method=method)
        with _OPENER.open(request, timeout=30) as answer:
            return json.load(answer)
