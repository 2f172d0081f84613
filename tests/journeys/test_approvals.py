"""Calls that wait: for a person's approval, or for the client that is to run them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import letta_client
import pytest

from cli.configuration import ROOT
from tests.journeys.streams import joined
from tests.live import Server, call, turn, wait_until

WEATHER = {
    "name": "weather",
    "description": "The weather at a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}


def kinds(messages: Any) -> list[str]:
    return [message.message_type for message in messages]


@pytest.fixture
def bell(tmp_path: Path) -> Path:
    folder = tmp_path / "bell"
    folder.mkdir()
    return folder


@pytest.fixture
def careful(server: Server) -> str:
    """An agent whose bell may only be rung with a person's leave."""
    return server.agent("ring_bell", "set_lamp", tool_rules=[{"type": "requires_approval", "tool_name": "ring_bell"}])


def ask(server: Server, agent: str, bell: Path, *also: str) -> Any:
    """The request for an approval, after the agent was asked to ring."""
    answer = server.client().agents.messages.create(
        agent, input=turn("\n".join([call("ring_bell", folder=bell), *also]), "!say Done.")
    )
    assert answer.stop_reason.stop_reason == "requires_approval"
    [request] = [message for message in answer.messages if message.message_type == "approval_request_message"]
    return request


def verdict(request: Any, approve: bool, **fields: Any) -> list[Any]:
    ids = [one.tool_call_id for one in request.tool_calls]
    return [{"type": "approval", "approvals": [approval(id, approve, **fields) for id in ids]}]


def approval(call_id: str, approve: bool, **fields: Any) -> dict[str, Any]:
    return {"type": "approval", "tool_call_id": call_id, "approve": approve, **fields}


def test_an_approved_call_runs_and_the_agent_goes_on(server: Server, careful: str, bell: Path) -> None:
    client = server.client()
    request = ask(server, careful, bell)
    assert not (bell / "rung").exists()
    assert client.agents.retrieve(careful, include=["agent.pending_approval"]).pending_approval.id == request.id
    answer = client.agents.messages.create(careful, messages=verdict(request, True))
    assert kinds(answer.messages) == ["tool_return_message", "assistant_message"]
    assert answer.messages[0].status == "success"
    assert answer.stop_reason.stop_reason == "end_turn"
    assert (bell / "rung").read_text().count("\n") == 1
    assert kinds(client.agents.messages.list(careful, order="asc").items[1:]) == [
        "user_message",
        "approval_request_message",
        "approval_response_message",
        "tool_return_message",
        "assistant_message",
    ]
    assert client.agents.retrieve(careful, include=["agent.pending_approval"]).pending_approval is None


def test_a_denied_call_does_not_run_and_the_model_is_told_why(server: Server, careful: str, bell: Path) -> None:
    request = ask(server, careful, bell)
    answer = server.client().agents.messages.create(careful, messages=verdict(request, False, reason="It is late."))
    assert answer.messages[0].tool_return == "Error: request to call tool denied. User reason: It is late."
    assert answer.messages[0].status == "error"
    assert answer.messages[-1].content == "Done."
    assert not (bell / "begun").exists()


def test_the_older_form_of_an_approval(server: Server, careful: str, bell: Path) -> None:
    request = ask(server, careful, bell)
    message: Any = {"type": "approval", "approve": True, "approval_request_id": request.id}
    answer = server.client().agents.messages.create(careful, messages=[message])
    assert answer.messages[0].status == "success"


def test_until_then_nothing_else_can_be_said(server: Server, careful: str, bell: Path) -> None:
    request = ask(server, careful, bell)
    client = server.client()
    with pytest.raises(letta_client.ConflictError) as refused:
        client.agents.messages.create(careful, input="And now?")
    detail = refused.value.body["detail"]  # type: ignore[index]
    assert (detail["code"], detail["pending_request_id"]) == ("PENDING_APPROVAL", request.id)
    with pytest.raises(letta_client.BadRequestError, match="answer each of them once"):
        client.agents.messages.create(
            careful, messages=[{"type": "approval", "approvals": [approval("call_of_nobody", True)]}]
        )
    client.agents.messages.create(careful, messages=verdict(request, True))
    assert client.agents.messages.create(careful, input="And now?").stop_reason.stop_reason == "end_turn"


