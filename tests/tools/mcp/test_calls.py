"""Calls of MCP servers, which are real processes: good ones over every transport, and those that misbehave."""

import asyncio
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from agents.errors import Cancelled
from agents.loop.ports import Abort
from tests.live.processes import free_port
from tests.live.waiting import wait_until
from tests.tools.mcp.processes import EVIL, GOOD, started
from tools.mcp import McpError, Unreachable, call, http, remote_tools, session
from tools.mcp.secrets import sealed
from tools.models import McpServer

PATHS = {"streamable_http": "mcp", "sse": "sse"}
KINDS = [*PATHS, "stdio"]


@pytest.fixture(autouse=True)
def _clean(allowed: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Short waits; and when a test is over, nothing of its sessions is left in the loop."""
    monkeypatch.setattr(session, "CONNECT_SECONDS", 2.0)
    monkeypatch.setattr(session, "CLOSING_SECONDS", 1.0)
    yield
    wait_until(nothing_is_under_way, what="every session has ended")


def nothing_is_under_way() -> bool:
    return not asyncio.all_tasks(session._loop())


def at(address: str, path: str, kind: str = "streamable_http", **fields: Any) -> McpServer:
    return McpServer(name="there", server_type=kind, url=f"http://{address}/{path}", **fields)


def command(*args: str, **env: str) -> McpServer:
    secrets = sealed({f"env:{name}": value for name, value in env.items()}, {})
    return McpServer(name="there", server_type="stdio", command=sys.executable, args=["-m", *args], secrets=secrets)


@pytest.fixture(params=KINDS)
def good(request: pytest.FixtureRequest, running: dict[str, str]) -> McpServer:
    kind = request.param
    return command(GOOD, "stdio") if kind == "stdio" else at(running[kind], PATHS[kind], kind)


class TestEveryTransport:
    def test_the_list(self, good: McpServer) -> None:
        tools = {tool.name: tool for tool in remote_tools(good)}
        assert {"add", "where", "odd name/with.signs"} <= set(tools)
        assert tools["add"].description == "Add two numbers."
        assert tools["add"].input_schema["properties"]["b"]["description"] == "The other one."

    def test_a_call(self, good: McpServer) -> None:
        answer = call(good, "add", {"a": 2, "b": 3})
        assert (answer.status, answer.text, answer.fault) == ("success", "5", None)

    def test_a_tool_that_fails(self, good: McpServer) -> None:
        answer = call(good, "fail", {"reason": "the moon is wrong"})
        assert (answer.status, answer.fault) == ("error", None)
        assert "the moon is wrong" in answer.text

    def test_a_tool_that_is_not_there(self, good: McpServer) -> None:
        answer = call(good, "fly", {})
        assert (answer.status, answer.fault) == ("error", None)
        assert "fly" in answer.text

    def test_one_that_takes_too_long(self, good: McpServer) -> None:
        answer = call(good, "wait", {"seconds": 3}, timeout=0.3)
        assert (answer.status, answer.fault) == ("error", "timeout")

    def test_one_that_is_stopped(self, good: McpServer) -> None:
        abort = Abort()
        threading.Timer(1.5, abort.press, ["cancelled"]).start()
        with pytest.raises(Cancelled, match="cancelled"):
            call(good, "wait", {"seconds": 6}, abort=abort)

    def test_one_that_was_stopped_before(self, good: McpServer, tmp_path: Path) -> None:
        abort = Abort()
        abort.press("shutdown")
        with pytest.raises(Cancelled, match="shutdown"):
            call(good, "note", {"path": str(tmp_path / "note"), "text": "x"}, abort=abort)
        wait_until(nothing_is_under_way, what="the session has ended, had it begun")
        assert not (tmp_path / "note").exists()


def test_many_threads_at_once(running: dict[str, str]) -> None:
    answers: list[str] = []
    server = at(running["streamable_http"], "mcp")

    def work(number: int) -> None:
        answers.append(call(server, "add", {"a": number, "b": 0}).text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, answers)) == list(range(40))


class TestSecrets:
    @pytest.mark.parametrize("kind", PATHS)
    def test_a_key(self, settings: Any, tmp_path: Path, kind: str) -> None:
        with started(GOOD, kind.removeprefix("streamable_"), tmp_path / "log", MCP_KEY="k-123") as address:
            settings.MCP_PRIVATE_HOSTS = [address]
            refused = call(at(address, PATHS[kind], kind), "add", {"a": 1})
            assert (refused.fault, "401" in refused.text, "auth_token" in refused.text) == ("connection", True, True)
            for name, value in (
                ("auth_token", "k-123"),
                ("auth_token", "Bearer k-123"),
                ("header:authorization", "Bearer k-123"),
            ):
                server = at(address, PATHS[kind], kind, secrets=sealed({name: value}, {}))
                assert call(server, "add", {"a": 1}).text == "2"
            server = at(address, PATHS[kind], kind, auth_header="X-Key", secrets=sealed({"auth_token": "k-123"}, {}))
            assert call(server, "add", {"a": 1}).fault == "connection"

    def test_variables_and_no_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PERDURE_CANARY", "of the server")
        server = command(GOOD, "stdio", GIVEN="to the command")
        assert call(server, "variable", {"name": "GIVEN"}).text == "to the command"
        assert call(server, "variable", {"name": "PERDURE_CANARY"}).text == "(none)"
        assert call(server, "variable", {"name": "PERDURE_SECRET_KEY"}).text == "(none)"

    def test_that_cannot_be_opened(self, settings: Any, running: dict[str, str]) -> None:
        server = at(running["streamable_http"], "mcp", secrets=sealed({"auth_token": "t"}, {}))
        settings.SECRET_KEY = "another"
        answer = call(server, "add", {"a": 1})
        assert (answer.fault, "Set them again" in answer.text) == ("connection", True)


# How it misbehaves, what that is to us, and a word of what is told.
EVILS = [
    ("silent", "timeout", "within 1 seconds"),
    ("silent_body", "timeout", "within 1 seconds"),
    ("trickle", "timeout", "within 1 seconds"),
    ("trickle_head", "timeout", "within 1 seconds"),
    ("flood", "connection", "larger than"),
    ("flood_of_events", "connection", "larger than"),
    ("flood_of_headers", "connection", "broke"),
    ("bomb", "connection", "compressed"),
    ("half", "connection", "broke"),
    ("half_of_events", "connection", "broke"),
    ("garbage", "connection", ""),
    ("page", "connection", "text/html"),
    ("broken", "connection", "500"),
    ("refused", "connection", "401"),
    ("elsewhere", "connection", "not followed"),
    ("not_http", "connection", "broke"),
    ("nonsense", "connection", "not MCP"),
    ("rejected", None, "there is no such tool"),
]


@pytest.mark.parametrize(("how", "fault", "word"), EVILS)
def test_misbehaviour_in_a_call(running: dict[str, str], how: str, fault: str | None, word: str) -> None:
    answer = call(at(running["evil"], how), "t", {}, timeout=1)
    assert (answer.status, answer.fault) == ("error", fault)
    assert word in answer.text


@pytest.mark.parametrize(("how", "fault"), [(how, fault) for how, fault, _ in EVILS if fault and how != "nonsense"])
def test_misbehaviour_from_the_start(running: dict[str, str], how: str, fault: str) -> None:
    answer = call(at(running["evil"], f"early/{how}"), "t", {}, timeout=1)
    assert (answer.status, answer.fault) == ("error", fault)
    with pytest.raises(McpError):
        remote_tools(at(running["evil"], f"early/{how}"))


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ("silent", "timeout"),
        ("trickle_head", "timeout"),
        ("endless_events", "timeout"),
        ("flood_of_events", "timeout"),  # not read any further: none of the events says where to send to
        ("half_of_events", "connection"),
        ("other_endpoint", "timeout"),
        ("page", "connection"),
        ("refused", "connection"),
        ("elsewhere", "connection"),
        ("bomb", "connection"),
    ],
)
def test_misbehaviour_over_sse(running: dict[str, str], how: str, fault: str) -> None:
    answer = call(at(running["evil"], f"sse/{how}", "sse"), "t", {}, timeout=1)
    assert (answer.status, answer.fault) == ("error", fault)


def test_answers_are_not_matched_with_patterns_of_the_server(running: dict[str, str]) -> None:
    """This one would take ages, in the loop that all sessions share."""
    answer = call(at(running["evil"], "slow_pattern"), "t", {})
    assert (answer.status, answer.fault) == ("success", None)


@pytest.mark.parametrize("how", ["endless_pages", "many_tools"])
def test_lists_without_end(running: dict[str, str], how: str) -> None:
    with pytest.raises(Unreachable, match="more than 500 tools"):
        remote_tools(at(running["evil"], how))


def test_one_that_dies_in_the_middle(settings: Any, tmp_path: Path) -> None:
    with started(EVIL, "http", tmp_path / "log") as address:
        settings.MCP_PRIVATE_HOSTS = [address]
        assert call(at(address, "die"), "t", {}).fault == "connection"
        assert "no connection" in call(at(address, "die"), "t", {}).text


@pytest.mark.parametrize(
    ("how", "fault", "word"),
    [
        ("mute", "timeout", "no session"),
        ("silent", "timeout", "did not answer"),
        ("flood", "connection", "more than"),
        ("flood_of_errors", "timeout", "did not answer"),
        ("die", "connection", "I am out of here"),
        ("garbage", "timeout", "did not answer"),
    ],
)
def test_commands_that_misbehave(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str, fault: str, word: str
) -> None:
    """None of them is left, nor are their children, though they ignore whatever can be ignored."""
    monkeypatch.setattr(session, "START_SECONDS", 3.0)
    trace = tmp_path / "trace"
    answer = call(command(EVIL, "stdio", how, str(trace)), "t", {}, timeout=1.5)
    assert (answer.status, answer.fault) == ("error", fault)
    assert word in answer.text
    wait_until(lambda: not any(map(_is_alive, trace.read_text().split())), what="the command has ended")


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestCommands:
    def test_one_that_is_not_there(self) -> None:
        server = McpServer(name="there", server_type="stdio", command="/nowhere/at-all")
        answer = call(server, "t", {})
        assert (answer.fault, "cannot be started" in answer.text) == ("connection", True)

    def test_they_are_off_unless_an_admin_allows_them(self, settings: Any, tmp_path: Path) -> None:
        settings.ALLOW_MCP_STDIO = False
        server = McpServer(name="there", server_type="stdio", command="touch", args=[str(tmp_path / "touched")])
        answer = call(server, "t", {})
        assert (answer.fault, "PERDURE_ALLOW_MCP_STDIO" in answer.text) == ("connection", True)
        assert os.listdir(tmp_path) == []


class TestWhereItMayGo:
    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "0x7f000001", "127.1", "2130706433", "[::1]", "[::ffff:7f00:1]"]
    )
    @pytest.mark.parametrize("kind", PATHS)
    def test_not_to_private_addresses(self, settings: Any, running: dict[str, str], host: str, kind: str) -> None:
        settings.MCP_PRIVATE_HOSTS = []
        for port in ("", ":443", f":{running[kind].partition(':')[2]}"):
            answer = call(at(f"{host}{port}", PATHS[kind], kind), "add", {"a": 1})
            assert (answer.fault, "PERDURE_MCP_PRIVATE_HOSTS" in answer.text) == ("connection", True)

    def test_only_to_the_port_that_is_allowed(self, settings: Any, running: dict[str, str]) -> None:
        settings.MCP_PRIVATE_HOSTS = [running["sse"], "127.0.0.1"]
        answer = call(at(running["streamable_http"], "mcp"), "add", {"a": 1})
        assert (answer.fault, "may not be reached" in answer.text) == ("connection", True)

    def test_the_name_must_be_the_one_that_is_allowed(self, running: dict[str, str]) -> None:
        address = running["streamable_http"].replace("127.0.0.1", "localhost")
        assert "may not be reached" in call(at(address, "mcp"), "add", {"a": 1}).text

    def test_a_name_is_resolved_once(
        self, monkeypatch: pytest.MonkeyPatch, settings: Any, running: dict[str, str]
    ) -> None:
        """Its address at the time of the check is the one that is connected to."""
        port = int(running["streamable_http"].partition(":")[2])
        looked_up: list[str] = []
        real = socket.getaddrinfo

        def lookup(host: Any, *rest: Any, **named: Any) -> Any:
            if host != "rebinding.example":
                return real(host, *rest, **named)
            looked_up.append(host)
            return real("93.184.215.14" if len(looked_up) % 2 else "127.0.0.1", *rest, **named)

        connected: list[str] = []

        async def connect(self: Any, host: str, *rest: Any) -> Any:
            connected.append(host)
            raise http.httpcore2.ConnectError("stopped by the test")

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        monkeypatch.setattr(http.httpcore2.AnyIOBackend, "connect_tcp", connect)
        settings.MCP_PRIVATE_HOSTS = []
        call(at("rebinding.example", "mcp"), "add", {"a": 1})
        assert set(connected) == {"93.184.215.14"}
        assert port  # nothing of the kind is listening there

    def test_one_bad_address_condemns_all(self, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        found = [(0, 0, 0, "", (address, 80)) for address in ("93.184.215.14", "10.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        settings.MCP_PRIVATE_HOSTS = []
        assert "no public address" in call(at("mixed.example", "mcp"), "add", {"a": 1}).text

    def test_nobody_is_there(self, settings: Any) -> None:
        address = f"127.0.0.1:{free_port()}"
        settings.MCP_PRIVATE_HOSTS = [address]
        answer = call(at(address, "mcp"), "add", {"a": 1})
        assert (answer.fault, "no connection" in answer.text) == ("connection", True)

    def test_proxies_of_the_environment_are_ignored(
        self, monkeypatch: pytest.MonkeyPatch, running: dict[str, str]
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
        assert call(at(running["streamable_http"], "mcp"), "add", {"a": 1}).text == "2"
