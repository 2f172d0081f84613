"""What the server really answers is what the document says, field by field."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from jsonschema import ValidationError

from agents.models import Message
from agents.wire import View, parts
from tests.api_document.examples import BODIES, FILES, QUERIES, REFUSED
from tests.api_document.schemas import check, component
from tests.api_document.world import World, operations, variables
from tests.live import call, turn

OPERATIONS = operations()
DATE = {"created_at": datetime(2026, 1, 1, tzinfo=UTC)}


def schema_of(operation: dict[str, Any], status: int, kind: str = "application/json") -> dict[str, Any]:
    response = operation["responses"][str(status)]
    if "$ref" in response:
        name = response["$ref"].rpartition("/")[2]
        return {"$ref": f"#/components/responses/{name}/content/application~1json/schema"}
    schema: dict[str, Any] = response["content"][kind]["schema"]
    return schema


def ask(world: World, name: str, **options: Any) -> requests.Response:
    """The operation's example, with ids of what is there."""
    method, path, _ = OPERATIONS[name]
    path = path.format(**world.ids_for(method, path))
    wanted = {"agent_id": world.ids["agent_id"]} if name == "conversations.create" else QUERIES.get(name, {})
    body = {"files": FILES[name]} if name in FILES else {"json": BODIES.get(name)}
    return world.send(method, path, **body | {"params": wanted} | options)


@pytest.mark.parametrize("name", OPERATIONS)
def test_examples_are_answered_as_described(world: World, name: str) -> None:
    response = ask(world, name)
    assert response.status_code in (200, 204, REFUSED.get(name)), response.text
    if response.headers.get("Content-Type") == "text/event-stream":
        check_events(response.text)
    elif response.status_code != 204:
        check(response.json(), schema_of(OPERATIONS[name][2], response.status_code))


def check_events(stream: str) -> list[str]:
    """Their types, after a look at each."""
    told = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    assert told.pop() == "[DONE]"
    events = [json.loads(line) for line in told]
    for event in events:
        check(event, component("StreamEvent"))
    return [event["message_type"] for event in events]


def test_a_run_is_cancelled_as_described(world: World) -> None:
    agent = world.agent()
    world.server.send(agent, "hello\n!sleep 20")
    answer = world.told("POST", f"/v1/agents/{agent}/messages/cancel")
    check(answer, schema_of(OPERATIONS["agents.messages.cancel"][2], 200))
    assert set(answer.values()) == {"cancelled"}


def test_every_event_of_a_stream_is_described(world: World) -> None:
    said = turn("!think Hm.\n" + call("set_lamp", folder="x"), "!say Done.")
    given = {"input": said, "stream_tokens": True}
    stream = world.send("POST", f"/v1/agents/{world.agent()}/messages/stream", json=given).text
    kinds = {"ping", "reasoning_message", "tool_call_message", "tool_return_message", "assistant_message"}
    assert set(check_events(stream)) == kinds | {"stop_reason", "usage_statistics"}


def test_a_failure_is_described(world: World) -> None:
    agent = world.agent()
    failing = {"input": "hello\n!status 400"}
    assert "error_message" in check_events(world.send("POST", f"/v1/agents/{agent}/messages/stream", json=failing).text)
    answer = world.send("POST", f"/v1/agents/{agent}/messages", json=failing)
    check(answer.json(), schema_of(OPERATIONS["agents.messages.create"][2], answer.status_code))
    assert answer.json()["error"]["type"] == "llm_bad_request"


