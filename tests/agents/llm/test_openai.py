"""What is particular to chat completions and the servers that imitate them."""

import json
from typing import Any

import pytest

from agents.llm.openai import body
from agents.llm.registry import Provider
from agents.loop.messages import Message, Reasoning, Usage
from agents.loop.ports import LLMRequest, ModelSettings
from tests.agents.llm.conftest import Front, calls, done, seals, text, thought
from tests.agents.llm.test_contract import CLOCK, HISTORY, WEATHER

ITSELF = Provider("openai", "openai", "https://api.openai.com/v1", "k")


def deltas(*parts: dict[str, Any], finish: str = "stop") -> list[Any]:
    chunks = [{"choices": [{"index": 0, "delta": part}]} for part in parts]
    return [*chunks, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}, "[DONE]"]


def call(name: str | None = None, arguments: Any = None, **rest: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"tool_calls": [{"type": "function", "function": function, **rest}]}


A, B = '{"city": "A"}', '{"city": "B"}'


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param([call("weather", A), call("weather", B)], [("", A), ("", B)], id="whole, no index, no id"),
        pytest.param(
            [call("weather", A, index=0, id="a"), call("weather", B, index=0, id="b")],
            [("a", A), ("b", B)],
            id="one index for all",
        ),
        pytest.param(
            [call("weather", A, index=0, id="a"), call("weather", B, index=0, id="a")],
            [("a", A), ("a", B)],
            id="one index and one id for all",
        ),
        pytest.param(
            [call("weather", "", index=0, id="a"), call("weather", A[:5], index=0, id="a"),
             call("weather", A[5:], index=0, id="a"), call("weather", "", index=0, id="a")],
            [("a", A)],
            id="name and id in every delta",
        ),
        pytest.param(
            [call("weather", A[:5]), call(None, A[5:]), call("weather", B[:5]), call(None, B[5:])],
            [("", A), ("", B)],
            id="streamed without index",
        ),
        pytest.param(
            [call("weather", A[:5], index=0, id="a"), call("weather", B[:5], index=1, id="b"),
             call(None, A[5:], index=0), call(None, B[5:], index=1)],
            [("a", A), ("b", B)],
            id="interleaved",
        ),
        pytest.param([call("weather", {"city": "A"}, index=0)], [("", A)], id="arguments as an object"),
        pytest.param([call("weather", A, index=1), call("weather", B, index=7)], [("", A), ("", B)], id="odd indexes"),
    ],
)  # fmt: skip
def test_calls_in_the_forms_of_many_servers(openai: Front, sent: list[Any], expected: list[tuple[str, str]]) -> None:
    openai.fake.script(raw=deltas(*sent))
    events = openai.ask(openai.request("hi", tools=(WEATHER,)))
    assert [(provider_id, arguments) for _, provider_id, arguments in calls(events)] == expected
    assert done(events).finish == "tool_calls"


def test_absent_usage_is_zero(openai: Front) -> None:
    openai.fake.script(text="hi", usage=False)
    assert done(openai.ask()).usage == Usage()


def test_no_done_line_is_needed_behind_a_finish_reason(openai: Front) -> None:
    openai.fake.script(text="hi", done=False)
    assert text(openai.ask()) == "hi"


def test_an_unknown_finish_reason_is_a_stop(openai: Front) -> None:
    openai.fake.script(text="hi", finish="eos_token")
    assert done(openai.ask()).finish == "stop"


def test_the_word_reasoning_is_a_thought_too(openai: Front) -> None:
    openai.fake.script(raw=deltas({"reasoning": "hm"}, {"content": "yes"}))
    events = openai.ask()
    assert (thought(events), text(events), len(seals(events))) == ("hm", "yes", 1)


# Text of local models


@pytest.mark.parametrize("chars", [1, 2, 7, 100])
def test_think_tags_are_a_thought_wherever_chunks_are_cut(openai: Front, chars: int) -> None:
    openai.fake.script(text="\n<think>\nif a < b </thin\n</think>\n\nThen 1 <think>x</think>", chars=chars)
    events = openai.ask()
    assert thought(events) == "if a < b </thin\n"
    assert text(events) == "Then 1 <think>x</think>"
    assert len(seals(events)) == 1


def test_a_thought_that_is_never_closed_stays_a_thought(openai: Front) -> None:
    openai.fake.script(text="<think>and on", chars=3, finish="length")
    events = openai.ask()
    assert (thought(events), text(events), len(seals(events))) == ("and on", "", 1)


