"""What leaves a window that is too full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.loop.compaction import FULL, first_kept
from agents.loop.messages import Message

roles = st.lists(st.sampled_from(["user", "assistant", "tool"]), max_size=20)


def history(*roles):
    return [Message(role) for role in roles]


def test_what_fits_stays():
    said = history("user", "assistant") * 3
    assert first_kept(said, [10] * 6, fixed=30, window=100) == 0


def test_the_oldest_turns_leave_until_there_is_room():
    said = history("user", "assistant") * 3
    assert first_kept(said, [20] * 6, fixed=10, window=100) == 4
    assert first_kept(said, [10] * 6, fixed=35, window=100) == 4


@pytest.mark.parametrize(("failures", "kept_from"), [(0, 0), (1, 4), (2, 6)])
def test_each_refusal_of_the_provider_halves_what_is_kept(failures, kept_from):
    said = history("user", "assistant") * 4
    assert first_kept(said, [10] * 8, fixed=0, window=1000, failures=failures) == kept_from


def test_without_a_user_message_nothing_leaves():
    assert first_kept(history("assistant", "tool"), [100, 100], fixed=0, window=10) == 0


@given(roles, st.integers(0, 200), st.integers(1, 400), st.integers(0, 3))
def test_only_the_last_turn_is_cut_and_its_last_answer_stays(made, fixed, window, failures):
    said, sizes = history(*made), [10] * len(made)
    first = first_kept(said, sizes, fixed, window, failures)
    last_turn = len(made) - 1 - made[::-1].index("user") if "user" in made else 0
    assert first == 0 or made[first] == "user" or (made[first] == "assistant" and first > last_turn)
    assert "assistant" not in made[last_turn + 1 :] or "assistant" in made[first:]
    assert first <= last_turn or "assistant" in made[last_turn:]


@given(roles, st.integers(0, 200), st.integers(1, 400))
def test_what_is_kept_fits_or_is_the_last_turn(made, fixed, window):
    said, sizes = history(*made), [10] * len(made)
    first = first_kept(said, sizes, fixed, window)
    last_turn = len(made) - 1 - made[::-1].index("user") if "user" in made else 0
    later = [index for index in range(max(first, last_turn) + 1, len(made)) if made[index] == "assistant"]
    later += [index for index in range(first + 1, len(made)) if made[index] == "user"]
    assert not later or fixed + sum(sizes[first:]) <= FULL * window
