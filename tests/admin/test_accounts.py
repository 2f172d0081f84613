"""Keys that are shown once, and organizations that do not see each other."""

import re
from typing import Any

from django.contrib.admin.utils import quote
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts.keys import issue_key, principal_for
from accounts.models import ApiKey, Organization, User
from agents.models import Agent
from memory.models import Block
from tests.admin.conftest import Tenant
from tests.admin.pages import errors_of, shown_values
from tests.admin.test_pages import MODELS, list_url, listed, registered

ADD_KEY = "/admin/accounts/apikey/add/"
KEY = re.compile(r"pdr_[0-9a-f]{8}_[\w-]{43}")


def make_key(client: Client, organization: Organization, **values: Any) -> Any:
    return client.post(
        ADD_KEY, shown_values(client, ADD_KEY) | {"organization": organization.id, "name": "laptop"} | values
    )


def test_key_is_shown_once_and_works(acme: Tenant) -> None:
    answer = make_key(acme.client, acme.organization)
    text = KEY.findall(answer.content.decode())[0]
    principal = principal_for(text)
    assert principal is not None
    assert principal.organization_id == acme.organization.id
    assert "no-store" in answer["Cache-Control"]
    key = ApiKey.objects.get(name="laptop")
    page = acme.client.get(reverse("admin:accounts_apikey_change", args=[key.id])).content.decode()
    again = acme.client.get(list_url("accounts.apikey")).content.decode()
    assert f"pdr_{key.prefix}_…{key.last4}" in page
    assert not KEY.search(page + again)
    assert key.digest not in page
    assert text not in str(acme.client.cookies)
    assert all(text not in str(kept.get_decoded()) for kept in Session.objects.all())


def test_digest_cannot_be_edited(root: Client, acme: Tenant) -> None:
    key, text = issue_key(acme.organization, name="old")
    url = reverse("admin:accounts_apikey_change", args=[key.id])
    values = shown_values(root, url) | {"name": "new", "digest": "0" * 64, "prefix": "00000000"}
    assert errors_of(root.post(url, values)) == ""
    assert ApiKey.objects.get(id=key.id).name == "new"
    assert principal_for(text) is not None


def test_revoked_key_is_refused(acme: Tenant) -> None:
    key, text = issue_key(acme.organization)
    acme.client.post(list_url("accounts.apikey"), {"action": "revoke", "_selected_action": [key.id]})
    assert principal_for(text) is None


def test_key_of_a_user_elsewhere_is_refused(root: Client, acme: Tenant, globex: Tenant) -> None:
    assert "does not belong" in errors_of(make_key(root, acme.organization, user=globex.user.id))
    assert not ApiKey.objects.filter(name="laptop").exists()


def test_key_for_another_organization_is_refused(acme: Tenant, globex: Tenant) -> None:
    assert "not one of the available choices" in errors_of(make_key(acme.client, globex.organization))
    assert not ApiKey.objects.filter(name="laptop").exists()


def test_lists_and_pages_hold_nothing_of_another_organization(acme: Tenant, globex: Tenant, root: Client) -> None:
    issue_key(globex.organization, name="theirs", user=globex.user)
    for label in sorted(MODELS - {"workers.worker"}):
        model, _ = registered(label)
        paths = {
            "accounts.organization": "id",
            "memory.missingvector": "archive__organization_id",
            "agents.embeddedhistory": "conversation__organization_id",
        }
        path = paths.get(label, "organization_id")
        theirs = listed(model).filter(**{path: globex.organization.id})
        assert theirs.exists(), label
        page = acme.client.get(list_url(label)).content.decode()
        for row in theirs:
            url = reverse(f"admin:{label.replace('.', '_')}_change", args=[quote(row.pk)])
            assert url not in page
            assert url in root.get(list_url(label), {"all": ""}).content.decode()
            assert acme.client.get(url).status_code == 302  # to the index, where it says that there is no such row
        assert "Globex" not in page, label


def test_staff_without_organization_see_nothing(acme: Tenant) -> None:
    User.objects.filter(id=acme.user.id).update(organization=None)
    assert acme.agent.id not in acme.client.get(list_url("agents.agent")).content.decode()


def test_choices_are_those_of_the_organization(acme: Tenant, globex: Tenant) -> None:
    query = {"app_label": "agents", "model_name": "agentblock", "field_name": "block"}
    offered = acme.client.get("/admin/autocomplete/", query).json()["results"]
    assert {item["id"] for item in offered} == set(
        Block.objects.filter(organization=acme.organization).values_list("id", flat=True)
    )
    assert globex.organization.id not in acme.client.get("/admin/agents/agent/add/").content.decode()


def test_row_stays_with_its_organization(root: Client, acme: Tenant, globex: Tenant) -> None:
    url = reverse("admin:agents_agent_change", args=[acme.agent.id])
    root.post(url, shown_values(root, url) | {"organization": globex.organization.id})
    assert Agent.objects.get(id=acme.agent.id).organization_id == acme.organization.id


def test_staff_give_themselves_no_rights(acme: Tenant, globex: Tenant) -> None:
    url = reverse("admin:accounts_user_change", args=[acme.user.id])
    values = shown_values(acme.client, url)
    acme.client.post(url, values | {"is_superuser": "on", "organization": globex.organization.id, "first_name": "A"})
    user = User.objects.get(id=acme.user.id)
    assert (user.first_name, user.is_superuser, user.organization_id) == ("A", False, acme.organization.id)


def test_staff_do_not_touch_superusers(acme: Tenant) -> None:
    chief = User.objects.create_superuser("chief", organization=acme.organization)
    password = chief.password
    new = {"password1": "long enough 1", "password2": "long enough 1", "usable_password": "true"}
    answer = acme.client.post(reverse("admin:auth_user_password_change", args=[chief.id]), new)
    assert answer.status_code == 403
    acme.client.post(reverse("admin:accounts_user_delete", args=[chief.id]), {"post": "yes"})
    selected = {"action": "delete_selected", "_selected_action": [chief.id], "post": "yes"}
    acme.client.post(list_url("accounts.user"), selected)
    assert User.objects.get(id=chief.id).password == password


def test_new_user_is_of_the_makers_organization(acme: Tenant) -> None:
    values = {"username": "ada", "usable_password": "true", "password1": "long enough 1", "password2": "long enough 1"}
    assert errors_of(acme.client.post("/admin/accounts/user/add/", values)) == ""
    assert User.objects.get(username="ada").organization == acme.organization


def test_staff_without_permissions_get_nothing(acme: Tenant) -> None:
    acme.user.user_permissions.clear()
    for label in sorted(MODELS):
        assert acme.client.get(list_url(label)).status_code == 403
    assert (
        acme.client.get(reverse("admin:agents_conversation_transcript", args=[acme.conversation.id])).status_code == 403
    )