@pytest.mark.parametrize("chars", [1, 9, 1000])
@pytest.mark.parametrize(
    ("said", "names"),
    [
        ('<tool_call>{"name": "weather", "arguments": {"city": "A"}}</tool_call>', ["weather"]),
        (
            '<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>\n'
            '<tool_call>{"name": "clock", "arguments": {}}</tool_call>',
            ["weather", "clock"],
        ),
        ('{"name": "weather", "parameters": {"city": "A"}}', ["weather"]),
        ('```json\n{"name": "weather", "arguments": {"city": "A"}}\n```', ["weather"]),
        ('<think>I need it</think>\n{"name": "clock", "arguments": {}}', ["clock"]),
    ],
)
def test_a_text_that_is_nothing_but_calls(openai: Front, said: str, names: list[str], chars: int) -> None:
    openai.fake.script(text=said, chars=chars)
    events = openai.ask(openai.request("hi", tools=(WEATHER, CLOCK)))
    assert [name for name, _, _ in calls(events)] == names
    assert text(events) == ""
    assert done(events).finish == "tool_calls"


@pytest.mark.parametrize(
    "said",
    [
        '{"name": "unknown_tool", "arguments": {}}',
        '{"name": "weather", "arguments": {}, "why": "because"}',
        '{"name": "weather", "arguments": "Graz"}',
        'Here: {"name": "weather", "arguments": {}}',
        '<tool_call>{"name": "weather", "arguments": {}}</tool_call> There you are.',
        '<tool_call>{"name": "weather", "arguments": {}',
        '```python\nprint("hi")\n```',
        '{"temperature": 3}',
        "```json\n{}\n```",
    ],
)
@pytest.mark.parametrize("chars", [1, 1000])
def test_every_other_text_stays_text(openai: Front, said: str, chars: int) -> None:
    openai.fake.script(text=said, chars=chars)
    events = openai.ask(openai.request("hi", tools=(WEATHER, CLOCK)))
    assert (text(events), calls(events), done(events).finish) == (said, [], "stop")


def test_without_tools_a_json_answer_is_an_answer(openai: Front) -> None:
    said = '{"name": "weather", "arguments": {}}'
    openai.fake.script(text=said, chars=4)
    assert text(openai.ask()) == said


# What is sent


def test_a_history_with_calls_and_returns(openai: Front) -> None:
    openai.ask(openai.request(*HISTORY))
    system, user, assistant, sunny, failed = openai.sent()["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user == {"role": "user", "content": "Weather in Graz and the time?"}
    assert assistant["content"] == "I look."
    first, second = assistant["tool_calls"]
    assert first["function"] == {"name": "weather", "arguments": '{"city": "Graz"}'}
    assert json.loads(second["function"]["arguments"]) == {"invalid_json": "{broken"}
    assert sunny == {"role": "tool", "tool_call_id": first["id"], "content": "sunny"}
    assert failed["tool_call_id"] == second["id"]
    assert first["id"] == "call-1"
    assert len(second["id"]) <= 40  # the service refuses longer ones


def test_thoughts_are_not_sent_back(openai: Front) -> None:
    past = Message("assistant", "yes", reasoning=(Reasoning("secret thought", signature="s"),))
    openai.ask(openai.request("hi", past, "and?"))
    assert openai.sent()["messages"][2] == {"role": "assistant", "content": "yes"}


def test_images(openai: Front) -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "see"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA", "detail": "low"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA", "detail": "??"}},
    ]
    openai.ask(openai.request(Message("user", parts)))
    assert openai.sent()["messages"][1]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]


def test_tools_and_usage_are_asked_for(openai: Front) -> None:
    settings = ModelSettings(parallel_tool_calls=False, response_format={"type": "json_object"})
    openai.ask(openai.request("hi", tools=(WEATHER,), settings=settings))
    sent = openai.sent()
    function = {"name": "weather", "description": "Tells the weather.", "parameters": WEATHER.parameters}
    assert sent["tools"] == [{"type": "function", "function": function}]
    assert sent["parallel_tool_calls"] is False
    assert sent["response_format"] == {"type": "json_object"}
    assert sent["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o-mini", {"max_completion_tokens": 5, "temperature": 1.0}),
        ("gpt-5", {"max_completion_tokens": 5, "reasoning_effort": "minimal"}),
        ("o3", {"max_completion_tokens": 5, "reasoning_effort": "minimal"}),
    ],
)
def test_openai_itself_gets_only_what_the_model_takes(model: str, expected: dict[str, Any]) -> None:
    settings = ModelSettings(temperature=1.0, max_output_tokens=5, reasoning_effort="minimal")
    asked = body(LLMRequest(f"openai/{model}", "", (Message("user", "hi"),), settings=settings), ITSELF)
    names = ("max_tokens", "max_completion_tokens", "temperature", "reasoning_effort")
    assert {name: asked[name] for name in names if name in asked} == expected
