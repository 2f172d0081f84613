"""What holds for every path: keys, tenants, slashes, methods, and words that Postgres cannot store."""

import pytest
from django.test import Client

from agents.api import urls
from agents.privacy.jobs import advance_job
from tests.agents import given
from tests.agents.loop.doubles import says
from tools.models import McpServer, Tool

METHODS = {
    "agents": ("GET", "POST"),
    "agents/count": ("GET",),
    "agents/{agent}": ("GET", "PATCH", "DELETE"),
    "agents/{agent}/context": ("GET",),
    "agents/{agent}/recompile": ("POST",),
    "agents/{agent}/archives/attach/{archive}": ("PATCH",),
    "agents/{agent}/archives/detach/{archive}": ("PATCH",),
    "agents/{agent}/archival-memory": ("GET", "POST"),
    "agents/{agent}/archival-memory/search?query=x": ("GET",),
    "agents/{agent}/archival-memory/{passage}": ("DELETE",),
    "archives": ("GET", "POST"),
    "archives/{archive}": ("GET", "PATCH", "DELETE"),
    "archives/{archive}/passages": ("POST",),
    "archives/{archive}/passages/batch": ("POST",),
    "archives/{archive}/passages/{passage}": ("DELETE",),
    "passages/search": ("POST",),
    "agents/{agent}/messages": ("GET", "POST"),
    "agents/{agent}/messages/stream": ("POST",),
    "agents/{agent}/messages/async": ("POST",),
    "agents/{agent}/messages/cancel": ("POST",),
    "agents/{agent}/reset-messages": ("PATCH",),
    "agents/{agent}/summarize": ("POST",),
    "agents/{agent}/core-memory": ("GET",),
    "agents/{agent}/core-memory/blocks": ("GET",),
    "agents/{agent}/core-memory/blocks/attach/{block}": ("PATCH",),
    "agents/{agent}/core-memory/blocks/detach/{block}": ("PATCH",),
    "agents/{agent}/core-memory/blocks/human": ("GET", "PATCH"),
    "agents/{agent}/tools": ("GET",),
    "agents/{agent}/tools/attach/{tool}": ("PATCH",),
    "agents/{agent}/tools/detach/{tool}": ("PATCH",),
    "agents/{agent}/tools/approval/send_message": ("PATCH",),
    "folders": ("GET", "POST"),
    "folders/count": ("GET",),
    "folders/{folder}": ("GET", "PATCH", "DELETE"),
    "folders/{folder}/agents": ("GET",),
    "folders/{folder}/files": ("GET",),
    "folders/{folder}/files/{file}": ("GET",),
    "folders/{folder}/upload": ("POST",),
    "folders/{folder}/{file}": ("DELETE",),
    "agents/{agent}/folders": ("GET",),
    "agents/{agent}/folders/attach/{folder}": ("PATCH",),
    "agents/{agent}/folders/detach/{folder}": ("PATCH",),
    "agents/{agent}/files": ("GET",),
    "agents/{agent}/files/{file}/open": ("PATCH",),
    "agents/{agent}/files/{file}/close": ("PATCH",),
    "agents/{agent}/files/close-all": ("PATCH",),
    "blocks": ("GET", "POST"),
    "blocks/import": ("POST",),
    "blocks/{block}": ("GET", "PATCH", "DELETE"),
    "blocks/{block}/agents": ("GET",),
    "blocks/{block}/undo": ("POST",),
    "blocks/{block}/versions": ("GET",),
    "identities": ("GET", "POST", "PUT"),
    "identities/count": ("GET",),
    "identities/{identity}": ("GET", "PATCH", "DELETE"),
    "identities/{identity}/properties": ("PUT",),
    "identities/{identity}/agents": ("GET",),
    "identities/{identity}/blocks": ("GET",),
    "identities/{identity}/export": ("POST",),
    "identities/{identity}/erase": ("POST",),
    "identities/{identity}/jobs": ("GET",),
    "identities/{identity}/jobs/{job}": ("GET",),
    "identities/{identity}/jobs/{job}/archive": ("GET",),
    "retention": ("GET", "PATCH"),
    "retention/purges": ("GET",),
    "agents/{agent}/identities/attach/{identity}": ("PATCH",),
    "agents/{agent}/identities/detach/{identity}": ("PATCH",),
    "tools": ("GET", "POST", "PUT"),
    "tools/search": ("POST",),
    "tools/run": ("POST",),
    "agents/{agent}/tools/x/run": ("POST",),
    "tools/generate-schema": ("POST",),
    "tools/add-base-tools": ("POST",),
    "tools/{tool}": ("GET", "PATCH", "DELETE"),
    "conversations": ("GET", "POST"),
    "conversations/{conversation}": ("GET", "PATCH", "DELETE"),
    "conversations/{conversation}/fork": ("POST",),
    "conversations/{conversation}/recompile": ("POST",),
    "conversations/{conversation}/stream": ("POST",),
    "conversations/{conversation}/messages": ("GET", "POST"),
    "conversations/{conversation}/cancel": ("POST",),
    "conversations/{conversation}/compact": ("POST",),
    "runs": ("GET",),
    "runs/{run}": ("GET", "DELETE"),
    "runs/{run}/messages": ("GET",),
    "runs/{run}/steps": ("GET",),
    "runs/{run}/usage": ("GET",),
    "runs/{run}/stream": ("POST",),
    "runs/{run}/metrics": ("GET",),
    "runs/{run}/trace": ("GET",),
    "approvals": ("GET",),
    "approvals/{approval}": ("GET", "POST"),
    "steps": ("GET",),
    "steps/{step}": ("GET",),
    "steps/{step}/messages": ("GET",),
    "steps/{step}/metrics": ("GET",),
    "steps/{step}/feedback": ("PATCH",),
    "steps/{step}/trace": ("GET",),
    "messages": ("GET",),
    "messages/search": ("POST",),
    "messages/{message}": ("GET",),
    "mcp-servers": ("GET", "POST"),
    "mcp-servers/{mcp_server}": ("GET", "PATCH", "DELETE"),
    "mcp-servers/{mcp_server}/refresh": ("PATCH",),
    "mcp-servers/{mcp_server}/tools": ("GET",),
    "mcp-servers/{mcp_server}/tools/{mcp_tool}": ("GET",),
    "mcp-servers/{mcp_server}/tools/{mcp_tool}/run": ("POST",),
    "models": ("GET",),
    "models/embedding": ("GET",),
    "tags": ("GET",),
}
IDENTITY = {"identifier_key": "k", "name": "Ann", "identity_type": "user"}
NOT_SERVED = (
    "agents/import",
    "agents/{agent}/export",
    "agents/{agent}/schedule",
    "templates/x/save",
    "environments",
    "client-side-access-tokens",
)
REQUESTS = [(method, path) for path, methods in METHODS.items() for method in methods]
OF_ONE = [(method, path) for method, path in REQUESTS if "{" in path]