def test_calls_that_wait_are_described(world: World) -> None:
    agent = world.server.agent("set_lamp", tool_rules=[{"type": "requires_approval", "tool_name": "set_lamp"}])
    path = f"/v1/agents/{agent}/messages"
    asked = world.told("POST", path, input=turn(call("set_lamp", folder="x"), "!say Done."))
    assert asked["stop_reason"]["stop_reason"] == "requires_approval"
    check(world.send("GET", f"/v1/agents/{agent}?include=agent.pending_approval").json(), component("AgentState"))
    busy = world.send("POST", path, json={"input": "and?"})
    assert busy.status_code == 409
    check(busy.json(), component("Conflict"))
    [request] = [one for one in asked["messages"] if one["message_type"] == "approval_request_message"]
    verdict = {"type": "approval", "tool_call_id": request["tool_call"]["tool_call_id"], "approve": False}
    given = {"type": "approval", "approvals": [verdict | {"reason": "No."}]}
    check(given, component("MessageInput"))
    check(world.told("POST", path, messages=[given]), component("LettaResponse"))
    listed = world.send("GET", path).json()
    check(listed, {"type": "array", "items": component("Message")})
    kinds = {one["message_type"] for one in listed}
    assert {"system_message", "user_message", "approval_request_message", "approval_response_message"} <= kinds


def test_thoughts_that_are_hidden_are_described() -> None:
    hidden = {"text": "", "calls": [], "reasoning": [{"redacted": "sealed"}]}
    [shown] = parts(
        Message(id="message-00000000-0000-4000-8000-000000000000", role="assistant", content=hidden, **DATE)
    )
    assert shown["message_type"] == "hidden_reasoning_message"
    check(shown, component("Message"))


def test_an_answer_without_a_body_has_none(world: World) -> None:
    """As many as would use up the connections to the database: HTTP servers refuse a 204 with a body half-way."""
    for _ in range(12):
        response = ask(world, "archives.delete")
        assert (response.status_code, response.content) == (204, b"")


def test_compactions_are_described() -> None:
    stats = {"trigger": "requested", "context_window": 1000, "context_tokens_before": 900, "context_tokens_after": 90}
    content = {"summary": "x", "stats": stats | {"messages_count_before": 9, "messages_count_after": 2}}
    row = Message(id="message-00000000-0000-4000-8000-000000000000", role="summary", content=content, **DATE)
    told = parts(row, View.of({"include_compaction_messages": True}))
    assert [one["message_type"] for one in told] == ["event_message", "summary_message"]
    check(told, {"type": "array", "items": component("Message")})


def test_what_a_compaction_did_is_described(world: World) -> None:
    agent = world.agent()
    told = {"include_compaction_messages": True, "input": "hello"}
    world.told("POST", f"/v1/agents/{agent}/messages", **told)
    check(world.told("POST", f"/v1/agents/{agent}/summarize"), component("Compacted"))
    listed = world.send("GET", f"/v1/agents/{agent}/messages").json()
    check(listed, {"type": "array", "items": component("Message")})


@pytest.mark.parametrize("name", [name for name in OPERATIONS if OPERATIONS[name][2].get("security")])
def test_without_a_key_it_is_told_where_keys_are(world: World, name: str) -> None:
    response = ask(world, name, headers={"Authorization": "Bearer nobody"})
    assert response.status_code == 401
    check(response.json(), schema_of(OPERATIONS[name][2], 401))


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "{" in OPERATIONS[name][1]])
def test_what_is_not_there_is_not_found(world: World, name: str) -> None:
    method, path, operation = OPERATIONS[name]
    absent = {variable: absent_id(variable) for variable in variables(path)}
    response = world.send(method, path.format(**absent), json=BODIES.get(name), files=FILES.get(name))
    assert response.status_code == 404, response.text
    check(response.json(), schema_of(operation, 404))


def absent_id(variable: str) -> str:
    kind = {"conversation_id": "conv", "folder_id": "source"}.get(variable, variable.removesuffix("_id"))
    return f"{kind}-00000000-0000-4000-8000-000000000000" if variable.endswith("_id") else "nowhere"


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "{" in OPERATIONS[name][1]])
def test_what_is_no_id_is_said_to_be_none(world: World, name: str) -> None:
    method, path, operation = OPERATIONS[name]
    response = world.send(method, path.format(**dict.fromkeys(variables(path), "x")), json=BODIES.get(name))
    assert response.status_code == 422, response.text
    check(response.json(), schema_of(operation, 422))


def test_a_field_that_the_document_does_not_know_is_found() -> None:
    with pytest.raises(ValidationError):
        check({"version": "1", "status": "ok", "secret": 1}, component("Health"))
