"""Calls that wait are read in the admin, and approved or denied."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from agents.models import Approval, Run
from tests.admin.conftest import HOSTILE, Tenant, agent_of, talked

LIST = "/admin/agents/approval/"


@pytest.fixture
def waiting(acme: Tenant) -> Approval:
    Approval.objects.filter(agent=acme.agent).update(answered_at=None, answers=None)
    return Approval.objects.get(agent=acme.agent)


def act(client: Client, action: str, approval: Approval, **fields: str) -> str:
    """What is said after the action."""
    data = {"action": action, "_selected_action": [approval.id], **fields}
    return "\n".join(str(message) for message in client.post(LIST, data, follow=True).context["messages"])


def test_the_calls_can_be_read(acme: Tenant) -> None:
    talked(agent_of(acme.organization, "other"), HOSTILE)
    approval = Approval.objects.latest("created_at")
    for page in (LIST, f"{LIST}{approval.id}/change/"):
        told = acme.client.get(page).content.decode()
        assert "clock" in told
        assert "&lt;script&gt;" in told
        assert HOSTILE not in told


@pytest.mark.parametrize(("action", "approve"), [("approve_calls", True), ("deny_calls", False)])
def test_an_answer(acme: Tenant, waiting: Approval, action: str, approve: bool) -> None:
    assert "goes on" in act(acme.client, action, waiting, reason="It is late.")
    waiting.refresh_from_db()
    [answer] = waiting.answers
    assert (answer["approve"], answer["reason"]) == (approve, "It is late.")
    assert waiting.answered_by_id == acme.user.id
    assert Run.objects.get(approval=waiting).status == "queued"
    assert ("approved" if approve else "denied: It is late.") in acme.client.get(LIST).content.decode()


def test_what_was_answered_is_left_alone(acme: Tenant, waiting: Approval) -> None:
    act(acme.client, "approve_calls", waiting)
    assert "answered already" in act(acme.client, "deny_calls", waiting)
    assert Run.objects.filter(approval=waiting).count() == 1


def test_only_those_that_wait(acme: Tenant, waiting: Approval) -> None:
    assert waiting.id in acme.client.get(LIST, {"state": "pending"}).content.decode()
    assert waiting.id not in acme.client.get(LIST, {"state": "answered"}).content.decode()


def test_who_may_only_look_may_not_act(acme: Tenant, waiting: Approval) -> None:
    acme.user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    act(acme.client, "approve_calls", waiting)
    waiting.refresh_from_db()
    assert waiting.answered_at is None


def test_another_organizations_are_not_answered(acme: Tenant, globex: Tenant, waiting: Approval) -> None:
    act(globex.client, "approve_calls", waiting)
    waiting.refresh_from_db()
    assert waiting.answered_at is None
