"""Agent types as data."""

import pytest

from agents.loop.style import STYLES, style_for


def test_types_without_an_entry_converse_like_the_newest():
    assert style_for("sleeptime_agent") == STYLES["letta_v1_agent"]


@pytest.mark.parametrize("agent_type", ["memgpt_agent", "memgpt_v2_agent"])
def test_types_that_speak_by_tool_have_a_way_to_end_their_turn(agent_type):
    style = style_for(agent_type)
    assert style.must_call
    assert {"type": "exit_loop", "tool_name": "send_message"} in style.rules
    assert style.arguments == ("thinking", "request_heartbeat")


def test_plain_types_add_no_arguments():
    assert style_for("letta_v1_agent").arguments == ()
