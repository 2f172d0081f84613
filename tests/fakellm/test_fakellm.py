"""The fake itself: what tests and load measurements rely on."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakellm import FakeLLM


@pytest.fixture(scope="module")
def server() -> Iterator[FakeLLM]:
    with FakeLLM() as fake:
        yield fake


@pytest.fixture
def fake(server: FakeLLM) -> FakeLLM:
    server.reset()
    return server


def post(fake: FakeLLM, *messages: dict[str, Any], path: str = "/chat/completions", **body: Any) -> dict[str, Any]:
    sent = json.dumps({"model": "m", "messages": messages, **body}).encode()
    with urllib.request.urlopen(urllib.request.Request(fake.url + path, sent), timeout=20) as answer:
        return json.load(answer)["choices"][0]["message"] if "chat" in path else json.load(answer)  # type: ignore[no-any-return]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def test_it_echoes_and_quotes_returns(fake: FakeLLM) -> None:
    assert post(fake, user("hello"))["content"] == "ok: hello"
    returned = {"role": "tool", "tool_call_id": "x", "content": "42"}
    assert post(fake, user("hello"), {"role": "assistant"}, returned)["content"] == "returned: 42"


def test_scripts_by_match_then_in_turn(fake: FakeLLM) -> None:
    fake.script({"text": "first"}, {"match": "boat", "text": "ship"}, {"text": "second", "repeat": 2})
    said = ["a boat", "x", "y", "z", "boat"]
    assert [post(fake, user(one))["content"] for one in said] == ["ship", "first", "second", "second", "ok: boat"]


def test_directives_by_step(fake: FakeLLM) -> None:
    asked = user('Do it.\n!say I look\n!call weather {"city": "Graz"}\n!then\n!say done')
    first = post(fake, asked)
    assert first["content"] == "I look"
    assert first["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Graz"}'}
    returned = {"role": "tool", "tool_call_id": "x", "content": "sunny"}
    assert post(fake, asked, {"role": "assistant"}, returned)["content"] == "done"
    more = [asked, {"role": "assistant"}, returned, {"role": "assistant"}, returned]
    assert post(fake, *more)["content"] == "returned: sunny"


def test_directives_within_envelopes_and_behind_heartbeats(fake: FakeLLM) -> None:
    enveloped = user(json.dumps({"type": "user_message", "message": "!say hi"}))
    heartbeat = user(json.dumps({"type": "heartbeat", "reason": "go on"}))
    assert post(fake, enveloped, heartbeat)["content"] == "hi"


def test_status_and_headers(fake: FakeLLM) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(fake, user('!status 429 {"retry-after": 3}'))
    assert (caught.value.code, caught.value.headers["retry-after"]) == (429, "3")


def test_the_other_format(fake: FakeLLM) -> None:
    answer = post(fake, user('!say hi\n!call f {"a": 1}'), path="/messages", max_tokens=5)
    assert [block["type"] for block in answer["content"]] == ["text", "tool_use"]
    assert answer["content"][1]["input"] == {"a": 1}


def test_concurrent_calls_are_counted_also_by_conversation(fake: FakeLLM) -> None:
    names = ["a", "a", "b"]
    calls = [threading.Thread(target=post, args=(fake, user(f"[conversation {n}]\n!sleep 0.5"))) for n in names]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    stats = fake.stats()
    assert (stats["max_active"], stats["active"], stats["calls"]) == (3, 0, 3)
    assert stats["max_active_by_conversation"] == {"a": 2, "b": 1}
    assert [call["outcome"] for call in fake.calls()] == ["answered"] * 3


def test_a_misspelt_script_is_refused(fake: FakeLLM) -> None:
    with pytest.raises(urllib.error.HTTPError):
        fake.script(txet="hi")