KINDS = (
    "agent",
    "approval",
    "archive",
    "block",
    "file",
    "folder",
    "identity",
    "mcp_server",
    "message",
    "passage",
    "run",
    "step",
    "tool",
)

BODY = {"input": "hello", "label": "human", "value": "x", "name": "x"}


@pytest.fixture
def ids(acme):
    """Something of every kind, of one organization."""
    agent = acme.agent(memory_blocks=[{"label": "human", "value": "Ann"}], tools=["send_message"], tags=["x"])
    run = acme.post(f"agents/{agent['id']}/messages/async", {"input": "hello"})
    owner = given.Agent.objects.get().organization_id
    server = McpServer.objects.create(organization_id=owner, name="there", server_type="sse", url="https://mcp.example")
    remote = Tool.objects.create(organization_id=owner, name="far", tool_type="external_mcp", mcp_server=server)
    given.advance(given.Agent.objects.get(), says("hi"))
    held = acme.agent(tools=["send_message"])
    approval = given.waits_for_leave(given.Agent.objects.get(id=held["id"]))
    folder = acme.post("folders/", {"name": "Manuals"})["id"]
    acme.patch(f"agents/{agent['id']}/folders/attach/{folder}")
    return {
        "folder": folder,
        "file": acme.upload(folder, "pump.md", b"It pumps.")["id"],
        "agent": agent["id"],
        "approval": approval.id,
        "block": agent["blocks"][0]["id"],
        "tool": agent["tools"][0]["id"],
        "conversation": acme.post(f"conversations/?agent_id={agent['id']}")["id"],
        "mcp_server": server.id,
        "mcp_tool": remote.id,
        "run": run["id"],
        "step": acme.get(f"runs/{run['id']}/steps")[0]["id"],
        "message": acme.get("messages/")[0]["id"],
        "passage": (passage := acme.post(f"agents/{agent['id']}/archival-memory", {"text": "filed"})[0])["id"],
        "archive": passage["archive_id"],
        "identity": (identity := acme.post("identities/", IDENTITY)["id"]),
        "job": exported(acme, identity),
    }


