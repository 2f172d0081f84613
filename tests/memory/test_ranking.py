"""How common words are: counted among few rows, told by a sample among many."""

from datetime import UTC, datetime

import pytest
from django.db.models import Q

from accounts.models import Organization
from memory import ranking
from memory.archival import Archival, Draft
from memory.models import Archive, Passage
from memory.ranking import Collection

pytestmark = pytest.mark.django_db

JANUARY = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.fixture
def shelf():
    organization = Organization.objects.create(name="Acme")
    archive = Archive.objects.create(organization=organization, name="notes")
    return Archival(organization.id, [archive.id], lambda: archive)


def filed(shelf, *texts):
    shelf.insert_many([Draft(text, created_at=JANUARY) for text in texts])
    return Collection(Passage.objects.filter(archive_id=shelf._first_archive()))


def counted(collection, *terms):
    return {terms[count.number - 1]: count for count in ranking._counted(collection, terms)}


def test_of_few_rows_every_one_is_counted(shelf):
    collection = filed(shelf, *["the heron sings"] * 3, "a heron", "an oak")
    counts = counted(collection, "heron", "oak", "elm")
    assert {term: (count.rows, count.whole) for term, count in counts.items()} == {"heron": (4, 5), "oak": (1, 5)}


def test_of_many_rows_rare_terms_are_counted_and_common_ones_estimated(shelf, monkeypatch):
    monkeypatch.setattr(ranking, "SAMPLE", 200)
    monkeypatch.setattr(ranking, "SEEN_ENOUGH", 20)
    collection = filed(shelf, *["heron and egret"] * 300, *["heron"] * 300, *[f"n{number}" for number in range(400)])
    counts = counted(collection, "heron", "egret", "n7", "elm")
    assert counts["n7"].rows == 1
    assert "elm" not in counts
    # Three standard deviations of a sample of two hundred ids, which are random.
    assert counts["heron"].whole == pytest.approx(1000, rel=0.25)
    assert counts["heron"].rows / counts["heron"].whole == pytest.approx(0.6, abs=0.12)
    assert counts["egret"].rows / counts["egret"].whole == pytest.approx(0.3, abs=0.12)
    assert counts["n7"].weight > counts["egret"].weight > counts["heron"].weight


def test_conditions_of_one_search_are_counted_apart(shelf):
    collection = filed(shelf, "a heron", "a heron", "an oak")
    shelf.insert("the heron", ["bird"], JANUARY)
    counts = counted(Collection(collection.rows, Q(tags__contains=["bird"])), "heron")
    assert (counts["heron"].rows, counts["heron"].wanted) == (3, 1)


def test_what_only_common_words_hold_is_left_out_when_rarer_ones_bring_enough(monkeypatch):
    monkeypatch.setattr(ranking, "COMMON", 1_000)
    rare, common = ranking._Count(1, 9_000, 50, 300, 300), ranking._Count(2, 9_000, 50, 5_000, 5_000)
    assert ranking._rarest([rare, common], 200) == [rare]
    assert ranking._rarest([rare, common], 400) == [rare, common]
    monkeypatch.setattr(ranking, "COMMON", 10_000)
    assert ranking._rarest([rare, common], 200) == [rare, common]
