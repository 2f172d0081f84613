"""MCP servers through the API, with a worker that answers in the same process, and real servers behind it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from agents import hints
from agents.api import mcp_servers
from agents.models import Agent, AgentTool
from tests.live.processes import free_port
from tests.tools.mcp.conftest import allowed, running  # noqa: F401
from tools import asking
from tools.mcp import call, session
from tools.mcp.calls import target_of
from tools.models import McpServer, Tool
from workers import mcp as worker

TOKEN = "Bearer a-long-secret-token-9876"


@pytest.fixture(autouse=True)
def _worker(monkeypatch: pytest.MonkeyPatch, allowed: None) -> None:  # noqa: F811
    monkeypatch.setattr(hints, "_sent", lambda task, ticket: worker.ask_mcp(ticket) is None)


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "_sent", lambda *_: True)
    monkeypatch.setattr(asking, "TAKEN_WITHIN_SECONDS", 1)
    monkeypatch.setattr(mcp_servers, "SYNC_SECONDS", 0.1)
    monkeypatch.setattr(mcp_servers, "RUN_SECONDS", 0.1)


@pytest.fixture
def url(running: dict[str, str]) -> str:  # noqa: F811
    return f"http://{running['streamable_http']}/mcp"


@pytest.fixture
def evil(running: dict[str, str]) -> str:  # noqa: F811
    return f"http://{running['evil']}"


def body(url: str, name: str = "good", **config: Any) -> dict[str, Any]:
    return {"server_name": name, "config": {"mcp_server_type": "streamable_http", "server_url": url} | config}


@pytest.fixture
def made(acme: Any, url: str) -> dict[str, Any]:
    answer: dict[str, Any] = acme.post("mcp-servers/", body(url))
    return answer


def path_of(made: dict[str, Any], *more: str) -> str:
    return "/".join(["mcp-servers", made["id"], *more])


def tool(acme: Any, made: dict[str, Any], name: str) -> dict[str, Any]:
    tools = acme.get(path_of(made, "tools"))
    return next(tool for tool in tools if tool["name"] == name)


def run(acme: Any, made: dict[str, Any], name: str, /, **args: Any) -> dict[str, Any]:
    answer: dict[str, Any] = acme.post(path_of(made, "tools", tool(acme, made, name)["id"], "run"), {"args": args})
    return answer


class TestCreate:
    def test_over_the_network(self, acme: Any, made: dict[str, Any], url: str) -> None:
        assert (made["server_name"], made["mcp_server_type"], made["server_url"]) == ("good", "streamable_http", url)
        assert (made["auth_header"], made["auth_token"], made["custom_headers"]) == (None, None, None)
        assert (made["health"], made["health_error"]) == ("healthy", None)
        assert acme.get(path_of(made)) == made
        assert acme.get("mcp-servers") == [made]

    def test_over_sse(self, acme: Any, running: dict[str, str]) -> None:  # noqa: F811
        url = f"http://{running['sse']}/sse"
        made = acme.post("mcp-servers/", body(url, mcp_server_type="sse"))
        assert (made["mcp_server_type"], made["health"]) == ("sse", "healthy")
        assert run(acme, made, "add", a=2)["func_return"] == 3

    def test_a_command(self, acme: Any) -> None:
        config = {
            "mcp_server_type": "stdio",
            "command": sys.executable,
            "args": ["-m", "tests.tools.mcp.good_server", "stdio"],
            "env": {"GIVEN": "a-long-secret-value"},
        }
        made = acme.post("mcp-servers/", {"server_name": "c", "config": config})
        assert (made["command"], made["args"]) == (sys.executable, config["args"])
        assert made["env"] == {"GIVEN": "…alue"}
        assert made["health"] == "healthy"
        assert run(acme, made, "variable", name="GIVEN")["func_return"] == "a-long-secret-value"

    def test_commands_are_off_unless_an_admin_allows_them(self, acme: Any, settings: Any) -> None:
        settings.ALLOW_MCP_STDIO = False
        config = {"mcp_server_type": "stdio", "command": "true", "args": []}
        said = acme.refused(400, "POST", "mcp-servers/", {"server_name": "c", "config": config})
        assert "PERDURE_ALLOW_MCP_STDIO" in said
        acme.refused(400, "POST", "mcp-servers/", {"server_name": "c", "config": {"command": "true"}})
        assert not McpServer.objects.exists()

    def test_one_that_cannot_be_reached_is_registered_all_the_same(self, acme: Any, settings: Any) -> None:
        address = f"127.0.0.1:{free_port()}"
        settings.MCP_PRIVATE_HOSTS = [address]
        made = acme.post("mcp-servers/", body(f"http://{address}/mcp"))
        assert made["health"] == "failing"
        assert "no connection" in made["health_error"]
        assert acme.get(path_of(made, "tools")) == []

    def test_one_that_may_not_be_reached(self, acme: Any, settings: Any, url: str) -> None:
        settings.MCP_PRIVATE_HOSTS = []
        made = acme.post("mcp-servers/", body(url))
        assert "PERDURE_MCP_PRIVATE_HOSTS" in made["health_error"]

    def test_without_a_worker(self, acme: Any, no_worker: None, url: str) -> None:
        assert acme.post("mcp-servers/", body(url))["health"] == "unknown"

    def test_names_are_taken_once_in_an_organization(self, acme: Any, globex: Any, made: Any, url: str) -> None:
        assert "'good'" in acme.refused(409, "POST", "mcp-servers/", body(url))
        assert globex.post("mcp-servers/", body(url))["id"] != made["id"]

    @pytest.mark.parametrize(
        ("config", "loc"),
        [
            ({}, ["config", "server_url"]),
            ({"mcp_server_type": "pigeon"}, ["config", "mcp_server_type"]),
            ({"mcp_server_type": "stdio"}, ["config", "command"]),
            ({"server_url": "ftp://example.org"}, ["config", "server_url"]),
            ({"server_url": "file:///etc/passwd"}, ["config", "server_url"]),
            ({"server_url": "http://"}, ["config", "server_url"]),
            ({"server_url": "http://u:p@example.org"}, ["config", "server_url"]),
            ({"server_url": "http://example.org/\r\nX: y"}, ["config", "server_url"]),
            ({"server_url": "http://example.org:99999"}, ["config", "server_url"]),
            ({"server_url": "http://[::1"}, ["config", "server_url"]),
            ({"server_url": "http://e.org", "custom_headers": {"a b": "c"}}, ["config", "custom_headers", "a b"]),
            ({"server_url": "http://e.org", "custom_headers": {"Host": "c"}}, ["config", "custom_headers", "Host"]),
            ({"server_url": "http://e.org", "custom_headers": {"A": "b\nc"}}, ["config", "custom_headers", "A"]),
            ({"server_url": "http://e.org", "custom_headers": {"A": 5}}, ["config", "custom_headers", "A"]),
            ({"server_url": "http://e.org", "custom_headers": {"A": "…abcd"}}, ["config"]),
            ({"server_url": "http://e.org", "auth_token": "b\nc"}, ["config", "auth_token"]),
            ({"server_url": "http://e.org", "auth_header": "a b"}, ["config", "auth_header"]),
            ({"command": "x", "env": {"A=B": "c"}}, ["config", "env", "A=B"]),
        ],
    )
    def test_what_is_wrong(self, acme: Any, config: dict[str, Any], loc: list[str]) -> None:
        problems = acme.refused(422, "POST", "mcp-servers/", {"server_name": "x", "config": config})
        assert [problem["loc"] for problem in problems] == [["body", *loc]]
        assert not McpServer.objects.exists()

    @pytest.mark.parametrize("fields", [{}, {"server_name": "x"}, {"config": {}}, {"server_name": "", "config": {}}])
    def test_what_is_missing(self, acme: Any, fields: dict[str, Any]) -> None:
        acme.refused(422, "POST", "mcp-servers/", fields)


class TestSecrets:
    def test_only_their_ends_come_out(self, acme: Any, url: str) -> None:
        given = {"auth_header": "Authorization", "auth_token": TOKEN, "custom_headers": {"X-Key": "short"}}
        made = acme.post("mcp-servers/", body(url, **given))
        assert (made["auth_token"], made["custom_headers"]) == ("…9876", {"X-Key": "…"})
        stored = json.dumps(list(McpServer.objects.values("secrets", "auth_header", "url")))
        assert TOKEN not in stored
        assert "short" not in stored

    def test_what_was_shown_stands_for_what_it_was(self, acme: Any, url: str) -> None:
        """So that a client may send back what it got, with one thing changed."""
        made = acme.post("mcp-servers/", body(url, auth_token=TOKEN, custom_headers={"X-A": "aaaaaaaaaaaa1111"}))
        config = {name: made[name] for name in ("server_url", "auth_token", "custom_headers")}
        config["custom_headers"]["X-B"] = "b"
        changed = acme.patch(path_of(made), {"config": config})
        assert (changed["auth_token"], changed["custom_headers"]) == ("…9876", {"X-A": "…1111", "X-B": "…"})
        headers = {"X-A": "aaaaaaaaaaaa1111", "X-B": "b", "Authorization": TOKEN}
        assert target_of(McpServer.objects.get()).headers == headers

    def test_they_do_not_go_to_another_place(self, acme: Any, url: str, evil: str) -> None:
        """Else whoever may change the URL could read them there."""
        made = acme.post("mcp-servers/", body(url, auth_token=TOKEN, custom_headers={"X-A": "a"}))
        same = acme.patch(path_of(made), {"config": {"server_url": f"{url}?x"}})
        assert (same["auth_token"], same["custom_headers"]) == ("…9876", {"X-A": "…"})
        problems = acme.refused(422, "PATCH", path_of(made), body(evil, auth_token="…9876"))
        assert "Give it whole" in problems[0]["msg"]
        moved = acme.patch(path_of(made), {"config": {"server_url": evil}})
        assert (moved["auth_token"], moved["custom_headers"]) == (None, None)


class TestUpdate:
    def test_a_name(self, acme: Any, made: dict[str, Any], url: str) -> None:
        changed = acme.patch(path_of(made), body(url, "better"))
        assert (changed["id"], changed["server_name"], changed["health"]) == (made["id"], "better", "healthy")
        assert tool(acme, made, "add")["metadata_"]["mcp"]["server_name"] == "better"

    def test_a_name_that_is_taken(self, acme: Any, made: dict[str, Any], url: str) -> None:
        acme.post("mcp-servers/", body(url, "other"))
        assert "'other'" in acme.refused(409, "PATCH", path_of(made), body(url, "other"))

    def test_null_and_empty(self, acme: Any, url: str) -> None:
        made = acme.post("mcp-servers/", body(url, auth_token=TOKEN, custom_headers={"A": "b"}, auth_header="X-Key"))
        same = acme.patch(path_of(made), {"config": {"server_url": None, "auth_token": None, "custom_headers": None}})
        assert (same["auth_token"], same["custom_headers"], same["auth_header"]) == ("…9876", {"A": "…"}, "X-Key")
        bare = acme.patch(path_of(made), {"config": {"auth_token": "", "custom_headers": {}, "auth_header": ""}})
        assert (bare["auth_token"], bare["custom_headers"], bare["auth_header"]) == (None, None, None)
        assert bare["server_url"] == url

    def test_another_kind(self, acme: Any, made: dict[str, Any], running: dict[str, str]) -> None:  # noqa: F811
        acme.refused(422, "PATCH", path_of(made), {"config": {"mcp_server_type": "stdio"}})
        config = {"mcp_server_type": "sse", "server_url": f"http://{running['sse']}/sse"}
        changed = acme.patch(path_of(made), {"config": config})
        assert (changed["mcp_server_type"], changed["health"]) == ("sse", "healthy")


class TestTools:
    def test_a_tool(self, acme: Any, made: dict[str, Any]) -> None:
        add = tool(acme, made, "add")
        assert (add["tool_type"], add["source_code"], add["tags"]) == ("external_mcp", None, ["mcp:good"])
        assert add["metadata_"]["mcp"]["server_id"] == made["id"]
        assert acme.get(path_of(made, "tools", add["id"])) == acme.get(f"tools/{add['id']}") == add
        assert add in acme.get("tools/?tool_types=external_mcp")

    def test_only_of_its_server(self, acme: Any, made: dict[str, Any]) -> None:
        built_in = acme.get("tools/?name=send_message")[0]
        for more in ("", "/run"):
            method = "POST" if more else "GET"
            acme.refused(404, method, path_of(made, "tools", f"{built_in['id']}{more}"))

    def test_it_is_described_by_its_server(self, acme: Any, made: dict[str, Any]) -> None:
        add = tool(acme, made, "add")
        for change in ({"description": "x"}, {"source_code": "def f(): ..."}, {"json_schema": {"name": "f"}}):
            assert "MCP server" in acme.refused(400, "PATCH", f"tools/{add['id']}", change)
        changed = acme.patch(f"tools/{add['id']}", {"metadata_": {"ours": 1, "mcp": {"tool_name": "fail"}}})
        assert changed["metadata_"] == {"ours": 1} | add["metadata_"]
        assert run(acme, made, "add", a=1)["func_return"] == 2

    def test_an_agent_holds_one(self, acme: Any, made: dict[str, Any]) -> None:
        add = tool(acme, made, "add")
        agent = acme.agent(tool_ids=[add["id"]])
        assert [held["id"] for held in agent["tools"]] == [add["id"]]
        assert acme.send("DELETE", path_of(made)).status_code == 204
        assert acme.get(f"agents/{agent['id']}/tools") == []

    def test_base_tools_are_the_servers_own(self, acme: Any, made: dict[str, Any]) -> None:
        assert tool(acme, made, "add")["id"] not in {tool["id"] for tool in acme.post("tools/add-base-tools")}


class TestRun:
    def test_values(self, acme: Any, made: dict[str, Any]) -> None:
        answer = run(acme, made, "where", point={"x": 4})
        assert (answer["status"], answer["stderr"]) == ("success", [])
        assert answer["func_return"] == {"x": 4, "y": 0, "others": 0}
        assert run(acme, made, "odd_name_with_signs")["func_return"] == "odd"

    def test_a_tool_that_fails(self, acme: Any, made: dict[str, Any]) -> None:
        answer = run(acme, made, "fail", reason="rain")
        assert answer["status"] == "error"
        assert "rain" in answer["func_return"]
        assert "rain" in answer["stderr"][0]

    def test_a_server_that_has_gone(self, acme: Any, made: dict[str, Any]) -> None:
        add = tool(acme, made, "add")
        McpServer.objects.update(url="http://127.0.0.1:1/mcp")
        response = acme.send("POST", path_of(made, "tools", add["id"], "run"), {"args": {"a": 1}})
        assert (response.status_code, response.headers["x-should-retry"]) == (502, "false")
        assert response.json()["error"]["type"] == "mcp_connection_error"

    def test_a_server_that_takes_too_long(self, acme: Any, made: dict[str, Any], monkeypatch: Any) -> None:
        monkeypatch.setattr(worker, "call", lambda server, name, args: call(server, name, args, timeout=0.3))
        wait = tool(acme, made, "wait")
        response = acme.send("POST", path_of(made, "tools", wait["id"], "run"), {"args": {"seconds": 2}})
        assert (response.status_code, response.headers["x-should-retry"]) == (408, "false")

    def test_without_a_worker_it_is_not_run_later(
        self, acme: Any, made: dict[str, Any], no_worker: None, monkeypatch: Any, tmp_path: Any
    ) -> None:
        tickets: list[str] = []
        monkeypatch.setattr(hints, "_sent", lambda task, ticket: not tickets.append(ticket))  # type: ignore[func-returns-value]
        note, file = tool(acme, made, "note"), tmp_path / "note"
        args = {"path": str(file), "text": "x"}
        assert "worker" in acme.refused(503, "POST", path_of(made, "tools", note["id"], "run"), {"args": args})
        worker.ask_mcp(tickets[0])
        assert not file.exists()

    def test_a_ticket_is_served_once(self, acme: Any, made: dict[str, Any], monkeypatch: Any, tmp_path: Any) -> None:
        monkeypatch.setattr(hints, "_sent", lambda task, ticket: [worker.ask_mcp(ticket), worker.ask_mcp(ticket)] != [])
        run(acme, made, "note", path=str(tmp_path / "note"), text="x")
        assert (tmp_path / "note").read_text() == "x\n"

    def test_without_a_broker(self, acme: Any, made: dict[str, Any], monkeypatch: Any) -> None:
        monkeypatch.setattr(hints, "_sent", lambda *_: False)
        add = tool(acme, made, "add")
        acme.refused(503, "POST", path_of(made, "tools", add["id"], "run"), {"args": {"a": 1}})
        acme.refused(503, "PATCH", path_of(made, "refresh"))

    def test_a_worker_that_fails_says_so(self, acme: Any, made: dict[str, Any], monkeypatch: Any) -> None:
        """Nobody is kept waiting for it."""
        monkeypatch.setattr(worker, "call", None)
        add = tool(acme, made, "add")
        said = acme.refused(503, "POST", path_of(made, "tools", add["id"], "run"), {"args": {"a": 1}})
        assert "its log" in said

    def test_arguments_are_an_object(self, acme: Any, made: dict[str, Any]) -> None:
        add = tool(acme, made, "add")
        acme.refused(422, "POST", path_of(made, "tools", add["id"], "run"), {"args": [1]})
        acme.refused(405, "GET", path_of(made, "tools", add["id"], "run"))


class TestRefresh:
    def test_what_has_changed(self, acme: Any, made: dict[str, Any]) -> None:
        Tool.objects.filter(name="add").delete()
        Tool.objects.filter(name="where").update(description="Old.")
        gone = Tool.objects.get(name="picture")
        metadata = {"mcp": gone.metadata["mcp"] | {"tool_name": "no longer there"}}
        Tool.objects.filter(id=gone.id).update(name="former", metadata=metadata)
        changes = acme.patch(path_of(made, "refresh"))
        assert changes == {"added": ["add", "picture"], "updated": ["where"], "deleted": ["former"]}
        assert acme.patch(path_of(made, "refresh")) == {"added": [], "updated": [], "deleted": []}

    def test_one_that_cannot_be_reached(self, acme: Any, made: dict[str, Any]) -> None:
        McpServer.objects.update(url="http://127.0.0.1:1/mcp")
        response = acme.send("PATCH", path_of(made, "refresh"))
        assert response.status_code == 502
        assert response.json()["error"]["type"] == "mcp_connection_error"
        assert acme.get(path_of(made))["health"] == "failing"
        assert tool(acme, made, "add")

    def test_one_that_does_not_answer(self, acme: Any, made: dict[str, Any], evil: str, monkeypatch: Any) -> None:
        monkeypatch.setattr(session, "CONNECT_SECONDS", 0.5)
        McpServer.objects.update(url=f"{evil}/early/silent")
        acme.refused(408, "PATCH", path_of(made, "refresh"))

    def test_its_agent_must_exist(self, acme: Any, globex: Any, made: dict[str, Any]) -> None:
        other = globex.agent()["id"]
        acme.refused(404, "PATCH", path_of(made, f"refresh?agent_id={other}"))
        mine = acme.agent()["id"]
        acme.patch(path_of(made, f"refresh?agent_id={mine}"))


def test_other_organizations_see_nothing_of_it(acme: Any, globex: Any, made: dict[str, Any], url: str) -> None:
    add = tool(acme, made, "add")["id"]
    assert globex.get("mcp-servers/") == []
    for method, more, sent in (
        ("GET", (), None),
        ("PATCH", (), body(url)),
        ("DELETE", (), None),
        ("PATCH", ("refresh",), None),
        ("GET", ("tools",), None),
        ("GET", ("tools", add), None),
        ("POST", ("tools", add, "run"), {"args": {"a": 1}}),
    ):
        said = globex.refused(404, method, path_of(made, *more), sent)
        assert said == f"MCP server with ID {made['id']} not found"
    assert acme.get(path_of(made)) == made


def test_without_a_key(made: dict[str, Any], acme: Any) -> None:
    for method, more in (("PATCH", ("refresh",)), ("POST", ("tools", "tool-x", "run")), ("GET", ())):
        assert acme.send(method, path_of(made, *more), Authorization="").status_code == 401


def test_deleting(acme: Any, made: dict[str, Any]) -> None:
    held = acme.agent(tool_ids=[tool(acme, made, "add")["id"]])
    response = acme.send("DELETE", path_of(made))
    assert (response.status_code, response.content) == (204, b"")
    acme.refused(404, "GET", path_of(made))
    assert not Tool.objects.filter(tool_type="external_mcp").exists()
    assert not AgentTool.objects.filter(agent=Agent.objects.get(id=held["id"])).exists()


@pytest.mark.parametrize("module", ["project.asgi", "workers.mcp"])
def test_the_package_is_not_imported_before_it_is_needed(module: str) -> None:
    """It takes a second and 60 MB; web processes never need it."""
    script = f"""
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
import django
django.setup()
import {module}, project.urls
from django.urls import get_resolver
get_resolver().url_patterns
import agents.api.urls
print([name for name in sys.modules if name.split(".")[0] in ("mcp", "mcp_types")])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