def exported(caller, identity):
    job = caller.post(f"identities/{identity}/export")["id"]
    while advance_job():
        pass
    return job


def test_every_path_is_in_the_table():
    assert len(METHODS) + len(NOT_SERVED) + 1 == len(urls.urlpatterns)  # and health


@pytest.mark.parametrize(("method", "path"), OF_ONE)
def test_what_belongs_to_another_is_not_found(ids, globex, method, path):
    response = globex.send(method, path.format(**ids), BODY)
    assert response.status_code == 404, response.content
    assert "not found" in response.json()["detail"]


@pytest.mark.parametrize(
    "path", ["agents", "archives", "blocks", "conversations", "folders", "messages", "runs", "steps", "tags"]
)
def test_lists_hold_nothing_of_another(ids, acme, globex, path):
    assert acme.get(f"{path}/") != []
    assert globex.get(f"{path}/") == []


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", NOT_SERVED)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_what_is_not_served_is_told_so(acme, method, path, slash):
    response = acme.send(method, path.format(agent="agent-1", conversation="conv-1") + slash, raw=b"anything")
    assert (response.status_code, response["x-should-retry"]) == (501, "false")
    told = response.json()
    assert told["error"]["type"] == "not_implemented"
    assert told["error"]["message"] == told["detail"] != ""


@pytest.mark.parametrize(("method", "path"), [*REQUESTS, *(("POST", path) for path in NOT_SERVED)])
def test_without_a_key_nothing_is_told_but_where_it_is(transactional_db, method, path):
    nothing = "00000000-0000-4000-8000-000000000000"
    kinds = {name: f"{name}-{nothing}" for name in KINDS}
    client = Client(raise_request_exception=False)
    kinds |= {"conversation": f"conv-{nothing}", "mcp_tool": f"tool-{nothing}", "folder": f"source-{nothing}"}
    kinds["job"] = f"job-{nothing}"
    response = client.generic(method, f"/v1/{path.format(**kinds)}", b"{}", "application/json")
    assert response.status_code == 401, response.content
    assert ".perdure/api-key" in response.json()["detail"]
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", [path for path, methods in METHODS.items() if "GET" in methods])
def test_paths_answer_with_and_without_a_slash(ids, acme, path, slash):
    acme.get(path.format(**ids) + slash)


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_post_is_not_lost_to_a_redirect(acme, slash):
    agent = acme.post(f"agents{slash}", {"model": "demo/scripted"})
    assert acme.post(f"agents/{agent['id']}/messages/async{slash}", {"input": "hi"})["status"] == "created"


@pytest.mark.parametrize("slash", ["", "/"])
def test_health_needs_no_key(db, slash):
    response = Client().get(f"/v1/health{slash}")
    assert (response.status_code, response.json()["status"]) == (200, "ok")


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "agents/{agent}/messages"), ("GET", "agents/{agent}/messages/stream"), ("PUT", "agents/{agent}")],
)
def test_another_method_is_told_so(ids, acme, method, path):
    assert acme.refused(405, method, path.format(**ids))


def test_a_path_that_is_not_served_is_told_so(acme):
    assert acme.refused(404, "GET", "nothing/here") == "There is nothing at GET /v1/nothing/here."


@pytest.mark.parametrize(
    "path", ["agents/agent-1", "agents/AGENT-00000000-0000-4000-8000-000000000000", "runs/agent-1", "steps/%00"]
)
def test_an_id_of_the_wrong_form_is_told_with_its_place(acme, path):
    [problem] = acme.refused(422, "GET", path)
    assert problem["loc"][0] == "path"


