"""Agent types as data."""

import pytest

from agents.loop.style import STYLES, style_for


def test_types_without_an_entry_converse_like_the_newest():
    assert style_for("split_thread_agent") == STYLES["letta_v1_agent"]


@pytest.mark.parametrize("agent_type", ["memgpt_agent", "memgpt_v2_agent"])
def test_types_that_speak_by_tool_have_a_way_to_end_their_turn(agent_type):
    style = style_for(agent_type)
    assert style.must_call
    assert {"type": "exit_loop", "tool_name": "send_message"} in style.rules
    assert style.arguments == ("thinking", "request_heartbeat")


def test_plain_types_add_no_arguments():
    assert style_for("letta_v1_agent").arguments == ()


def test_an_agent_that_keeps_memory_ends_its_turn_by_saying_that_it_is_done():
    style = style_for("sleeptime_agent")
    assert style.tools == ("memory_replace", "memory_insert", "memory_rethink", "memory_finish_edits")
    assert style.rules == ({"type": "exit_loop", "tool_name": "memory_finish_edits"},)


def test_the_memgpt_kind_may_do_all_with_its_memory():
    style = style_for("memgpt_agent")
    assert style.tools[-2:] == ("memory", "memory_apply_patch")
    assert {"type": "continue_loop", "tool_name": "memory"} in style.rules
