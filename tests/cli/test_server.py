"""How the commands find a server and say that there is none."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cli.configuration import ROOT, Refused, configuration, ensure_secret_key, home, write_private
from cli.files import json_of, refuse_unwritable, text_of
from cli.identities import find
from cli.send import answer_of, refuse_unfinished
from cli.server import Pending, Server, find_agent, refused, server, told
from cli.tools import _failure
from project.embedded import homes


class Answers(BaseHTTPRequestHandler):
    """Knows the key `k`, the agent `first` and two that are called `twin`; an empty filter is none."""

    def do_GET(self) -> None:
        if self.headers["Authorization"] != "Bearer k":
            self.reply(401, {"detail": "no"})
        elif self.path == "/v1/agents/?name=first":
            self.reply(200, [{"id": "agent-1", "name": "first"}])
        elif self.path in ("/v1/agents/?name=twin", "/v1/agents/?name="):
            self.reply(200, [{"id": "agent-2", "name": "twin"}, {"id": "agent-3", "name": "twin"}])
        elif self.path.startswith("/v1/agents/?"):
            self.reply(200, [])
        else:
            self.reply(404, {"detail": f"nothing at {self.path}"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = {"message_type": "assistant_message", "content": f"{asked['input']}, {self.path}"}
        self.reply(200, {"messages": [said], "stop_reason": {"stop_reason": "end_turn"}})

    def reply(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.02,)).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cli", *words], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("words", [("chat",), ("send", "hello")])
def test_without_a_server_one_sentence_says_how_to_start_it(words: tuple[str, ...]) -> None:
    result = command(*words)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("No server is running; start it with ./perdure up")
    assert len(result.stderr.splitlines()) == 1


def test_send_prints_the_answer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_URL", url)
    monkeypatch.setenv("PERDURE_API_KEY", "k")
    result = command("send", "hello there")
    assert (result.returncode, result.stdout) == (0, "hello there, /v1/agents/agent-1/messages\n")


def test_send_fails_when_there_is_no_such_agent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_URL", url)
    monkeypatch.setenv("PERDURE_API_KEY", "k")
    result = command("send", "nobody", "hello")
    assert result.returncode == 1
    assert result.stderr == "There is no agent named 'nobody'; give the name or the id of one that exists.\n"


def test_an_empty_name_is_nobodys_and_one_of_several_is_not_guessed(url: str) -> None:
    for empty in ("", "  "):
        with pytest.raises(Refused, match="The name of an agent is empty"):
            find_agent(Server(url, "k"), empty)
        with pytest.raises(Refused, match="The name of an identity is empty"):
            find(Server(url, "k"), empty)
    with pytest.raises(Refused, match=r"2 agents are named 'twin'; give the id .* agent-2, agent-3"):
        find_agent(Server(url, "k"), "twin")


def test_the_server_that_runs_on_this_home_is_found() -> None:
    place = homes.prepared(home())
    write_private(place / "run.json", json.dumps({"url": "http://127.0.0.1:1"}))
    write_private(place / "api-key", "the key\n")
    with pytest.raises(Refused, match="No server is running"):
        server()
    with homes.locked(place):
        assert server() == Server("http://127.0.0.1:1", "the key")


def test_a_server_that_only_starts_is_said_so() -> None:
    place = homes.prepared(home())
    with homes.locked(place), pytest.raises(Refused, match="just starting"):
        server()


def test_a_remote_server_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_URL", "https://perdure.example.org/")
    with pytest.raises(Refused, match="PERDURE_API_KEY"):
        server()
    monkeypatch.setenv("PERDURE_API_KEY", "k")
    assert server().websocket_url == "wss://perdure.example.org"


def test_refusals_are_sentences(url: str) -> None:
    with pytest.raises(Refused, match="does not know this API key"):
        find_agent(Server(url, "wrong"), "first")
    with pytest.raises(Refused, match=r"\(404\): nothing at /v1/agents/agent-2"):
        find_agent(Server(url, "k"), "agent-2")


@pytest.mark.parametrize(
    ("detail", "text"),
    [
        ([{"loc": ["body", "limit"], "msg": "Should be a number", "type": "int"}], "limit: Should be a number"),
        ([{"loc": ["body"], "msg": "No JSON"}, {"loc": ["query", "a", 0], "msg": "No"}], "body: No JSON; a.0: No"),
        ({"code": "X", "message": "It waits."}, "It waits."),
        ({"limit": ["no"]}, '{"limit": ["no"]}'),
        ("\x1b[2Jno", "[2Jno"),
    ],
)
def test_whatever_a_server_says_is_wrong_becomes_text(detail: object, text: str) -> None:
    assert told(detail) == text


def test_an_agent_that_waits_for_an_answer_is_told_apart() -> None:
    refusal = refused(409, {"code": "PENDING_APPROVAL", "message": "It waits.", "pending_request_id": "message-1"})
    assert (type(refusal), str(refusal)) == (Pending, "It waits.")
    assert type(refused(409, "no")) is Refused


def test_retention_without_options_says_what_to_give() -> None:
    result = command("retention", "set")
    assert (result.returncode, result.stderr) == (
        1,
        "Say what to keep for how many days: --runs, --messages or --block-versions (0: for ever).\n",
    )


@pytest.mark.parametrize("words", [("--help",), ("help",), ("migrate", "--help")])
def test_help_on_manage_starts_nothing(words: tuple[str, ...]) -> None:
    result = command("manage", *words)
    assert (result.returncode, "manage.py" in result.stdout) == (0, True), result.stderr
    assert not home().exists()


def test_help_on_up_names_the_variables() -> None:
    shown = command("up", "--help").stdout
    assert "PERDURE_PORT" in shown
    assert "PERDURE_HOME" in shown


def test_a_failure_is_told_once() -> None:
    assert _failure(["numbers: no list\n"], "numbers: no list") == "numbers: no list"
    assert _failure(["Traceback", "  line 1"], "TypeError: x") == "Traceback\n  line 1\nTypeError: x"


def test_an_export_goes_to_a_new_file_in_a_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for name, why in (
        ("there", "is there already"),
        ("nowhere", "is there already"),
        ("no/file", "no folder"),
        ("", "is a folder"),
    ):
        result = command("identities", "export", "grace", str(tmp_path / name))
        assert (result.returncode, why in result.stderr, result.stderr.count("\n")) == (1, True, 1), result.stderr
    refuse_unwritable(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_read_may_be_json_or_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text('{"a": [1,\n2]}\n')
    assert json_of(file) == {"a": [1, 2]}
    file.write_text('{"a": 1}\n\n{"a": 2}\n')
    assert json_of(file) == [{"a": 1}, {"a": 2}]
    file.write_text('{"a": 1}\n{"a": ')
    with pytest.raises(Refused, match="is no JSON: Extra data"):
        json_of(file)
    file.write_bytes(b"\xff")
    with pytest.raises(Refused, match="no text in UTF-8"):
        text_of(file)
    with pytest.raises(Refused, match="No such file"):
        text_of(tmp_path / "none")


def test_a_server_that_does_not_answer_is_named(url: str) -> None:
    with pytest.raises(Refused, match=r"No answer from http://127\.0\.0\.1:1: .*Does the server run"):
        Server("http://127.0.0.1:1", "k").get("/")


def test_a_local_server_is_not_asked_through_a_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert find_agent(Server(url, "k"), "first")["id"] == "agent-1"


def test_send_joins_what_the_agent_said() -> None:
    messages = [
        {"message_type": "reasoning_message", "reasoning": "hm"},
        {"message_type": "assistant_message", "content": "a"},
        {"message_type": "assistant_message", "content": [{"type": "text", "text": "b"}]},
    ]
    assert answer_of({"messages": messages}) == "a\nb"


def test_a_turn_that_did_not_end_by_itself_is_a_failure() -> None:
    refuse_unfinished({"stop_reason": {"stop_reason": "end_turn"}})
    with pytest.raises(Refused, match="max_steps"):
        refuse_unfinished({"stop_reason": {"stop_reason": "max_steps"}})


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "http://127.0.0.1:9"), ("0.0.0.0", "http://127.0.0.1:9"), ("::", "http://[::1]:9")],
)
def test_the_address_of_the_server(monkeypatch: pytest.MonkeyPatch, host: str, expected: str) -> None:
    monkeypatch.setenv("PERDURE_HOST", host)
    monkeypatch.setenv("PERDURE_PORT", "9")
    assert configuration().url == expected


def test_the_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    ensure_secret_key(tmp_path)
    made = (tmp_path / "secret-key").read_text()
    ensure_secret_key(tmp_path)
    assert (tmp_path / "secret-key").read_text() == made
    assert len(made) > 50
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600
