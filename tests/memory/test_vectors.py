"""Vectors of passages: noted as missing, made, searched, made anew for another embedding."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from accounts.models import Organization
from memory import vectors
from memory.archival import Archival, Draft
from memory.models import Archive, MissingVector, Passage, Vector
from memory.vectors import WrongDimension
from tests.fakellm.embeddings import vector

SIZE = 64
JANUARY = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.fixture
def organization(db):
    return Organization.objects.create(name="Acme")


@pytest.fixture
def archive(organization):
    return Archive.objects.create(organization=organization, name="notes", embedding="fake/a", dimension=SIZE)


def embed(handle, text):
    return vector(text, SIZE)


def archival(*archives, embed=embed):
    return Archival(archives[0].organization_id, [one.id for one in archives], lambda: archives[0], embed)


def work(size=SIZE):
    """What a worker does until nothing is missing; how many it has made."""
    made = 0
    while claimed := vectors.claim():
        for one in claimed:
            vectors.store([one], [vector(one.text, size)])
        made += len(claimed)
    vectors.complete_changes()
    while vectors.discard_old():
        pass
    return made


def texts(passages):
    return [passage.text for passage in passages]


def fresh(archive):
    return Archive.objects.get(id=archive.id)


# Missing and made


def test_what_is_filed_lacks_its_vector_until_it_is_made(archive):
    shelf = archival(archive)
    shelf.insert("the heron is grey")
    Passage.objects.bulk_create(
        [Passage(organization_id=archive.organization_id, archive=archive, text="x", created_at=JANUARY)]
    )
    assert MissingVector.objects.count() == 2
    assert texts(shelf.search("heron")) == ["the heron is grey"]
    assert work() == 2
    assert (MissingVector.objects.count(), Vector.objects.count()) == (0, 2)


def test_an_archive_without_an_embedding_lacks_nothing(organization):
    archive = Archive.objects.create(organization=organization, name="plain")
    found = archival(archive).search("x")
    archival(archive).insert("the heron")
    assert not MissingVector.objects.exists()
    assert not found.words_only


def test_the_first_vector_tells_how_long_all_are(archive):
    Archive.objects.update(dimension=None)
    archival(archive).insert("the heron")
    work()
    assert fresh(archive).dimension == SIZE
    archival(archive).insert("the egret")
    [claimed] = vectors.claim()
    with pytest.raises(WrongDimension, match="vectors of 3 numbers, and the archive has such of 64"):
        vectors.store([claimed], [[1.0, 2.0, 3.0]])


def test_a_claim_is_one_workers_until_it_is_over(archive):
    archival(archive).insert("the heron")
    [claimed] = vectors.claim()
    assert vectors.claim() == []
    MissingVector.objects.update(due_at=JANUARY)
    [again] = vectors.claim()
    assert (again.passage_id, again.attempts) == (claimed.passage_id, 2)
    vectors.store([claimed], [vector("late", SIZE)])
    assert not Vector.objects.exists()
    vectors.store([again], [vector("the heron", SIZE)])
    assert Vector.objects.count() == 1


def test_what_cannot_be_made_says_why_and_is_put_off(archive):
    archival(archive).insert("the heron")
    vectors.postpone(vectors.claim(), "the server is down", 60)
    row = MissingVector.objects.get()
    assert (row.error, row.attempts) == ("the server is down", 1)
    assert vectors.claim() == []


def test_a_paused_embedding_holds_up_no_other(archive, organization):
    other = Archive.objects.create(organization=organization, name="other", embedding="fake/b")
    for one in (archive, other):
        archival(one).insert("x")
    assert [one.embedding for one in vectors.claim(["fake/a"])] == ["fake/b"]


@pytest.mark.parametrize(("attempts", "asked", "seconds"), [(1, None, 2), (3, None, 8), (99, None, 600), (1, 30, 30)])
def test_pauses_grow(attempts, asked, seconds):
    assert vectors.pause(attempts, asked) == seconds


def test_a_changed_text_gets_a_new_vector(archive):
    passage = archival(archive).insert("the heron")
    work()
    [before] = Vector.objects.values_list("id", flat=True)
    Passage.objects.filter(id=passage.id).update(text="the egret", tags=["x"])
    assert not Vector.objects.exists()
    assert work() == 1
    assert Vector.objects.get().id != before


def test_a_text_that_changes_while_its_vector_is_made_is_made_again(archive):
    passage = archival(archive).insert("the heron")
    claimed = vectors.claim()
    Passage.objects.filter(id=passage.id).update(text="the egret")
    vectors.store(claimed, [vector("the heron", SIZE)])
    assert not Vector.objects.exists()
    assert [one.text for one in vectors.claim()] == ["the egret"]


def test_vectors_go_with_their_passages(archive):
    shelf = archival(archive)
    gone, kept = shelf.insert("gone"), shelf.insert("kept")
    work()
    shelf.insert("missing")
    gone.delete()
    assert [row.passage_id for row in Vector.objects.all()] == [kept.id]
    archive.delete()
    assert not Vector.objects.exists()
    assert not MissingVector.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_the_work():
    organization = Organization.objects.create(name="Acme")
    archive = Archive.objects.create(organization=organization, name="notes", embedding="fake/a", dimension=SIZE)
    archival(archive).insert_many([vectors_draft(number) for number in range(300)])
    made = []

    def one_worker():
        try:
            made.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=one_worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made) == Vector.objects.count() == 300


def vectors_draft(number):
    return Draft(f"passage {number}")


# Searched


def test_other_words_are_found_by_vectors(archive):
    shelf = archival(archive)
    for text in ("likeheron at the pond", "a harbour in the north", "an old oak"):
        shelf.insert(text)
    assert texts(shelf.search("heron")) == []
    work()
    found = shelf.search("heron")
    assert found[0].text == "likeheron at the pond"
    assert not found.words_only


def test_words_and_vectors_are_weighed_together(archive):
    shelf = archival(archive)
    shelf.insert("alpha beta gamma")
    shelf.insert("alpha one two three four five")
    work()
    found = shelf.search("alpha beta")
    assert round(found[0].rank, 2) == 1.0
    assert found[0].rank > found[1].rank


def test_a_search_without_its_vector_says_so(archive):
    archival(archive).insert("the heron")
    work()
    for without in (None, lambda handle, text: None):
        found = archival(archive, embed=without).search("heron")
        assert (texts(found), found.words_only) == (["the heron"], True)


def test_what_has_no_vector_yet_is_found_by_its_words(archive):
    shelf = archival(archive)
    shelf.insert("an old oak")
    work()
    shelf.insert("the heron is new")
    assert texts(shelf.search("heron"))[0] == "the heron is new"


def test_filters_hold_for_what_vectors_find(archive, organization):
    shelf = archival(archive)
    shelf.insert("oak one", ["tree"], JANUARY)
    shelf.insert("oak two", ["tree", "old"], JANUARY + timedelta(days=40))
    shelf.insert("oak three", ["plan"], JANUARY)
    work()
    assert texts(shelf.search("xyz", ["tree"], top_k=9, end="2026-01-31")) == ["oak one"]
    assert texts(shelf.search("oak", ["tree", "old"], "all")) == ["oak two"]
    assert len(shelf.search("xyz", top_k=2)) == 2


def test_vectors_of_others_stay_unseen(archive, organization):
    stranger = Organization.objects.create(name="Other")
    theirs = Archive.objects.create(organization=stranger, name="theirs", embedding="fake/a", dimension=SIZE)
    unattached = Archive.objects.create(organization=organization, name="else", embedding="fake/a", dimension=SIZE)
    for one in (theirs, unattached):
        archival(one).insert("the heron")
    archival(archive).insert("an oak")
    work()
    assert texts(archival(archive).search("heron")) == ["an oak"]
    assert Archival(organization.id, [theirs.id], lambda: theirs, embed).search("heron") == []


def test_archives_of_several_embeddings_are_searched_each_in_its_own(archive, organization):
    other = Archive.objects.create(organization=organization, name="b", embedding="fake/b", dimension=8)
    plain = Archive.objects.create(organization=organization, name="c")
    archival(archive).insert("likeheron here")
    work()
    archival(other).insert("likeheron there")
    work(8)
    archival(plain).insert("heron everywhere")
    sizes = {"fake/a": SIZE, "fake/b": 8}
    shelf = archival(archive, other, plain, embed=lambda handle, text: vector(text, sizes[handle]))
    assert set(texts(shelf.search("heron"))) == {"likeheron here", "likeheron there", "heron everywhere"}


# Another embedding


def test_the_old_vectors_serve_until_the_new_ones_are_there(archive):
    shelf = archival(archive)
    for text in ("likeheron at the pond", "an old oak"):
        shelf.insert(text)
    work()
    changing = vectors.change(archive.id, "fake/b", 32)
    assert (changing.embedding, changing.coming_embedding, changing.generation) == ("fake/a", "fake/b", 1)
    [first, second] = vectors.claim()
    vectors.store([first], [vector(first.text, 32)])
    shelf.insert("filed meanwhile")
    vectors.complete_changes()
    assert fresh(archive).embedding == "fake/a"
    assert shelf.search("heron")[0].text == "likeheron at the pond"
    vectors.store([second], [vector(second.text, 32)])
    for one in vectors.claim():
        vectors.store([one], [vector(one.text, SIZE if one.generation == 1 else 32)])
    assert vectors.complete_changes() == 1
    changed = fresh(archive)
    assert (changed.embedding, changed.dimension, changed.generation) == ("fake/b", 32, 2)
    assert changed.coming_embedding is None
    assert vectors.discard_old() == 3
    assert set(Vector.objects.values_list("generation", flat=True)) == {2}
    found = archival(archive, embed=lambda handle, text: vector(text, 32)).search("heron")
    assert found[0].text == "likeheron at the pond"


def test_a_change_of_mind_takes_back_what_was_coming(archive):
    archival(archive).insert("the heron")
    work()
    vectors.change(archive.id, "fake/b", 8)
    work(8)
    vectors.change(archive.id, "fake/c", 16)
    vectors.change(archive.id, "fake/d", 4)
    assert work(4) == 1
    assert (fresh(archive).embedding, Vector.objects.count()) == ("fake/d", 1)


def test_a_plain_archive_gets_vectors_and_loses_them_again(organization):
    archive = Archive.objects.create(organization=organization, name="plain")
    archival(archive).insert("the heron")
    vectors.change(archive.id, "fake/a", SIZE)
    assert work() == 1
    vectors.change(archive.id, None, None)
    archival(archive).insert("the egret")
    assert work() == 0
    assert not Vector.objects.exists()


def test_what_was_claimed_for_an_embedding_that_has_gone_is_dropped(archive):
    archival(archive).insert("the heron")
    claimed = vectors.claim()
    vectors.change(archive.id, None, None)
    vectors.change(archive.id, "fake/b", 8)
    vectors.store(claimed, [vector("the heron", SIZE)])
    assert not Vector.objects.exists()
    assert work(8) == 1


# Indexes


@pytest.mark.django_db(transaction=True)
def test_a_large_archive_gets_an_index_which_goes_when_it_serves_none(monkeypatch):
    monkeypatch.setattr(vectors, "INDEX_FROM", 20)
    organization = Organization.objects.create(name="Acme")
    archive = Archive.objects.create(organization=organization, name="notes", embedding="fake/a", dimension=SIZE)
    shelf = archival(archive)
    shelf.insert_many([vectors_draft(number) for number in range(30)])
    work()
    [name] = vectors.tend_indexes()
    assert vectors.tend_indexes() == []
    with connection.cursor() as cursor:
        cursor.execute("SET enable_sort = off; SET enable_bitmapscan = off")
        cursor.execute(
            f"""EXPLAIN SELECT passage_id FROM memory_vector WHERE archive_id = '{archive.id}' AND generation = 1
                ORDER BY value::halfvec(64) <=> '{vector("x", SIZE)}'::halfvec(64) LIMIT 5"""
        )
        assert name in str(cursor.fetchall())
        cursor.execute("RESET enable_sort; RESET enable_bitmapscan")
    assert texts(shelf.search("passage 7"))[0] == "passage 7"
    vectors.change(archive.id, None, None)
    work()
    vectors.tend_indexes()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = %s", [name])
        assert cursor.fetchone() == (0,)
