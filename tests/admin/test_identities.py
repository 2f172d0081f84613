"""Identities are exported and erased from the admin; their jobs are looked at there."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from agents.models import Agent, Identity, IdentityJob
from agents.privacy.jobs import advance_job
from tests.admin.conftest import Tenant

LIST, JOBS = "/admin/agents/identity/", "/admin/agents/identityjob/"


@pytest.fixture
def guest(acme: Tenant) -> Identity:
    IdentityJob.objects.filter(organization=acme.organization).delete()
    return Identity.objects.get(organization=acme.organization)


def act(client: Client, action: str, identity: Identity, **fields: str) -> str:
    """What is said after the action."""
    data = {"action": action, "_selected_action": [identity.id], **fields}
    return "\n".join(str(message) for message in client.post(LIST, data, follow=True).context["messages"])


def worked_off() -> IdentityJob:
    while advance_job():
        pass
    return IdentityJob.objects.latest("created_at")


def test_an_export_is_started_and_reported(acme: Tenant, guest: Identity) -> None:
    assert "export of" in act(acme.client, "export_data", guest)
    job = worked_off()
    assert job.created_by_id == acme.user.id
    page = acme.client.get(f"{JOBS}{job.id}/change/").content.decode()
    assert "1 agent" in page
    assert "completed" in page
    assert job.id in acme.client.get(JOBS, {"identity_id__exact": guest.id}).content.decode()


def test_an_erasure_wants_to_be_meant(acme: Tenant, guest: Identity) -> None:
    assert "Nothing is erased" in act(acme.client, "erase_data", guest)
    assert not IdentityJob.objects.filter(identity_id=guest.id).exists()
    assert "erase of" in act(acme.client, "erase_data", guest, sure="erase")
    assert worked_off().status == "completed"
    assert not Agent.objects.filter(id=acme.agent.id).exists()


def test_identities_of_others_cannot_be_chosen(acme: Tenant, globex: Tenant, guest: Identity) -> None:
    theirs = Identity.objects.get(organization=globex.organization)
    act(acme.client, "erase_data", theirs, sure="erase")
    assert not IdentityJob.objects.filter(identity_id=theirs.id, kind="erase").exists()


def test_one_job_at_a_time_is_said(acme: Tenant, guest: Identity) -> None:
    act(acme.client, "export_data", guest)
    assert "under way" in act(acme.client, "erase_data", guest, sure="erase")


def test_a_finished_export_is_downloaded_from_its_page(acme: Tenant, globex: Tenant, guest: Identity) -> None:
    act(acme.client, "export_data", guest)
    job = IdentityJob.objects.latest("created_at")
    archive = f"{JOBS}{job.id}/archive/"
    assert archive not in acme.client.get(f"{JOBS}{job.id}/change/").content.decode()
    assert acme.client.get(archive).status_code == 404
    worked_off()
    assert archive in acme.client.get(f"{JOBS}{job.id}/change/").content.decode()
    answer = acme.client.get(archive)
    assert (answer.status_code, answer["Content-Disposition"]) == (200, f'attachment; filename="{guest.id}.jsonl"')
    assert globex.client.get(archive).status_code == 404


def test_whoever_may_not_see_messages_may_not_download_them(acme: Tenant, guest: Identity) -> None:
    act(acme.client, "export_data", guest)
    job = worked_off()
    acme.user.user_permissions.remove(*Permission.objects.filter(codename="view_message"))
    assert acme.client.get(f"{JOBS}{job.id}/change/").status_code == 200
    assert acme.client.get(f"{JOBS}{job.id}/archive/").status_code == 403
