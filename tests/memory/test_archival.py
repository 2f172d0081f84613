"""Archival memory against a real Postgres: what is found, in which order, and what never is."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest

from accounts.models import Organization
from memory.archival import Archival, Draft, PassageTooLong
from memory.models import Archive, Passage
from memory.search import SearchError

pytestmark = pytest.mark.django_db

JANUARY = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


@pytest.fixture
def organization():
    return Organization.objects.create(name="Acme")


@pytest.fixture
def archive(organization):
    return Archive.objects.create(organization=organization, name="notes")


@pytest.fixture
def archival(archive):
    return Archival(archive.organization_id, [archive.id], lambda: archive)


def texts(passages):
    return [passage.text for passage in passages]


def test_the_first_passage_makes_the_archive_once(organization):
    made = []

    def make_default():
        made.append(Archive.objects.create(organization=organization, name="default"))
        return made[-1]

    archival = Archival(organization.id, [], make_default)
    assert archival.search("anything") == []
    first, second = archival.insert("one", ["a", "a"]), archival.insert("two", created_at=JANUARY)
    assert [first.archive_id, second.archive_id] == [made[0].id] * 2
    assert len(made) == 1
    assert (first.tags, first.organization_id, second.created_at) == (["a"], organization.id, JANUARY)
    assert texts(archival.search("one")) == ["one"]


def test_a_passage_has_a_longest_length(archival):
    archival.insert("x" * 32_768)
    with pytest.raises(PassageTooLong, match="has 32769 characters, and a passage may have 32768"):
        archival.insert("x" * 32_769)
    assert Passage.objects.count() == 1


def test_the_longest_passage_of_different_words_is_stored(archival):
    words = " ".join(f"{number:x}-ж" for number in range(100_000))[:32_768]
    archival.insert(words)
    assert len(archival.search("7d0-ж")) == 1


def test_any_word_matches_and_more_words_come_first(archival):
    for text in ("Ann likes tea", "Ann likes green tea in Oslo", "Bob has a car"):
        archival.insert(text)
    found = archival.search("Which green teas does she drink in Oslo?")
    assert texts(found) == ["Ann likes green tea in Oslo", "Ann likes tea"]
    assert found[0].rank > found[1].rank > 0


def test_a_rare_word_counts_for_more_than_a_common_one(archival):
    for number in range(8):
        archival.insert(f"the harbour, berth {number}")
    archival.insert("a heron stood there")
    assert texts(archival.search("harbour heron"))[0] == "a heron stood there"


def test_a_short_text_about_it_comes_before_a_long_one_that_mentions_it(archival):
    archival.insert("lighthouse " + "and many other things that were seen on the way " * 20)
    archival.insert("the lighthouse at night", created_at=JANUARY)
    assert texts(archival.search("lighthouse"))[0] == "the lighthouse at night"


def test_further_mentions_count_for_less_and_less(archival):
    for mentions in (1, 2, 8):
        archival.insert(" ".join(["tea"] * mentions + ["x"] * (8 - mentions)))
    scores = [passage.rank for passage in archival.search("tea")]
    assert scores[0] > scores[1] > scores[2]
    assert scores[0] < 2.2 * scores[2]


def test_what_others_keep_does_not_change_a_score(archival, archive):
    archival.insert("tea with milk")
    archival.insert("coffee")
    before = archival.search("tea")[0].rank
    stranger = Organization.objects.create(name="Other")
    shelf = Archive.objects.create(organization=stranger, name="theirs")
    for _ in range(20):
        Passage.objects.create(organization=stranger, archive=shelf, text="tea " * 9, created_at=JANUARY)
    assert archival.search("tea")[0].rank == before


def test_of_what_says_nearly_the_same_the_newest_comes_first(archival):
    first = "Ann Berg from Oslo drinks green tea with honey"
    second = "Ann Berg from Oslo now drinks black tea with honey"
    archival.insert(first, created_at=JANUARY)
    archival.insert(second, created_at=JANUARY + timedelta(days=1))
    archival.insert("tea tea tea", created_at=JANUARY + timedelta(days=2))
    assert texts(archival.search("What does Ann from Oslo drink?")) == [second, first]


def test_of_equal_matches_the_newest_comes_first(archival):
    for day in (2, 3, 1):
        archival.insert(f"tea {day}", created_at=JANUARY + timedelta(days=day))
    assert texts(archival.search("tea")) == ["tea 3", "tea 2", "tea 1"]


def test_a_chain_of_identifiers_is_followed_to_its_end(archival):
    keys = [str(uuid4()) for _ in range(60)]
    for key, value in pairwise(keys):
        archival.insert(f"key: {key}, value: {value}")
    for key, value in pairwise(keys):
        assert f"key: {key}, value: {value}" in texts(archival.search(key, top_k=2))


@pytest.mark.parametrize(
    "query", ["ann@example.org", "write to ann@example.org!", "https://example.org/a/b?c=1", "snake_case"]
)
def test_addresses_and_names_are_found_as_they_are_written(archival, query):
    archival.insert("ann@example.org wrote https://example.org/a/b?c=1 about snake_case")
    archival.insert("something else")
    assert len(archival.search(query)) == 1


@pytest.mark.parametrize("query", ["the", "of the", "🎉", "%"])
def test_without_terms_the_query_is_looked_for_as_written(archival, query):
    archival.insert(f"Before {query} after")
    archival.insert("nothing")
    found = archival.search(query)
    assert texts(found) == [f"Before {query} after"]
    assert found[0].rank is None


@pytest.mark.parametrize(
    "query",
    [
        "", "   ", "'", "''", "tea' | 'x", "tea & !milk | (x <-> y):*", "\\", "tea\\'", "a\x00b", "\ud800", "100% tea_",
        "'; DROP TABLE memory_passage; --", "x" * 100_000, "tea:A :B", "\\\\path\\to", "ex.org/a'b", "ex.org/a\\'b",
        "<b>tea</b>", "日本語", "-1 -2 --",
    ],
)  # fmt: skip
def test_odd_queries_are_answered(archival, query):
    archival.insert(f"tea {query[:50]}")
    assert len(archival.search(query)) <= 1


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_a_query_of_very_many_words_is_cut_after_its_first(archival, count):
    archival.insert("zebra")
    archival.insert("apple")
    words = " ".join(f"m{number}" for number in range(count))
    assert texts(archival.search(f"zebra {words} apple")) == ["zebra"]


@pytest.mark.parametrize(
    ("tags", "mode", "expected"),
    [
        ([], "any", ["tea a", "tea ab", "tea b"]),
        (["a"], "any", ["tea a", "tea ab"]),
        (["a", "b"], "any", ["tea a", "tea ab", "tea b"]),
        (["a", "b"], "all", ["tea ab"]),
        (["c"], "all", []),
    ],
)
def test_tags(archival, tags, mode, expected):
    for own in ("a", "b", "ab"):
        archival.insert(f"tea {own}", list(own))
    assert sorted(texts(archival.search("tea", tags, mode))) == expected


def test_tags_are_filtered_before_the_results_are_cut(archival):
    archival.insert("tea", ["rare"])
    for _ in range(5):
        archival.insert("tea tea tea")
    assert texts(archival.search("tea", ["rare"], top_k=1)) == ["tea"]


def test_an_unknown_tag_mode_is_refused(archival):
    with pytest.raises(SearchError, match="'some' is unknown; use 'any' or 'all'"):
        archival.search("tea", ["a"], "some")


@pytest.mark.parametrize(("top_k", "expected"), [(None, 5), (1, 1), (7, 7), (0, 1), (-3, 1), (10**9, 8)])
def test_how_many_are_given(archival, top_k, expected):
    for _ in range(8):
        archival.insert("tea")
    assert len(archival.search("tea", top_k=top_k)) == expected


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        ("2026-01-15", None, True),
        (None, "2026-01-15", True),
        ("2026-01-15", "2026-01-15", True),
        ("2026-01-16", None, False),
        (None, "2026-01-14", False),
        ("2026-01-15T09:30", "2026-01-15T09:30", True),
        ("2026-01-15T09:31", None, False),
        (None, "2026-01-15T09:29", False),
        ("2026-01-15T10:30:00+01:00", "2026-01-15T09:30:00Z", True),
        (JANUARY, JANUARY, True),
        ("", "", True),
        ("0001-01-01", "9999-12-31", True),
        ("0001-01-01T00:00+14:00", "9999-12-31T23:59:59-14:00", True),
    ],
)
def test_dates_are_inclusive(archival, start, end, found):
    archival.insert("tea", created_at=JANUARY)
    assert len(archival.search("tea", start=start, end=end)) == found


@pytest.mark.parametrize("text", ["yesterday", "15.01.2026", "2026-13-01", "2026-01-15T25:00", "\x00", "x" * 9_999])
def test_a_bad_date_is_told_the_form(archival, text):
    with pytest.raises(SearchError, match=r"is not a date\. Write it as 2026-01-15, 2026-01-15T14:30 or"):
        archival.search("tea", start=text)


def test_a_period_that_ends_before_it_starts_is_refused(archival):
    with pytest.raises(SearchError, match="later than the end"):
        archival.search("tea", start="2026-01-16", end="2026-01-15")


def test_other_archives_and_other_organizations_stay_unseen(archival, archive):
    stranger = Organization.objects.create(name="Other")
    for owner, shelf in (
        (stranger, Archive.objects.create(organization=stranger, name="theirs")),
        (archive.organization, Archive.objects.create(organization=archive.organization, name="not attached")),
        (stranger, archive),
    ):
        Passage.objects.create(organization=owner, archive=shelf, text="tea the", created_at=JANUARY)
    assert archival.search("tea") == []
    assert archival.search("the") == []


def test_long_passages_are_told_apart_in_a_moment(archival):
    archival.insert_many([Draft("heron " + " ".join(f"w{n}x{word}" for word in range(2_500))) for n in range(120)])
    began = time.process_time()
    assert len(archival.search("heron", top_k=100)) == 100
    assert time.process_time() - began < 1.5
