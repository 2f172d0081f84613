"""What is not there or not allowed is a page of the admin, with a way back; the API stays JSON."""

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import User
from tests.admin.conftest import Tenant, asked, ended, logged_in


def test_what_is_not_there_is_a_page(acme: Tenant, globex: Tenant) -> None:
    transcript = reverse("admin:agents_conversation_transcript", args=[globex.conversation.id])
    for path in (transcript, "/admin/no/such/page/"):
        answer = acme.client.get(path)
        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()
        assert f'<a href="{reverse("admin:index")}">Back' in answer.content.decode()


def test_what_is_not_allowed_is_a_page(acme: Tenant) -> None:
    client = logged_in(User.objects.create_user("guest", organization=acme.organization, is_staff=True))
    answer = client.get("/admin/agents/run/")
    assert answer.status_code == 403
    assert "Your account may not see or do this." in answer.content.decode()


@pytest.mark.parametrize("path", ["/v1/nothing", "/nothing"])
def test_outside_of_the_admin_it_is_json(root: Client, path: str) -> None:
    assert "There is nothing at" in root.get(path).json()["detail"]


@override_settings(ADMIN_ENABLED=False)
def test_without_the_admin_it_is_json(root: Client) -> None:
    assert "There is nothing at" in root.get("/admin/no/such/page/").json()["detail"]


def test_the_admin_is_found_without_its_slash(client: Client) -> None:
    answer = client.get("/admin")
    assert (answer.status_code, answer["Location"]) == (301, "/admin/")


def test_a_message_is_shown_as_it_is_written(acme: Tenant) -> None:
    run = asked(acme.agent)
    ended(run, "failed")
    data = {"action": "retry_runs", "_selected_action": [run.id]}
    shown = acme.client.post("/admin/agents/run/", data, follow=True).content.decode()
    assert f">{run.id} is asked again" in shown
