"""MCP servers in the admin: seen by their organization, without their secrets."""

from django.test import Client
from django.urls import reverse

from tests.admin.conftest import Tenant
from tools.models import McpServer


def test_a_page_shows_no_secret(acme: Tenant, globex: Tenant) -> None:
    mine = McpServer.objects.get(organization=acme.organization)
    url = reverse("admin:tools_mcpserver_change", args=[mine.id])
    page = acme.client.get(url).content.decode()
    assert "auth_token …cret" in page
    assert "long secret" not in page
    assert mine.secrets["auth_token"]["sealed"] not in page
    assert globex.client.get(url).status_code == 302
    assert acme.client.post(url, {"name": "other"}).status_code == 403


def test_the_list(root: Client, acme: Tenant, globex: Tenant) -> None:
    url = reverse("admin:tools_mcpserver_changelist")
    assert "Globex tea" not in acme.client.get(url).content.decode()
    page = root.get(url).content.decode()
    assert "Acme tea" in page
    assert "Globex tea" in page
