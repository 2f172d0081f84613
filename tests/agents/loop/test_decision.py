"""Going on or stopping, for rounds that a dialogue with one model would be long about."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.loop.decision import Finished, Heartbeat, decide
from agents.loop.messages import Message, Reply
from agents.loop.style import Style, style_for
from tests.agents.loop.doubles import agent, call, spec
from tools.spec import ToolReturn

LOOK = spec("look", "where")


def returned(text="nothing", status="success", name="look"):
    return ToolReturn("call_1_0", name, status, text)


def decided(reply, *returns, refused=(), **fields):
    return decide(agent(LOOK, **fields), reply, returns, frozenset(refused))


@pytest.mark.parametrize(
    ("reply", "style", "stop_reason"),
    [
        (Reply("hello"), Style(), "end_turn"),
        (Reply("hello", finish="length"), Style(), "max_tokens_exceeded"),
        (Reply("hello"), Style(must_call=True), "no_tool_call"),
        (Reply("hello", finish="length"), Style(must_call=True), "max_tokens_exceeded"),
    ],
)
def test_an_answer_without_calls(reply, style, stop_reason):
    assert decided(reply, style=style).stop_reason == stop_reason


@pytest.mark.parametrize("arguments", ['{"request_heartbeat": true}', '{"request_heartbeat": "True"}'])
def test_what_counts_as_asking_for_a_heartbeat(arguments):
    reply = Reply(calls=(call("look", arguments),))
    assert decided(reply, returned(), style=style_for("memgpt_agent")) == Heartbeat()


@pytest.mark.parametrize("arguments", ["", "{", "[1]", '{"request_heartbeat": "yes"}', '{"request_heartbeat": 0}'])
def test_what_does_not(arguments):
    reply = Reply(calls=(call("look", arguments),))
    assert decided(reply, returned(), style=style_for("memgpt_agent")) == Finished("end_turn")


def test_an_exit_rule_binds_every_style():
    rules = ({"type": "exit_loop", "tool_name": "look"},)
    assert decided(Reply(calls=(call("look"),)), returned(), rules=rules) == Finished("tool_rule")


def test_an_exit_rule_wins_over_the_step_limit():
    rules = ({"type": "exit_loop", "tool_name": "look"},)
    assert decided(Reply(calls=(call("look"),)), returned(), rules=rules, max_steps=1) == Finished("tool_rule")


def rounds(*texts):
    """A history in which `look` was called and gave these texts, one after another."""
    said = [Message("user", "look around")]
    for number, text in enumerate(texts):
        made = call("look", id=f"call_{number}_0")
        said.append(Message("assistant", calls=(made,)))
        said.append(Message("tool", text, returned=ToolReturn(made.id, "look", "success", text)))
    return tuple(said)


@given(st.lists(st.sampled_from("ab"), max_size=12))
def test_a_loop_is_found_at_the_fifth_repetition_and_not_before(texts):
    state = replace(agent(LOOK), history=rounds(*texts))
    found = decide(state, Reply(calls=(call("look"),)), [returned("a")], frozenset())
    repeated = len(texts) - len("".join(texts).rstrip("a")) + 1
    assert isinstance(found, Finished) == (repeated >= 5)


def test_a_new_message_of_the_user_begins_the_count_anew():
    state = replace(agent(LOOK), history=(*rounds(*"aaaa"), Message("user", "again")))
    assert decide(state, Reply(calls=(call("look"),)), [returned("a")], frozenset()) == Heartbeat()
