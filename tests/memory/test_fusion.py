"""Hits that say nearly the same go by date; all others stay where their scores have put them."""

from datetime import UTC, datetime

import pytest

from memory.fusion import WORDS, Candidate, fused, newest_of_alike


def hit(id, score, day, text, terms=(1,)):
    words = frozenset(text.split())
    return Candidate(id, score, frozenset(terms), words, datetime(2026, 1, day, tzinfo=UTC))


def order(*candidates, asked=8):
    return [candidate.id for candidate in newest_of_alike(candidates, asked)]


def test_words_and_vectors_are_spread_alike_before_they_are_weighed():
    scores = fused({"both": 8.0, "words": 4.0}, {"both": 0.9, "near": 0.7, "words": 0.5})
    assert scores == pytest.approx({"both": 1.0, "words": WORDS / 2, "near": (1 - WORDS) * 0.5})


def test_what_has_no_vector_goes_by_its_words():
    assert fused({"new": 4.0, "old": 8.0}, {"old": 0.9}) == {"new": 0.5, "old": WORDS}
    assert fused({}, {}) == {}


def test_a_group_keeps_its_places_and_goes_by_date():
    assert order(
        hit("old", 3, 1, "ann likes green tea"),
        hit("other", 2.9, 9, "a harbour"),
        hit("new", 2.8, 3, "ann likes black green tea"),
        hit("middle", 2.7, 2, "ann likes green tea"),
    ) == ["new", "other", "middle", "old"]


def test_texts_that_differ_in_what_was_asked_for_stay_in_the_order_of_their_scores():
    first = hit("1001", 3, 1, "invoice of may over ten 1001", terms=(1, 2))
    assert order(first, hit("1002", 2.9, 2, "invoice of may over ten 1002", terms=(1,))) == ["1001", "1002"]


def test_a_much_lower_score_stays_behind():
    assert order(hit("old", 3, 1, "a b c"), hit("new", 2, 2, "a b c")) == ["old", "new"]


def test_texts_with_half_of_their_words_in_common_are_not_alike():
    assert order(hit("old", 3, 1, "a b c"), hit("new", 3, 2, "a b d")) == ["old", "new"]


@pytest.mark.parametrize(
    ("held", "text", "expected"),
    [
        (3, "ann drives blue van", ["new", "old"]),  # a correction: both answer what was asked
        (2, "ann drives blue van", ["old", "new"]),  # they have little to do with the question
        (3, "ann had lunch with bo in town", ["old", "new"]),  # it speaks of something else
    ],
)
def test_of_two_that_answer_the_query_the_newer_is_a_correction(held, text, expected):
    first = hit("old", 3, 1, "ann drives old car", terms=range(held))
    assert order(first, hit("new", 2.9, 2, text, terms=range(held)), asked=4) == expected