def test_an_answer_to_nothing_is_refused_and_one_that_comes_twice_is_taken_once(
    server: Server, careful: str, bell: Path
) -> None:
    client = server.client()
    with pytest.raises(letta_client.BadRequestError, match="No tool call is currently awaiting approval"):
        client.agents.messages.create(careful, messages=[{"type": "approval", "approve": True}])
    request = ask(server, careful, bell)
    first = client.agents.messages.create(careful, messages=verdict(request, True))
    again = client.agents.messages.create(careful, messages=verdict(request, True))
    assert [message.id for message in again.messages] == [message.id for message in first.messages]
    assert (bell / "rung").read_text().count("\n") == 1
    with pytest.raises(letta_client.BadRequestError):
        client.agents.messages.create(careful, messages=verdict(request, False))


def test_calls_beside_one_that_waits_run_after_the_answer_too(server: Server, careful: str, bell: Path) -> None:
    client = server.client()
    answer = client.agents.messages.create(
        careful, input=turn("\n".join([call("set_lamp", folder=bell), call("ring_bell", folder=bell)]), "!say Done.")
    )
    assert kinds(answer.messages) == ["tool_call_message", "approval_request_message"]
    assert [one.name for one in answer.messages[1].tool_calls] == ["ring_bell"]
    assert list(bell.iterdir()) == []
    answer = client.agents.messages.create(careful, messages=verdict(answer.messages[1], True))
    assert [message.name for message in answer.messages[:2]] == ["set_lamp", "ring_bell"]


def test_cancelling_closes_what_waits(server: Server, careful: str, bell: Path) -> None:
    request = ask(server, careful, bell)
    client = server.client()
    assert set(client.agents.messages.cancel(careful).values()) == {"cancelled"}
    wait_until(lambda: kinds(client.agents.messages.list(careful).items)[-1] == "tool_return_message")
    assert client.agents.messages.create(careful, input="hello").stop_reason.stop_reason == "end_turn"
    assert not (bell / "begun").exists()
    assert server.transcript(careful)[-2:] == ["user: hello", "assistant: ok: hello"]
    with pytest.raises(letta_client.BadRequestError):
        client.agents.messages.create(careful, messages=verdict(request, True))


def answered(server: Server, approval_id: str, **body: Any) -> Any:
    return server.client().post(f"/v1/approvals/{approval_id}", body=body, cast_to=object)


def approval_of(server: Server, agent: str) -> Any:
    page: Any = server.client().get(f"/v1/approvals/?agent_id={agent}&pending=true", cast_to=object)
    [found] = page
    return found


def test_somebody_else_approves(server: Server, careful: str, bell: Path) -> None:
    ask(server, careful, bell)
    run = answered(server, approval_of(server, careful)["id"], approve=True)
    assert server.await_end(run["id"])["stop_reason"] == "end_turn"
    assert (bell / "rung").read_text().count("\n") == 1


def test_somebody_else_is_late(server: Server, careful: str, bell: Path) -> None:
    """After a cancel an approval has no effect, and is told so."""
    ask(server, careful, bell)
    found = approval_of(server, careful)
    server.client().agents.messages.cancel(careful)
    with pytest.raises(letta_client.ConflictError, match="answered already, or cancelled") as refused:
        answered(server, found["id"], approve=True)
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert server.client().agents.messages.create(careful, input="hello").stop_reason.stop_reason == "end_turn"
    assert not (bell / "begun").exists()


