"""Tool rules hold in a whole turn, as their words promise."""

from typing import Any

import pytest

from tests.live import Server, call, turn


def returns(server: Server, rules: list[dict[str, Any]], *steps: str) -> list[str]:
    """The status of each return of a turn in which the model does these steps, whatever the rules say."""
    agent = server.agent("repeat_text", "conversation_search", tool_rules=rules)
    answer = server.client().agents.messages.create(agent, input=turn(*steps, "!say done"))
    return [message.status for message in answer.messages if message.message_type == "tool_return_message"]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_of_calls_is_kept_to_the_number(server: Server, limit: int) -> None:
    rules = [{"type": "max_count_per_step", "tool_name": "repeat_text", "max_count_limit": limit}]
    steps = [call("repeat_text", text=f"number {n}") for n in range(limit + 1)]
    assert returns(server, rules, *steps) == [*["success"] * limit, "error"]


def test_a_limit_that_leaves_no_tool_leaves_the_model_to_answer(server: Server) -> None:
    agent = server.agent(
        "repeat_text", tool_rules=[{"type": "max_count_per_step", "tool_name": "repeat_text", "max_count_limit": 1}]
    )
    text = turn(call("repeat_text", text="once"), "!say done", text=f"Only once, {agent}.")
    answer = server.client().agents.messages.create(agent, input=text)
    assert (answer.stop_reason.stop_reason, answer.messages[-1].content) == ("end_turn", "done")
    first, second = [one["body"] for one in server.llm.calls() if agent in one["user"]]
    assert (len(first["tools"]), second.get("tools") or []) == (1, [])


@pytest.mark.parametrize(("output", "times"), [("red", 1), ("7", 1)])
def test_what_a_tool_returned_decides_what_may_follow(server: Server, output: str, times: int) -> None:
    rule = {
        "type": "conditional",
        "tool_name": "repeat_text",
        "child_output_mapping": {output: "conversation_search"},
        "default_child": "repeat_text",
    }
    first = call("repeat_text", text=output, times=times)
    allowed = call("conversation_search", query="x")
    assert returns(server, [rule], first, allowed) == ["success", "success"]
    assert returns(server, [rule], first, call("repeat_text", text="not now")) == ["success", "error"]
