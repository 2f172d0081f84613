"""Calls that wait, seen and answered by path."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.accepting import answer_overdue, close_approval
from agents.models import TERMINAL, Agent, Approval, Run
from tests.agents import given
from tests.agents.api.conftest import Caller
from tests.agents.loop.doubles import says


@pytest.fixture
def agent(acme: Caller) -> Agent:
    return Agent.objects.get(id=acme.agent(tools=["send_message"])["id"])


@pytest.fixture
def waiting(agent: Agent) -> Approval:
    return given.waits_for_leave(agent)


def rows() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Run, Approval)]


def test_what_waits_is_told(acme: Caller, waiting: Approval) -> None:
    told = acme.get(f"approvals/{waiting.id}")
    [call] = told["calls"]
    assert (call["name"], call["arguments"], call["by_client"]) == ("send_message", '{"message": "hi"}', False)
    assert (told["status"], told["answers"], told["answered_by_run_id"]) == ("pending", None, None)
    assert (told["agent_id"], told["run_id"], told["conversation_id"]) == (waiting.agent_id, waiting.asked_by_id, None)
    assert acme.get("approvals/") == [told]


def test_filters(acme: Caller, globex: Caller, agent: Agent, waiting: Approval) -> None:
    acme.post(f"approvals/{waiting.id}", {"approve": True})
    given.advance(agent, says("done"))
    open_one = given.waits_for_leave(agent)

    def found(query: str) -> list[str]:
        return [row["id"] for row in acme.get(f"approvals/{query}")]

    assert found("") == [open_one.id, waiting.id]
    assert found("?pending=true") == found("?answered=false") == [open_one.id]
    assert found("?pending=false") == found("?answered=true") == [waiting.id]
    assert found(f"?agent_id={agent.id}&order=asc") == [waiting.id, open_one.id]
    assert found(f"?conversation_id={waiting.conversation_id}") == [open_one.id, waiting.id]
    assert found(f"?limit=1&after={open_one.id}") == [waiting.id]
    assert found(f"?agent_id={acme.agent()['id']}") == []
    assert globex.get("approvals/") == []


def test_approving_begins_the_run_that_goes_on(acme: Caller, agent: Agent, waiting: Approval) -> None:
    run = acme.post(f"approvals/{waiting.id}", {"approve": True})
    assert (run["status"], run["background"]) == ("created", True)
    given.advance(agent, says("done"))
    assert given.transcript(agent)[-2:] == ["tool: Sent message successfully.", "assistant: done"]
    told = acme.get(f"approvals/{waiting.id}")
    assert (told["status"], told["answered_by_run_id"]) == ("answered", run["id"])
    assert told["answered_by_id"].startswith("key-")


def test_denying_with_a_reason_call_by_call(acme: Caller, agent: Agent, waiting: Approval) -> None:
    [call] = waiting.calls
    each = [{"tool_call_id": call["tool_call_id"], "approve": False, "reason": "It is late."}]
    acme.post(f"approvals/{waiting.id}", {"approvals": each})
    given.advance(agent, says("well"))
    assert given.transcript(agent)[-2].endswith("User reason: It is late.")


def test_what_was_answered_is_not_answered_again(acme: Caller, waiting: Approval) -> None:
    acme.post(f"approvals/{waiting.id}", {"approve": True})
    before = rows()
    for approve in (True, False):
        assert "answered already" in acme.refused(409, "POST", f"approvals/{waiting.id}", {"approve": approve})
    assert rows() == before


def test_a_repeat_with_its_key_is_given_the_same_run(acme: Caller, waiting: Approval) -> None:
    path, body = f"approvals/{waiting.id}", {"approve": True}
    first = acme.post(path, body, **{"Idempotency-Key": "k"})
    assert acme.post(path, body, **{"Idempotency-Key": "k"})["id"] == first["id"]


def test_a_clients_own_repeat_is_of_this_approval_alone(acme: Caller, agent: Agent, waiting: Approval) -> None:
    first = acme.post(f"approvals/{waiting.id}", {"approve": True})
    again = acme.post(f"approvals/{waiting.id}", {"approve": True}, **{"x-stainless-retry-count": "1"})
    assert again["id"] == first["id"]
    given.advance(agent, says("done"))
    other = given.waits_for_leave(agent)
    run = acme.post(f"approvals/{other.id}", {"approve": True}, **{"x-stainless-retry-count": "1"})
    assert run["id"] != first["id"]


def test_an_answer_after_a_cancel_changes_nothing(acme: Caller, waiting: Approval) -> None:
    close_approval(waiting.conversation)
    before = rows()
    assert "cancelled" in acme.refused(409, "POST", f"approvals/{waiting.id}", {"approve": True})
    assert rows() == before


def test_an_answer_after_the_deadline_changes_nothing(acme: Caller, agent: Agent, waiting: Approval) -> None:
    Approval.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    before = rows()
    assert "count as denied" in acme.refused(409, "POST", f"approvals/{waiting.id}", {"approve": True})
    late = {"messages": [{"type": "approval", "approve": True}]}
    assert "count as denied" in acme.refused(409, "POST", f"agents/{agent.id}/messages/async", late)
    assert rows() == before
    assert answer_overdue() == 1
    given.advance(agent, says("well"))
    assert "Nobody answered in time" in given.transcript(agent)[-2]
    assert not Run.objects.exclude(status__in=TERMINAL).exists()


@pytest.mark.parametrize("body", [{}, {"approve": "yes"}, {"approvals": []}, {"approvals": [{"approve": True}]}])
def test_a_verdict_that_cannot_be_read(acme: Caller, waiting: Approval, body: Any) -> None:
    acme.refused(422, "POST", f"approvals/{waiting.id}", body)


def test_calls_of_another_kind(acme: Caller, waiting: Approval) -> None:
    wrong = {"approvals": [{"tool_call_id": "call_of_nobody", "approve": True}]}
    assert "answer each" in acme.refused(400, "POST", f"approvals/{waiting.id}", wrong)
