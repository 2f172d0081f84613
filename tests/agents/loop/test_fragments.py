import json

from hypothesis import given
from hypothesis import strategies as st

from agents.loop.fragments import StringFields

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def read(text: str, sizes: list[int]) -> dict[str, str]:
    """The fields of a text that comes in fragments of these sizes, over and over."""
    fields, read, place, turn = StringFields(), {}, 0, 0
    while place < len(text):
        size = sizes[turn % len(sizes)]
        for key, piece in fields.feed(text[place : place + size]):
            read[key] = read.get(key, "") + piece
        place, turn = place + size, turn + 1
    return read


@given(st.dictionaries(st.text(), VALUES), st.booleans(), st.lists(st.integers(1, 7), min_size=1))
def test_the_strings_of_an_object_however_it_is_cut(given: dict, ascii_only: bool, sizes: list[int]):
    strings = {key: value for key, value in given.items() if isinstance(value, str) and value}
    assert read(json.dumps(given, ensure_ascii=ascii_only), sizes) == strings


@given(st.text(alphabet='{}[]",:\\u0d8ab n'))
def test_any_text_is_read_without_an_error(text: str):
    read(text, [1])


def test_a_piece_is_given_as_soon_as_it_is_there():
    fields = StringFields()
    assert fields.feed('{"thinking": "Let me') == [("thinking", "Let me")]
    assert fields.feed(' see", "mess') == [("thinking", " see")]
    assert fields.feed('age": "Hi') == [("message", "Hi")]


def test_half_a_surrogate_pair_is_replaced():
    text = r'{"a": "x\ud83d", "b": "y\ud83d\n\ud83d\ude00"}'
    assert read(text, [1]) == {"a": "x\ufffd", "b": "y\ufffd\n\U0001f600"}