@pytest.mark.parametrize("raw", [b"{", b"[1]", b'"text"', b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize(("method", "path"), [("POST", "agents/"), ("POST", "agents/{agent}/messages/async")])
def test_a_body_that_is_no_object_is_told_so(ids, acme, method, path, raw):
    response = acme.send(method, path.format(**ids), raw=raw)
    assert response.status_code in (400, 422), response.content


@pytest.mark.parametrize("depth", [100, 400, 900])
@pytest.mark.parametrize(("method", "path"), [("POST", "agents/"), ("POST", "agents/{agent}/messages/async")])
def test_a_deep_body_is_no_error_of_the_server(ids, acme, method, path, depth):
    raw = b'{"input": "hi", "metadata": {"a": ' + b"[" * depth + b"]" * depth + b"}}"
    response = acme.send(method, path.format(**ids), raw=raw)
    assert response.status_code in (200, 422), response.content


# Words that Postgres cannot store

BAD = {"nul": "a\x00b", "surrogate": "a\ud800b"}
GOOD = "a�b"

AGENT_TEXTS = ("system", "description", "embedding", "project_id")
BLOCK_TEXTS = ("value", "description", "project_id", "template_name")


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("field", AGENT_TEXTS)
def test_texts_of_an_agent(acme, field, bad):
    made = acme.agent(**{field: BAD[bad]})
    assert acme.get(f"agents/{made['id']}")[field] == GOOD
    other = acme.patch(f"agents/{made['id']}", {field: f"{BAD[bad]}!"})
    assert acme.get(f"agents/{other['id']}")[field] == f"{GOOD}!"


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("metadata", lambda bad: {bad: [bad]}, {GOOD: [GOOD]}),
        ("tags", lambda bad: [bad], [GOOD]),
        ("model_settings", lambda bad: {"note": bad}, {"note": GOOD}),
        ("response_format", lambda bad: {"type": bad}, {"type": GOOD}),
        ("tool_rules", lambda bad: [{"type": "exit_loop", "tool_name": bad}], None),
    ],
)
def test_objects_of_an_agent(acme, field, value, stored, bad):
    made = acme.agent(**{field: value(BAD[bad])})
    found = acme.get(f"agents/{made['id']}?include=agent.tags")[field]
    assert stored is None or found == stored or stored.items() <= found.items()


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("field", ["name", "timezone", "model", "secrets", "block_ids", "tool_ids", "tools"])
def test_other_fields_of_an_agent_are_stored_or_refused(acme, field, bad):
    value = {"secrets": {BAD[bad]: BAD[bad]}}.get(field, [BAD[bad]] if field.endswith("s") else BAD[bad])
    response = acme.send("POST", "agents/", {"model": "demo/scripted", field: value})
    assert response.status_code in (200, 400, 404, 422), response.content


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("field", BLOCK_TEXTS)
def test_texts_of_a_block(acme, field, bad):
    made = acme.post("blocks/", {"label": "human", "value": ""} | {field: BAD[bad]})
    assert acme.get(f"blocks/{made['id']}")[field] == GOOD
    acme.patch(f"blocks/{made['id']}", {field: f"{BAD[bad]}!"})
    assert acme.get(f"blocks/{made['id']}")[field] == f"{GOOD}!"


@pytest.mark.parametrize("bad", BAD)
def test_a_label_is_an_identifier(acme, bad):
    assert acme.refused(422, "POST", "blocks/", {"label": BAD[bad], "value": ""})[0]["loc"] == ["body", "label"]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("field", ["content", "name", "otid", "sender_id"])
def test_texts_of_a_message(acme, field, bad):
    agent = acme.agent()
    said = {"role": "user", "content": "hi"} | {field: BAD[bad]}
    run = acme.post(f"agents/{agent['id']}/messages/async", {"messages": [said], "override_system": BAD[bad]})
    given.advance(given.Agent.objects.get(), says("hi"))
    stored = acme.get(f"runs/{run['id']}/messages")[0]
    assert stored[field] == GOOD


@pytest.mark.parametrize("bad", BAD)
def test_parts_of_a_message(acme, bad):
    agent = acme.agent()
    content = [{"type": "text", "text": BAD[bad]}, {"type": "image", "source": {"type": "url", "url": BAD[bad]}}]
    said = {"messages": [{"role": "user", "content": content}]}
    run = acme.post(f"agents/{agent['id']}/messages/async", said)
    given.advance(given.Agent.objects.get(), says("hi"))
    assert acme.get(f"runs/{run['id']}/messages")[0]["content"][0]["text"] == GOOD


@pytest.mark.parametrize(
    "path",
    ["agents/", "archives/", "blocks/", "runs/", "tools/", "conversations/", "messages/", "steps/", "tags/"],
)
@pytest.mark.parametrize(
    "name",
    ["name", "label", "query_text", "after", "before", "agent_id", "tags", "search", "stop_reason", "start_date"],
)
def test_queries_may_hold_anything(acme, path, name):
    response = acme.send("GET", f"{path}?{name}=a%00b%ED%A0%80")
    assert response.status_code in (200, 422), response.content
