"""Files of folders: kept, read under a fence, filed as passages, found, and gone when they are deleted."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Organization
from memory import files, vectors
from memory.archival import Archival
from memory.files import NameTaken, Upload, keep, make_folder
from memory.models import Archive, File, FileContent, Folder, MissingVector, Passage, Vector
from tests.fakellm.embeddings import vector

SIZE = 64
NONE = {"embedding": None, "dimension": None}
TEXT = "# Pumps\n\nA pump moves water.\n\n# Valves\n\nA valve stops it."


@pytest.fixture
def organization(db):
    return Organization.objects.create(name="Acme")


@pytest.fixture
def folder(organization):
    return make_folder(organization.id, "Manuals", NONE)


@pytest.fixture
def embedded(organization):
    """A folder with vectors, in small pieces."""
    folder = make_folder(organization.id, "Embedded", {"embedding": "fake/a", "dimension": SIZE}, chunk_size=10)
    return Folder.objects.select_related("archive").get(id=folder.id)


def upload(name="pump.md", data=b"bytes"):
    return Upload(name, name, "text/markdown", "text", data)


def kept(folder, name="pump.md", duplicates="suffix"):
    return keep(folder, upload(name), duplicates, None)[0]


def read(folder, name="pump.md", text=TEXT):
    """A file that a worker has read."""
    file = kept(folder, name)
    claimed = files.claim(60)
    assert claimed
    assert files.store(claimed, text)
    return fresh(file)


def fresh(file):
    return File.objects.get(id=file.id)


def lease_ends(file):
    File.objects.filter(id=file.id).update(lease_until=timezone.now() - timedelta(seconds=1))


def names(folder):
    return sorted(folder.files.values_list("name", flat=True))


# Names


def test_names_of_folders_are_taken_once(organization, folder):
    with pytest.raises(NameTaken, match="another folder called 'Manuals'"):
        make_folder(organization.id, "Manuals", NONE)
    make_folder(Organization.objects.create(name="Globex").id, "Manuals", NONE)


def test_what_becomes_of_a_name_that_is_there(folder):
    first = kept(folder)
    assert [kept(folder).name for _ in range(2)] == ["pump_(1).md", "pump_(2).md"]
    assert kept(folder, "README").name == "README"
    assert kept(folder, "README").name == "README_(1)"
    assert keep(folder, upload(data=b"other"), "skip", None) == (first, False)
    with pytest.raises(NameTaken, match="has a file called"):
        kept(folder, duplicates="error")
    replaced = kept(folder, duplicates="replace")
    assert replaced.name == "pump.md"
    assert replaced.id != first.id
    assert not File.objects.filter(id=first.id).exists()


# From bytes to passages


def test_a_file_from_its_upload_to_its_end(folder):
    file = kept(folder)
    assert (file.status, file.size, bytes(file.content.data)) == ("pending", 5, b"bytes")
    claimed = files.claim(60)
    assert (claimed.id, claimed.kind, files.bytes_of(claimed)) == (file.id, "text", b"bytes")
    assert fresh(file).status == "parsing"
    assert files.claim(60) is None
    files.store(claimed, TEXT)
    file = fresh(file)
    assert (file.status, file.lines, file.chunks) == ("embedding", 7, 1)
    assert (file.content.text, file.content.data) == (TEXT, None)
    assert files.complete() == 1
    assert fresh(file).status == "completed"
    assert files.complete() == 0


def test_passages_know_their_lines_and_are_found(embedded):
    read(embedded)
    shelf = Archival(embedded.organization_id, [embedded.archive.id], None)
    [best, *_] = shelf.search("valve stops")
    assert best.text == "# Valves\n\nA valve stops it."
    assert best.metadata == {"first_line": 5, "last_line": 7}


def test_a_file_waits_for_its_vectors(embedded):
    file = read(embedded)
    assert files.complete() == 0
    assert files.missing_of([file])[file.id].count == file.chunks == 2
    claimed = vectors.claim()
    vectors.store(claimed[:1], [vector(claimed[0].text, SIZE)])
    assert files.complete() == 0
    vectors.postpone(claimed[1:], "It is away.", 0)
    assert files.missing_of([file])[file.id] == files.Missing(1, "It is away.")
    [claimed] = vectors.claim()
    vectors.store([claimed], [vector(claimed.text, SIZE)])
    assert files.complete() == 1
    assert files.missing_of([fresh(file)]) == {}


def test_vectors_of_a_coming_embedding_keep_no_file_waiting(embedded):
    file = read(embedded)
    for one in vectors.claim():
        vectors.store([one], [vector(one.text, SIZE)])
    vectors.change(embedded.archive.id, "fake/b", SIZE)
    assert MissingVector.objects.exists()
    assert files.complete() == 1
    assert fresh(file).status == "completed"


def test_a_folder_that_gets_vectors_has_files_that_wait_for_them(organization, folder):
    file = read(folder)
    files.complete()
    folder = Folder.objects.select_related("archive").get(id=folder.id)
    assert files.change_embedding(folder, "fake/a", SIZE)
    assert (fresh(file).status, files.missing_of([fresh(file)])[file.id].count) == ("embedding", 1)
    for one in vectors.claim():
        vectors.store([one], [vector(one.text, SIZE)])
    files.complete()
    assert fresh(file).status == "completed"
    assert not files.change_embedding(folder, "fake/a", SIZE)
    assert not MissingVector.objects.exists()
    assert files.change_embedding(folder, "fake/b", SIZE)
    assert files.change_embedding(folder, "fake/a", SIZE)
    assert fresh(file).status == "completed"


# The fence


def test_a_worker_that_was_replaced_writes_nothing(folder):
    file = kept(folder)
    late = files.claim(60)
    lease_ends(file)
    now = files.claim(60)
    assert (now.id, now.claims) == (file.id, 2)
    assert not files.renew(late, 60)
    assert not files.store(late, "late")
    files.fail(late, "late")
    files.give_back(late)
    assert (fresh(file).status, fresh(file).claims) == ("parsing", 2)
    assert files.renew(now, 60)
    assert files.store(now, TEXT)
    assert not files.store(now, "again")
    assert Passage.objects.count() == 1


def test_a_renewed_lease_keeps_others_out(folder):
    file = kept(folder)
    claimed = files.claim(60)
    lease_ends(file)
    assert files.renew(claimed, 60)
    assert files.claim(60) is None


def test_a_file_that_breaks_workers_is_given_up(folder):
    file = kept(folder)
    for _ in range(files.MAX_CLAIMS):
        assert files.claim(60)
        lease_ends(file)
    assert files.claim(60) is None
    assert (fresh(file).status, "3 times in a row" in fresh(file).error) == ("error", True)


def test_what_was_given_back_is_there_at_once_and_counts_for_nothing(folder):
    kept(folder)
    for _ in range(files.MAX_CLAIMS + 2):
        files.give_back(files.claim(60))
    assert files.claim(60).claims == 1


def test_a_file_that_was_deleted_meanwhile_is_nobodys(folder):
    file = kept(folder)
    claimed = files.claim(60)
    files.delete([file])
    assert files.bytes_of(claimed) == b""
    assert not files.store(claimed, TEXT)
    assert not Passage.objects.exists()


def test_the_oldest_is_read_first(folder):
    first, second = kept(folder, "a"), kept(folder, "b")
    assert [files.claim(60).id, files.claim(60).id] == [first.id, second.id]


# Errors


def test_what_cannot_be_read_keeps_its_bytes_for_another_try(folder):
    file = kept(folder)
    claimed = files.claim(60)
    assert files.read_again([file]) == 0
    files.fail(claimed, "Damaged.")
    assert (fresh(file).status, fresh(file).error) == ("error", "Damaged.")
    assert files.claim(60) is None
    assert files.read_again([file]) == 1
    files.store(files.claim(60), TEXT)
    assert (fresh(file).status, fresh(file).error, fresh(file).claims) == ("embedding", None, 0)
    assert files.read_again([file]) == 0


# Deleting


def test_deleting_a_file_deletes_its_passages_and_vectors(embedded):
    file, other = read(embedded, "a.md"), read(embedded, "b.md")
    for one in vectors.claim():
        vectors.store([one], [vector(one.text, SIZE)])
    files.delete([file])
    assert set(Passage.objects.values_list("file_id", flat=True)) == {other.id}
    assert Vector.objects.count() == other.chunks
    assert not FileContent.objects.filter(file_id=file.id).exists()


def test_deleting_a_folder_deletes_everything_in_it(embedded, folder):
    read(embedded)
    kept(embedded, "unread.md")
    kept(folder)
    files.delete_folder(embedded)
    assert list(Folder.objects.all()) == [folder]
    assert names(folder) == ["pump.md"]
    assert Archive.objects.count() == 1
    assert (Passage.objects.count(), MissingVector.objects.count()) == (0, 0)


# What it costs


@pytest.mark.usefixtures("folder")
def test_looking_for_files_goes_through_the_index():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {files._CLAIM}", [60])
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute(f"EXPLAIN {files._COMPLETE}")
        plan += "\n".join(row[0] for row in cursor.fetchall())
    assert plan.count("file_unfinished") == 2
