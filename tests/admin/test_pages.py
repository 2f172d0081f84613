"""Every list and every page of every model answers, with as many queries for many rows as for few."""

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.keys import issue_key
from memory.models import Archive
from tests.admin.conftest import HOSTILE, Tenant, agent_of, asked, ended, say, talked

OURS = ("accounts", "memory", "tools", "agents", "workers")
MODELS = {model._meta.label_lower for model in admin.site._registry if model._meta.app_label in OURS}
EXPECTED = (
    "accounts.organization accounts.user accounts.apikey accounts.retention accounts.purge memory.block "
    "memory.archive memory.passage memory.missingvector memory.folder memory.file tools.tool tools.mcpserver "
    "agents.agent agents.approval agents.callback agents.embeddedhistory agents.identity agents.identityjob "
    "agents.conversation agents.run agents.step agents.toolattempt agents.message workers.worker"
)


def registered(label: str) -> tuple[type, admin.ModelAdmin]:
    return next((model, site) for model, site in admin.site._registry.items() if model._meta.label_lower == label)


def listed(model: type) -> QuerySet:
    """The rows that the admin lists: the archive of a folder is a part of it."""
    return model.objects.filter(folder=None) if model is Archive else model.objects.all()


def list_url(label: str) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_changelist")


def change_url(row: object) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])


def test_every_model_is_registered() -> None:
    assert set(EXPECTED.split()) == MODELS


@pytest.mark.parametrize("label", sorted(MODELS))
def test_list_and_page(label: str, root: Client, acme: Tenant) -> None:
    issue_key(acme.organization, name="laptop", user=acme.user)
    model, _ = registered(label)
    for client in (root, acme.client):
        assert client.get(list_url(label)).status_code == 200
        assert client.get(list_url(label), {"q": "tea"}).status_code == 200
        row = (
            listed(model)
            .filter(**({"organization": acme.organization} if hasattr(model, "organization") else {}))
            .first()
        )
        page = client.get(change_url(row))
        assert page.status_code == 200
        assert client.get(change_url(row).replace("change", "history")).status_code == 200
        allowed = page.context["has_add_permission"]
        assert client.get(list_url(label) + "add/").status_code == (200 if allowed else 403)


def test_index(root: Client, acme: Tenant) -> None:
    for client in (root, acme.client):
        assert "Perdure" in client.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize("label", sorted(MODELS - {"workers.worker"}))
def test_list_asks_as_much_for_many_rows_as_for_few(label: str, root: Client, acme: Tenant, globex: Tenant) -> None:
    issue_key(acme.organization, name="one", user=acme.user)
    few = queries(root, list_url(label))
    for index in range(6):
        issue_key(globex.organization, name=f"key {index}", user=globex.user)
        talked(agent_of(globex.organization, f"agent {index}"))
    assert queries(root, list_url(label)) <= few


def test_page_of_a_run_asks_as_much_for_many_rows_as_for_few(root: Client, acme: Tenant) -> None:
    few = queries(root, change_url(acme.run))
    for index in range(8):
        say(acme.run, None, "user", {"content": f"more {index}"}, f"more {index}")
    assert queries(root, change_url(acme.run)) <= few


def queries(client: Client, url: str) -> int:
    client.get(url)  # fills what is asked once per process
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def test_nothing_said_becomes_markup(root: Client, acme: Tenant) -> None:
    agent = agent_of(acme.organization, HOSTILE)
    run = talked(agent, HOSTILE)
    failed = asked(agent, HOSTILE)
    ended(failed, "failed", error_message=HOSTILE, error_code="internal_error")
    rows = [agent, run, failed, run.steps.get(), run.attempts.get(), *run.messages.all(), agent.blocks.first()]
    urls = [change_url(row) for row in rows] + [list_url(label) for label in sorted(MODELS)]
    urls.append(reverse("admin:agents_conversation_transcript", args=[run.conversation_id]))
    shown = [root.get(url).content.decode() for url in urls]
    assert not any(HOSTILE in page for page in shown)
    assert "&lt;script&gt;alert" in shown[-1]
