"""Folding a stream: what comes in pieces, out of order or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import LLMError
from agents.loop.events import CallDelta, CallStart, Done, ReasoningDelta, ReasoningEnd, TextDelta
from agents.loop.messages import Reasoning, Usage
from agents.loop.reply import KEPT_CALLS, fold


def folded(*events):
    return fold(events, lambda event: None, lambda index: f"call-{index}")


def test_text_thoughts_and_calls():
    reply = folded(
        ReasoningDelta("Let me "),
        ReasoningDelta("look."),
        ReasoningEnd(signature="sealed"),
        TextDelta("One "),
        TextDelta("moment."),
        CallStart(0, "look", "call_0"),
        CallDelta(0, '{"where":'),
        CallDelta(0, ' "up"}'),
        Done("tool_calls", Usage(7, 3)),
    )
    assert reply.text == "One moment."
    assert reply.reasoning == (Reasoning("Let me look.", "sealed"),)
    assert [(call.id, call.name, call.arguments) for call in reply.calls] == [("call-0", "look", '{"where": "up"}')]
    assert (reply.finish, reply.usage.total) == ("tool_calls", 10)


def test_fragments_of_two_calls_may_be_interleaved():
    reply = folded(
        CallStart(1, "second"), CallStart(0, "first"), CallDelta(1, "b"), CallDelta(0, "a"), CallDelta(1, "B"), Done()
    )
    assert [(call.name, call.arguments) for call in reply.calls] == [("first", "a"), ("second", "bB")]


def test_gaps_between_indexes_leave_none_between_ids():
    reply = folded(CallStart(3, "a"), CallStart(7, "b"), Done())
    assert [call.id for call in reply.calls] == ["call-0", "call-1"]


def test_a_fragment_without_a_beginning_is_a_call_without_a_name():
    assert folded(CallDelta(0, "{}"), Done()).calls[0].name == ""


def test_at_most_256_calls_are_kept():
    reply = folded(*(CallStart(index, "look") for index in range(300)), Done())
    assert len(reply.calls) == KEPT_CALLS == 256


def test_thoughts_that_end_and_one_that_does_not():
    reply = folded(
        ReasoningDelta("a"),
        ReasoningEnd("s"),
        ReasoningEnd(redacted="xyz"),
        ReasoningEnd(),
        ReasoningDelta("b"),
        Done(),
    )
    assert reply.reasoning == (Reasoning("a", "s"), Reasoning("", redacted="xyz"), Reasoning("b"))


def test_without_its_end_a_stream_is_no_reply():
    with pytest.raises(LLMError, match="broke off"):
        folded(TextDelta("half"))


def test_everything_is_handed_on_as_it_comes():
    events = [TextDelta("a"), CallStart(0, "look"), Done()]
    handed = []
    fold(events, handed.append, str)
    assert handed == events


@given(st.lists(st.text()), st.lists(st.tuples(st.integers(0, 4), st.text())))
def test_no_character_is_lost(pieces, fragments):
    reply = folded(*map(TextDelta, pieces), *(CallDelta(*fragment) for fragment in fragments), Done())
    assert reply.text == "".join(pieces)
    wanted = {index: "".join(text for at, text in fragments if at == index) for index, _ in sorted(fragments)}
    assert [call.arguments for call in reply.calls] == list(wanted.values())
