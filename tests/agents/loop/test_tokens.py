"""Estimates, and what providers' counts do to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.loop.messages import MOST_TOKENS, Message, Usage
from agents.loop.tokens import Counted, Rates, beginning, estimate, estimate_message, scale
from tools.spec import ToolReturn

MODEL = "openai/x"
counts = st.integers(-(10**12), 10**12)


def test_a_return_is_counted_once():
    text = "word " * 400
    returned = Message("tool", text, returned=ToolReturn("call_1", "look", "success", text))
    assert estimate_message(returned) == estimate(text) + 4


@given(st.text(), st.integers(-5, 40))
def test_a_beginning_is_as_long_as_it_may_be(text, tokens):
    start = beginning(text, tokens)
    assert text.startswith(start)
    assert estimate(start) <= max(tokens, 0)
    assert start == text or estimate(text[: len(start) + 1]) > max(tokens, 0)


def test_what_was_counted_is_taken_as_it_is_and_only_the_rest_is_estimated():
    last = Counted(MODEL, reported=1500, estimated=1000)
    assert scale(1000, MODEL, last, rate=1.0) * 1000 == pytest.approx(1500)
    assert scale(1400, MODEL, last, rate=1.0) * 1400 == pytest.approx(1900)
    assert scale(1400, MODEL, last, rate=2.0) * 1400 == pytest.approx(2300)


def test_what_stays_when_messages_leave_costs_what_it_did():
    assert scale(200, MODEL, Counted(MODEL, 2000, 1000), rate=1.0) == 2.0


@pytest.mark.parametrize("reported", [0, -1, -(10**9), 1, 400, 6000, 10**12])
def test_a_count_that_cannot_be_is_no_count(reported):
    rates = Rates()
    rates.learn(Counted(MODEL, reported, 1000))
    assert (scale(1000, MODEL, Counted(MODEL, reported, 1000), 1.0), rates.of(MODEL)) == (1.0, 1.0)


def test_the_count_of_another_model_says_nothing():
    assert scale(1000, MODEL, Counted("openai/y", 2000, 1000), rate=1.25) == 1.25


def test_a_model_is_known_by_its_long_calls():
    rates = Rates()
    rates.learn(Counted(MODEL, 1100, 100))  # the provider's own words, mostly
    assert rates.of(MODEL) == 1.0
    for _ in range(40):
        rates.learn(Counted(MODEL, 3000, 2000))
    assert rates.of(MODEL) == pytest.approx(1.5)
    rates.learn(Counted(MODEL, 2000, 2000))
    assert 1.3 < rates.of(MODEL) < 1.5
    assert rates.of("openai/y") == 1.0


@given(st.lists(st.tuples(counts, st.integers(0, 10**9)), max_size=20), st.integers(0, 10**9), counts)
def test_no_provider_can_make_the_estimate_absurd(calls, estimated, reported):
    rates = Rates()
    for call in calls:
        rates.learn(Counted(MODEL, *call))
    found = scale(estimated, MODEL, Counted(MODEL, reported, 1000), rates.of(MODEL))
    assert 0.5 <= found <= 5.0


@given(st.tuples(counts, counts, counts, counts, counts))
def test_usage_can_be_stored_whatever_it_says(numbers):
    kept = Usage(*numbers).within_bounds()
    assert all(0 <= value <= MOST_TOKENS for value in (kept.prompt, kept.completion, kept.cached, kept.reasoning))
    assert Usage(1, 2, 3, 4, 5).within_bounds() == Usage(1, 2, 3, 4, 5)
