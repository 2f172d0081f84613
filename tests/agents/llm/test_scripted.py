"""The built-in demo model: dialogues as the loop would lead them."""

import json
import time
from typing import Any

import pytest

from agents.errors import Cancelled
from agents.llm.scripted import ScriptedLLM
from agents.loop.events import LLMEvent, TextDelta
from agents.loop.messages import Message
from agents.loop.ports import Abort, LLMRequest
from agents.loop.tokens import estimate, estimate_request
from tests.agents.llm.conftest import calls, done, text, thought
from tools.spec import ToolCall, ToolReturn, ToolSpec

SYSTEM = """You are an agent.
<memory_blocks>
The following memory blocks are currently engaged in your core memory unit:

<human>
<description>
About the user.
</description>
<metadata>
- chars_current=28
</metadata>
<value>
The user's name is Ada.
The user likes tea.
</value>
</human>
</memory_blocks>"""


def tool(name: str, *properties: str) -> ToolSpec:
    return ToolSpec(name, name, {"type": "object", "properties": {key: {"type": "string"} for key in properties}})


MEMORY = tool("memory_insert", "label", "new_string")
APPEND = tool("core_memory_append", "label", "content", "request_heartbeat", "thinking")
SEND = tool("send_message", "message", "request_heartbeat", "thinking")
FILE, FIND, RECALL = (
    tool("archival_memory_insert", "content"),
    tool("archival_memory_search", "query"),
    tool("conversation_search", "query"),
)
ALL = (MEMORY, FILE, FIND, RECALL)


def say(*said: Message | str, tools: tuple[ToolSpec, ...] = ALL, system: str = SYSTEM, **rest: Any) -> list[LLMEvent]:
    messages = tuple(Message("user", one) if isinstance(one, str) else one for one in said)
    return list(ScriptedLLM().stream(LLMRequest("demo/scripted", system, messages, tools, **rest), Abort()))


def called(events: list[LLMEvent]) -> tuple[str, dict[str, Any]]:
    ((name, _, arguments),) = calls(events)
    assert done(events).finish == "tool_calls"
    return name, json.loads(arguments)


def after(name: str, arguments: dict[str, Any], returned: str, status: Any = "success") -> tuple[Message, Message]:
    call = ToolCall("c1", name, json.dumps(arguments))
    return Message("assistant", calls=(call,)), Message("tool", returned=ToolReturn("c1", name, status, returned))


@pytest.mark.parametrize(
    ("said", "fact"),
    [
        ("Hi, my name is Ada.", "The user's name is Ada."),
        ("I like green tea!", "The user likes green tea."),
        ("I'm a gardener", "The user is a gardener."),
        ("Please remember that the key is under the mat", "the key is under the mat"),
    ],
)
def test_a_fact_is_stored_in_the_block_human(said: str, fact: str) -> None:
    events = say(said)
    assert thought(events)
    assert called(events) == ("memory_insert", {"label": "human", "new_string": fact})


def test_it_tells_what_it_stored() -> None:
    events = say("My name is Ada", *after("memory_insert", {"label": "human", "new_string": "Ada it is"}, "..."))
    assert "Ada it is" in text(events)
    assert done(events).finish == "stop"


def test_a_tool_that_failed_is_told() -> None:
    assert "no room" in text(say("I am x", *after("memory_insert", {}, "no room", "error")))


def test_agents_that_speak_through_send_message() -> None:
    events = say("I like tea", tools=(APPEND, SEND))
    name, arguments = called(events)
    assert (name, arguments["content"], arguments["request_heartbeat"]) == (
        "core_memory_append",
        "The user likes tea.",
        True,
    )
    assert arguments["thinking"]
    name, arguments = called(say("I like tea", *after(name, arguments, "..."), tools=(APPEND, SEND)))
    assert (name, arguments["request_heartbeat"]) == ("send_message", False)
    assert "The user likes tea." in arguments["message"]
    last = say("I like tea", *after("send_message", arguments, "Sent message successfully."), tools=(APPEND, SEND))
    assert calls(last) == []


@pytest.mark.parametrize("said", ["What is my name?", "What do you know about me?", "who am I", "What do I like?"])
def test_it_answers_from_core_memory(said: str) -> None:
    events = say(said)
    assert "The user's name is Ada.\nThe user likes tea." in text(events)
    assert calls(events) == []


def test_without_memory_it_knows_nothing() -> None:
    assert "nothing" in text(say("what is my name", system="You are an agent."))


@pytest.mark.parametrize(
    ("said", "name", "arguments"),
    [
        ("File away: the wifi is called Heron", FILE.name, {"content": "the wifi is called Heron"}),
        ("archive this: 42", FILE.name, {"content": "42"}),
        ("Search your archive for the wifi", FIND.name, {"query": "the wifi"}),
        ("look up wifi in your archive", FIND.name, {"query": "wifi"}),
        ("What did you file about the wifi?", FIND.name, {"query": "the wifi"}),
        ("Do you recall what I said about boats?", RECALL.name, {"query": "boats"}),
        ("What did we talk about yesterday?", RECALL.name, {"query": "yesterday"}),
    ],
)
def test_archive_and_recall(said: str, name: str, arguments: dict[str, str]) -> None:
    assert called(say(said)) == (name, arguments)


def test_it_answers_from_what_the_search_returned() -> None:
    assert "Heron" in text(say("What did you file about wifi?", *after(FIND.name, {"query": "wifi"}, "it is Heron")))


def test_everything_else_is_answered_by_saying_what_it_is() -> None:
    answer = text(say("What is the meaning of life?"))
    assert "meaning of life" in answer
    assert "not a language model" in answer
    assert "OPENAI_API_KEY" in answer


@pytest.mark.parametrize("rest", [{"tools": ()}, {"tool_choice": "none"}])
def test_it_calls_no_tool_that_it_may_not(rest: dict[str, Any]) -> None:
    events = say("I like tea", **rest)
    assert calls(events) == []
    assert text(events)


def test_an_enveloped_message_is_understood() -> None:
    assert called(say(json.dumps({"type": "user_message", "message": "I like tea"})))[0] == "memory_insert"


def test_it_streams_words_and_can_be_stopped() -> None:
    abort = Abort()
    events = ScriptedLLM().stream(LLMRequest("demo/scripted", "", (Message("user", "hello"),)), abort)
    next(events)
    abort.press("cancelled")
    with pytest.raises(Cancelled):
        list(events)
    assert sum(isinstance(event, TextDelta) for event in say("hello")) > 20


def test_long_texts_are_read_in_no_time() -> None:
    began = time.process_time()
    say("search x " * 30_000)
    say("Who am I?", system="<human>" * 40_000)
    assert time.process_time() - began < 2


def test_usage_is_estimated() -> None:
    usage = done(say("hello")).usage
    assert usage.prompt == estimate_request(LLMRequest("demo/scripted", SYSTEM, (Message("user", "hello"),), ALL))
    assert usage.completion > 10


def test_estimates_grow_with_bytes_and_count_every_part() -> None:
    assert (estimate(""), estimate("abcd"), estimate("abcde"), estimate("日本")) == (0, 1, 2, 2)
    plain = LLMRequest("a/b", "", (Message("user", "x"),))
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}}
    larger = [
        LLMRequest("a/b", "system", plain.messages),
        LLMRequest("a/b", "", plain.messages, tools=(FILE,)),
        LLMRequest("a/b", "", (Message("user", [image]),)),
        LLMRequest("a/b", "", (*plain.messages, *after("f", {"a": "b"}, "returned"))),
    ]
    assert all(estimate_request(request) > estimate_request(plain) for request in larger)
