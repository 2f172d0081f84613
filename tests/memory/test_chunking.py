"""Texts in pieces: none too long, nothing lost, and each knows its lines."""

import time

from hypothesis import given
from hypothesis import strategies as st

from memory.chunking import Piece, pieces


def test_a_short_text_is_one_piece():
    assert list(pieces("one\n\ntwo", 100)) == [Piece("one\n\ntwo", 1, 3)]


def test_paragraphs_stay_together():
    text = "first " * 5 + "\n\n" + "second " * 5 + "\nsecond\n\n" + "third " * 5
    assert [(piece.first, piece.last) for piece in pieces(text, 60)] == [(1, 1), (3, 4), (6, 6)]


def test_a_line_that_is_too_long_is_cut_between_words():
    found = list(pieces("one\n" + "word " * 30 + "\nend", 50))
    assert {piece.first for piece in found[1:-1]} == {2}
    assert all(word == "word" for piece in found[1:-1] for word in piece.text.split())
    assert found[-1].last == 3


def test_a_word_that_is_too_long_is_cut():
    assert [piece.text for piece in pieces("x" * 25, 10)] == ["x" * 10, "x" * 10, "x" * 5]


def test_a_file_of_one_line_is_cut_in_one_pass():
    began = time.process_time()
    assert len(list(pieces("\U0001f4a7" * 2_000_000, 200))) == 10_000
    assert time.process_time() - began < 2


def test_of_white_space_there_are_no_pieces():
    assert list(pieces("", 10)) == list(pieces(" \n\n\t\n", 10)) == []
    assert list(pieces("\n\n\none\n\n\n", 10)) == [Piece("one", 4, 4)]


@given(st.text(alphabet="ab \n.", max_size=400), st.integers(5, 60))
def test_nothing_is_lost_and_nothing_is_too_long(text, size):
    found = list(pieces(text, size))
    lines = text.split("\n")
    assert all(0 < len(piece.text) <= size for piece in found)
    assert "".join("".join(piece.text.split()) for piece in found) == "".join(text.split())
    assert all(lines[piece.first - 1].strip() and lines[piece.last - 1].strip() for piece in found)
