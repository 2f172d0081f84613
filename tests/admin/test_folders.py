"""Folders and files in the admin: made, read, tried again, deleted."""

import pytest
from django.test import Client

from agents import folders
from memory import files
from memory.models import File, Folder, Passage
from tests.admin.conftest import HOSTILE, Tenant

FOLDERS, FILES = "/admin/memory/folder/", "/admin/memory/file/"


@pytest.fixture
def file(acme: Tenant) -> File:
    return File.objects.get(organization=acme.organization)


def act(client: Client, action: str, path: str, row: File | Folder, **fields: str) -> str:
    """What is said after the action."""
    data = {"action": action, "_selected_action": [row.pk], **fields}
    return "\n".join(str(message) for message in client.post(path, data, follow=True).context["messages"])


def read(text: str) -> None:
    claimed = files.claim(60)
    assert claimed
    files.store(claimed, text)


def made(tenant: Tenant, path: str, **fields: str) -> bytes:
    given = {"organization": tenant.organization.pk, "name": "Books", "chunk_size": "300", "metadata": "{}"}
    return tenant.client.post(path, given | fields).content


def test_a_folder_is_made_and_renamed(acme: Tenant) -> None:
    made(acme, f"{FOLDERS}add/")
    folder = Folder.objects.get(name="Books")
    assert folder.organization == acme.organization
    assert folder.archive.organization == acme.organization
    made(acme, f"{FOLDERS}{folder.pk}/change/", name="Papers")
    assert Folder.objects.get(pk=folder.pk).name == "Papers"


def test_a_name_that_is_taken_is_refused(acme: Tenant, globex: Tenant) -> None:
    assert b"Choose another name" in made(acme, f"{FOLDERS}add/", name="Acme manuals")
    made(acme, f"{FOLDERS}add/", name="Globex manuals")
    folder = Folder.objects.get(name="Acme manuals")
    assert b"Choose another name" in made(acme, f"{FOLDERS}{folder.pk}/change/", name="Globex manuals")


def test_a_folder_is_deleted_with_its_files_and_the_tools_of_its_agents(acme: Tenant, file: File) -> None:
    read("It whistles.")
    folders.attach(acme.agent, [file.folder])
    before = acme.agent.tools.count()
    acme.client.post(f"{FOLDERS}{file.folder.pk}/delete/", {"post": "yes"})
    assert not Folder.objects.exists()
    assert not Passage.objects.filter(file__isnull=False).exists()
    assert acme.agent.tools.count() == before - 3


def test_a_file_that_failed_is_read_again(acme: Tenant, file: File) -> None:
    assert "only those with an error" in act(acme.client, "read_again", FILES, file)
    claimed = files.claim(60)
    assert claimed
    files.fail(claimed, f"Damaged: {HOSTILE}")
    assert HOSTILE not in acme.client.get(FILES).content.decode()
    assert "1 file wait to be read again." in act(acme.client, "read_again", FILES, file)
    assert File.objects.get(pk=file.pk).status == "pending"


def test_a_file_is_shown_and_deleted(acme: Tenant, file: File) -> None:
    read(f"It whistles. {HOSTILE}")
    page = acme.client.get(f"{FILES}{file.pk}/change/").content.decode()
    assert "It whistles." in page
    assert HOSTILE not in page
    act(acme.client, "delete_selected", FILES, file, post="yes")
    assert not File.objects.filter(pk=file.pk).exists()


def test_another_organizations_are_not_there(acme: Tenant, globex: Tenant, file: File) -> None:
    assert "Acme manuals" not in globex.client.get(FOLDERS).content.decode()
    assert globex.client.get(f"{FILES}{file.pk}/change/").status_code == 302
    act(globex.client, "delete_selected", FILES, file, post="yes")
    assert File.objects.filter(pk=file.pk).exists()


def test_the_archive_of_a_folder_is_not_among_the_archives(root: Client, acme: Tenant) -> None:
    assert "Acme manuals" not in root.get("/admin/memory/archive/").content.decode()
