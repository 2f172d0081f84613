"""What is particular to Anthropic's messages: sealed thoughts, cache breakpoints, merged roles."""

from typing import Any

import pytest

from agents.loop.events import ReasoningEnd
from agents.loop.messages import Message, Reasoning
from agents.loop.ports import ModelSettings
from tests.agents.llm.conftest import Front, seals, thought
from tests.agents.llm.test_contract import CLOCK, HISTORY, WEATHER
from tools.spec import ToolCall, ToolReturn

CACHE = {"type": "ephemeral"}
THINKING = ModelSettings(thinking_budget=2000, max_output_tokens=1000, temperature=0.3)


def test_a_history_with_calls_and_returns(anthropic: Front) -> None:
    anthropic.ask(anthropic.request(*HISTORY, "Well?"))
    user, assistant, answers = anthropic.sent()["messages"]
    assert [user["role"], assistant["role"], answers["role"]] == ["user", "assistant", "user"]
    said, first, second = assistant["content"]
    assert said == {"type": "text", "text": "I look."}
    assert first == {"type": "tool_use", "id": "call-1", "name": "weather", "input": {"city": "Graz"}}
    assert second["input"] == {"invalid_json": "{broken"}
    sunny, failed, question = answers["content"]
    assert sunny == {"type": "tool_result", "tool_use_id": "call-1", "content": "sunny"}
    assert failed["tool_use_id"] == second["id"]
    assert failed["is_error"] is True
    assert question["text"] == "Well?"


def test_cache_breakpoints(anthropic: Front) -> None:
    anthropic.ask(anthropic.request("one", Message("assistant", "two"), "three", "four", tools=(WEATHER, CLOCK)))
    sent = anthropic.sent()
    assert sent["system"] == [{"type": "text", "text": "Be brief.", "cache_control": CACHE}]
    assert ["cache_control" in tool for tool in sent["tools"]] == [False, True]
    marked = [block.get("cache_control") for message in sent["messages"] for block in message["content"]]
    assert marked == [CACHE, None, None, CACHE]  # where the last call ended, and where this one does


def test_the_user_speaks_first_and_nothing_empty_is_sent(anthropic: Front) -> None:
    history = (Message("assistant", "hello"), Message("user", " \n"), Message("user", "hi"), Message("assistant", ""))
    anthropic.ask(anthropic.request(*history, "yes"))
    said = [(one["role"], [block["text"] for block in one["content"]]) for one in anthropic.sent()["messages"]]
    assert said == [("user", ["(conversation continues)"]), ("assistant", ["hello"]), ("user", ["hi", "yes"])]


def test_sealed_and_redacted_thoughts_are_received(anthropic: Front) -> None:
    anthropic.fake.script(reasoning="hm hm", signature="abc", redacted="xyz", text="ok", chars=2)
    events = anthropic.ask()
    assert thought(events) == "hm hm"
    assert seals(events) == [ReasoningEnd(signature="abc"), ReasoningEnd(redacted="xyz")]


def test_sealed_and_redacted_thoughts_go_back_as_they_came(anthropic: Front) -> None:
    thoughts = (Reasoning("hm", signature="abc"), Reasoning("", redacted="xyz"), Reasoning("of another model"))
    past = Message("assistant", "ok", reasoning=thoughts)
    anthropic.ask(anthropic.request("hi", past, "and?"))
    assert anthropic.sent()["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "abc"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "ok"},
    ]


def test_thinking_leaves_room_for_the_answer_and_the_temperature_out(anthropic: Front) -> None:
    anthropic.ask(anthropic.request("hi", settings=THINKING))
    sent = anthropic.sent()
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert sent["max_tokens"] > 2000
    assert "temperature" not in sent


def test_no_thinking_where_the_api_refuses_it(anthropic: Front) -> None:
    anthropic.ask(anthropic.request("hi", settings=THINKING, tools=(CLOCK,), tool_choice="required"))
    assert "thinking" not in anthropic.sent()
    anthropic.ask(anthropic.request(*HISTORY, settings=THINKING))
    assert "thinking" not in anthropic.sent()


def test_thinking_goes_on_within_a_turn_that_began_with_it(anthropic: Front) -> None:
    called = Message("assistant", reasoning=(Reasoning("hm", signature="abc"),), calls=(ToolCall("c", "clock", "{}"),))
    returned = Message("tool", returned=ToolReturn("c", "clock", "success", "noon"))
    anthropic.ask(anthropic.request("hi", called, returned, settings=THINKING, tools=(CLOCK,)))
    assert "thinking" in anthropic.sent()


@pytest.mark.parametrize("choice", ["auto", "required", "clock"])
def test_one_call_at_a_time(anthropic: Front, choice: str) -> None:
    settings = ModelSettings(parallel_tool_calls=False)
    anthropic.ask(anthropic.request("hi", tools=(CLOCK,), tool_choice=choice, settings=settings))
    assert anthropic.sent()["tool_choice"]["disable_parallel_tool_use"] is True


def test_a_schema_for_the_answer(anthropic: Front) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    anthropic.ask(anthropic.request("hi", settings=ModelSettings(response_format=wanted)))
    assert anthropic.sent()["output_config"] == {"format": {"type": "json_schema", "schema": schema}}


def test_images(anthropic: Front) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA", "detail": "high"}
    linked = {"type": "url", "url": "https://example.org/a.png"}
    parts: list[dict[str, Any]] = [
        {"type": "image", "source": source},
        {"type": "image", "source": linked},
        {"type": "text", "text": "?"},
    ]
    anthropic.ask(anthropic.request(Message("user", parts)))
    first, second, _ = anthropic.sent()["messages"][0]["content"]
    assert first == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    assert second == {"type": "image", "source": linked}


def test_a_call_without_arguments_is_an_empty_object(anthropic: Front) -> None:
    anthropic.fake.script(calls=[{"name": "clock", "arguments": ""}])
    events = anthropic.ask(anthropic.request("hi", tools=(CLOCK,)))
    assert [getattr(event, "arguments", None) for event in events if hasattr(event, "arguments")] == ["{}"]
