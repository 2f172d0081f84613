"""Summaries that fit: what the summariser reads, what it writes, and what it is not asked."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import LLMError
from agents.loop.compaction import (
    AGREED,
    LOST,
    MOST_CALLS,
    CompactionSettings,
    Summarizer,
    first_unsummarised,
    paired,
    shortened,
    summarised,
)
from agents.loop.events import Done, LLMEvent, TextDelta
from agents.loop.messages import Message, Reasoning
from agents.loop.ports import Abort, LLMRequest, ModelSettings
from agents.loop.tokens import estimate, estimate_message, estimate_request
from tests.agents.loop.doubles import call, spec
from tools.spec import ToolReturn

PROMPT = "Sum up."
MODES = ["all", "sliding_window", "self_compact_all", "self_compact_sliding_window"]


class Reader:
    """Refuses what is longer than `window`, and answers with `said`."""

    def __init__(self, window: int, said: str = "They talked."):
        self.window, self.said = window, said
        self.asked: list[LLMRequest] = []

    def stream(self, request: LLMRequest, abort: Abort) -> Iterator[LLMEvent]:
        self.asked.append(request)
        if estimate_request(request) > self.window:
            raise LLMError("context_overflow", "Too long.")
        yield from (TextDelta(self.said), Done("stop"))


def told(leaving, mode="sliding_window", window=1000, really=None, said="They talked.", longest=100, tools=(), **more):
    reader = Reader(really or window, said)
    who = Summarizer(reader, "a/b", window, longest, "You are terse.", tools)
    settings = CompactionSettings(mode, prompt=PROMPT, **more)
    return summarised(leaving, who, settings, Abort()), reader.asked


def returns(text="done", id="call_1_0"):
    return Message("tool", text, returned=ToolReturn(id, "look", "success", text))


def asks(arguments="{}", id="call_1_0"):
    return Message("assistant", "", calls=(call("look", arguments, id),))


texts = st.text(max_size=400) | st.integers(1, 4000).map(lambda count: "word " * count)
said = st.lists(
    st.one_of(
        texts.map(lambda text: [Message("user", text)]),
        texts.map(lambda text: [Message("assistant", text)]),
        st.tuples(texts, texts).map(lambda pair: [asks(f'{{"x": "{pair[0]}"}}'), returns(pair[1])]),
    ),
    max_size=12,
).map(lambda groups: [message for group in groups for message in group])


@given(said, st.sampled_from(MODES), st.integers(400, 3000), st.booleans())
def test_every_request_fits_the_window_with_room_for_the_answer(leaving, mode, window, ack):
    longest = window // 5
    text, asked = told(leaving, mode, window, said="summary " * 5000, longest=longest, tools=(spec("look"),), ack=ack)
    assert estimate(text) <= longest
    assert all(estimate_request(request) + longest <= window for request in asked)
    assert len(asked) <= MOST_CALLS


def test_nothing_of_it_is_skipped():
    leaving = [Message("user", f"fact {number} " + "and so on " * 30) for number in range(30)]
    _, asked = told(leaving, window=800)
    everything = "".join(str(request.messages[0].content) for request in asked)
    assert len(asked) > 2
    assert all(f"fact {number} " in everything for number in range(30))
    assert "They talked." in asked[1].messages[0].content


@pytest.mark.parametrize("mode", MODES)
def test_a_window_that_is_smaller_than_thought_makes_the_pieces_smaller(mode):
    leaving = [Message("user", f"fact {number} " + "and so on " * 30) for number in range(20)]
    text, asked = told(leaving, mode, window=4000, really=900)
    assert (text, estimate_request(asked[0]) > 900) == ("They talked.", True)


def test_an_agent_that_sums_up_itself_is_shown_what_it_knows():
    leaving = [Message("user", "hello"), asks(), returns()]
    _, [request] = told(leaving, "self_compact_all", tools=(spec("look"),))
    assert (request.system, request.tools, request.tool_choice) == ("You are terse.", (spec("look"),), "none")
    assert request.messages == (*leaving, Message("user", PROMPT))


@pytest.mark.parametrize("mode", MODES)
def test_a_summariser_that_has_agreed_is_asked_by_a_user_all_the_same(mode):
    call_settings = ModelSettings(temperature=0.5)
    _, [request] = told([Message("user", "hello")], mode, ack=True, call=call_settings)
    assert [message.role for message in request.messages][-3:] == ["user", "assistant", "user"]
    assert (AGREED in str(request.messages), request.settings) == (True, call_settings)


def test_an_agent_without_room_for_itself_is_told_the_transcript():
    _, asked = told([Message("user", "hello")], "self_compact_all", window=1000, tools=(spec("x" * 4000),))
    assert (asked[0].system, asked[0].tools) == (PROMPT, ())


@pytest.mark.parametrize("mode", MODES)
def test_a_summariser_that_can_read_nothing_is_not_asked_again_and_again(mode):
    with pytest.raises(LLMError, match="larger"):
        told([Message("user", "word " * 900)], mode, window=100)
    with pytest.raises(LLMError, match="larger"):
        told([Message("user", "word " * 900)], mode, window=1000, really=10)


@pytest.mark.parametrize("mode", ["all", "self_compact_all"])
def test_all_of_it_leaves_at_least_what_has_to(mode):
    history = [Message("user"), Message("assistant"), Message("user"), Message("assistant"), Message("assistant")]
    settings = CompactionSettings(mode)
    assert first_unsummarised(history, [1] * 5, 0, 100, settings, least=0, idle=False) == 2
    assert first_unsummarised(history, [1] * 5, 0, 100, settings, least=4, idle=False) == 4


# Shortened


@given(said, st.integers(-100, 5000))
def test_what_is_shortened_fits_or_has_only_stumps_left(history, budget):
    sizes = [estimate_message(message) for message in history]
    short = shortened(history, sizes, budget)
    left = [estimate_message(message) for message in short]
    assert len(short) == len(history)
    assert sum(left) <= max(budget, 0) + 130 * len(history)
    assert [message.role for message in short] == [message.role for message in history]


def test_the_longest_are_shortened_first_and_keep_both_ends():
    long, small = Message("user", "START " + "word " * 2000 + "END"), Message("user", "hello")
    [first, second] = shortened([long, small], [estimate_message(long), estimate_message(small)], 300)
    assert second is small
    assert first.content.startswith("START ")
    assert first.content.endswith("END")
    assert "characters left out" in first.content


def test_arguments_and_sealed_thoughts_are_shortened_too():
    message = Message(
        "assistant", "", (Reasoning("hm " * 900, "seal"),), (call("look", '{"x": "' + "y" * 9000 + '"}'),)
    )
    [short] = shortened([message], [estimate_message(message)], 200)
    assert estimate_message(short) < 300
    assert short.calls[0].arguments.startswith('{"shortened"')


def test_a_picture_is_told_of():
    message = Message("user", [{"type": "text", "text": "see"}, {"type": "image", "source": {}}])
    [short] = shortened([message], [estimate_message(message)], 100)
    assert short.content == "see [image]"


# Pairs


@given(
    st.lists(st.sampled_from([Message("user", "x"), asks(), returns(), asks(id="call_2_0"), returns(id="call_2_0")]))
)
def test_every_call_has_its_return_right_behind_it(history):
    told = list(paired(history))
    while told:
        message = told.pop(0)
        assert message.returned is None
        for made in message.calls:
            assert told.pop(0).returned.call_id == made.id


def test_whole_pairs_stay_as_they_are():
    history = (Message("user", "x"), asks(), returns(), Message("assistant", "y"))
    assert paired(history) == history
    assert [message.content for message in paired(history[:2])] == ["x", "", LOST]
    assert paired(history[2:]) == history[3:]