def perdure(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PERDURE_URL": server.web.url, "PERDURE_API_KEY": server.key}
    command = [sys.executable, "-m", "cli", "approvals", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


def test_by_command(server: Server, careful: str, bell: Path) -> None:
    ask(server, careful, bell)
    id = approval_of(server, careful)["id"]
    listed = perdure(server, "list").stdout
    assert id in listed
    assert f'ring_bell {{"folder": "{bell}"}}' in listed
    assert perdure(server, "deny", id, "--reason", "It is late.").stdout.startswith("Denied; run-")
    wait_until(lambda: server.transcript(careful)[-1] == "assistant: Done.")
    assert "User reason: It is late." in server.transcript(careful)[-2]
    again = perdure(server, "approve", id)
    assert (again.returncode, "answered already" in again.stderr) == (1, True)
    assert id not in perdure(server, "list").stdout


def test_a_message_that_had_been_queued_waits_until_the_answer(server: Server, careful: str, bell: Path) -> None:
    client = server.client()
    first = client.agents.messages.create_async(
        careful, input=turn("!delay 0.2\n!say Well, well, well, well.\n" + call("ring_bell", folder=bell), "!say Done.")
    )
    queued = client.agents.messages.create_async(careful, input="And then?")
    server.await_end(first.id)
    request = next(m for m in client.runs.messages.list(first.id) if m.message_type == "approval_request_message")
    assert client.runs.retrieve(queued.id).status == "created"
    client.agents.messages.create(careful, messages=verdict(request, True))
    assert server.await_end(queued.id)["status"] == "completed"
    said = [line for line in server.transcript(careful) if line.startswith(("user", "assistant"))]
    assert said[-3:] == ["assistant: Done.", "user: And then?", "assistant: ok: And then?"]


def test_a_queued_message_can_be_cancelled_meanwhile(server: Server, careful: str, bell: Path) -> None:
    client = server.client()
    first = client.agents.messages.create_async(
        careful, input=turn("!delay 0.2\n!say Well, well, well, well.\n" + call("ring_bell", folder=bell), "!say Done.")
    )
    queued = client.agents.messages.create_async(careful, input="And then?")
    server.await_end(first.id)
    client.agents.messages.cancel(careful, run_ids=[queued.id])
    assert client.runs.retrieve(queued.id).status == "cancelled"


def test_the_clients_own_tools(server: Server) -> None:
    """The run asks the client for the return, and the next one goes on with it; the tools need be sent once only."""
    client, agent = server.client(), server.agent()
    answer = client.agents.messages.create(
        agent,
        input=turn(call("weather", place="Oslo"), call("weather", place="Rome"), "!say Rain in both."),
        client_tools=[WEATHER],
    )
    for place in ("Oslo", "Rome"):
        assert answer.stop_reason.stop_reason == "requires_approval"
        [request] = answer.messages
        assert (request.message_type, request.tool_call.name) == ("approval_request_message", "weather")
        assert place in request.tool_call.arguments
        returned: Any = {
            "type": "tool",
            "tool_call_id": request.tool_call.tool_call_id,
            "tool_return": "Rain.",
            "status": "success",
        }
        answer = client.agents.messages.create(agent, messages=[{"type": "approval", "approvals": [returned]}])
        assert answer.messages[0].tool_return == "Rain."
        answer.messages = answer.messages[1:]
    assert answer.messages[-1].content == "Rain in both."


def test_a_return_in_a_message_of_its_own_kind(server: Server) -> None:
    client, agent = server.client(), server.agent()
    run = client.agents.messages.create_async(
        agent, input=turn(call("weather", place="Oslo"), "!say Rain."), client_tools=[WEATHER]
    )
    assert server.await_end(run.id)["stop_reason"] == "requires_approval"
    request = client.runs.messages.list(run.id, order="asc").items[-1]
    with pytest.raises(letta_client.BadRequestError, match="is run by the client"):
        client.agents.messages.create(agent, messages=verdict(request, True))
    returned: Any = {"tool_call_id": request.tool_call.tool_call_id, "tool_return": "Rain.", "status": "success"}
    answer = client.agents.messages.create(agent, messages=[{"type": "tool_return", "tool_returns": [returned]}])
    assert answer.messages[-1].content == "Rain."


def test_arguments_that_do_not_fit_never_reach_the_client(server: Server) -> None:
    answer = server.client().agents.messages.create(
        server.agent(), input=turn(call("weather", town="Oslo"), "!say I see."), client_tools=[WEATHER]
    )
    assert kinds(answer.messages) == ["tool_call_message", "tool_return_message", "assistant_message"]
    assert answer.messages[1].status == "error"


@pytest.mark.parametrize("tokens", [False, True])
def test_requests_in_a_stream(server: Server, careful: str, bell: Path, tokens: bool) -> None:
    client = server.client()
    asked = turn("\n".join([call("set_lamp", folder=bell), call("ring_bell", folder=bell)]), "!say Done.")
    events = list(client.agents.messages.stream(careful, input=asked, stream_tokens=tokens))
    assert kinds(events)[-2:] == ["stop_reason", "usage_statistics"]
    assert events[-2].stop_reason == "requires_approval"
    stored = client.agents.messages.list(careful, order="asc").items[2:]
    assert joined(events) == joined(stored)
    going_on = list(client.agents.messages.stream(careful, messages=verdict(stored[-1], True), stream_tokens=tokens))
    assert "tool_return_message" in kinds(going_on)
    assert going_on[-2].stop_reason == "end_turn"
