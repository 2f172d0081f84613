"""A model's server at its worst, from the request to the transcript: one answer is recorded, or a reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.invariants import lines
from tests.live import Server, call, turn

LONG = "This is said at some length, " * 20
DEEP = '{"folder": ' + "[" * 10_000 + "]" * 10_000 + "}"


@pytest.mark.parametrize(
    "how",
    [
        {"cut_bytes": 700},
        {"sse_error": {"type": "overloaded_error", "message": "Try later"}},
        {"finish": "", "done": False},
        {"raw": ['{"choices": [{"del']},
    ],
    ids=["cut within a chunk", "an error after 200", "no end", "no JSON"],
)
def test_an_answer_that_does_not_end(server: Server, how: dict[str, Any]) -> None:
    """It is asked for again. What was heard of the first is not recorded, and not left to those who listen."""
    mark = f"Break {json.dumps(how)}"
    server.llm.script(match=mark, text=LONG, **how)
    agent = server.agent()
    events = list(server.client().agents.messages.stream(agent, input=mark, stream_tokens=True))
    assert server.transcript(agent) == [f"user: {mark}", f"assistant: ok: {mark}"]
    last = [event.id for event in events if event.message_type == "assistant_message"][-1]
    said = [event for event in events if event.message_type == "assistant_message" and event.id == last]
    assert "".join(event.content for event in said) == f"ok: {mark}"
    assert sum(asked["user"] == mark for asked in server.llm.calls()) == 2


@pytest.mark.faults
def test_silence_and_dripping(server: Server) -> None:
    """No call waits for ever: it is broken off, its connection is closed, and it is made again."""
    how = {
        "Silent from the start.": {"hang": True},
        "Silent in the middle.": {"stall": 3},
        "Dripping.": {"chars": 1, "delay": 0.3},
    }
    with server.paused():
        worker = server.add_worker(PERDURE_LLM_READ_TIMEOUT="1", PERDURE_LLM_TOTAL_TIMEOUT="3")
        agents = {text: server.agent() for text in how}
        for text, fault in how.items():
            server.llm.script(match=text, text=LONG, **fault)
        for text, agent in agents.items():
            assert server.await_end(server.send(agent, text))["status"] == "completed"
            assert server.transcript(agent) == [f"user: {text}", f"assistant: ok: {text}"]
        worker.kill()
    asked = [asked for asked in server.llm.calls() if asked["user"] in how]
    assert [asked["outcome"] for asked in asked] == ["broken off", "answered"] * 3
    assert all(asked["ended"] for asked in asked)


@pytest.mark.parametrize(
    "arguments",
    [
        '{"folder": "/tmp", "folder": "%s"}',
        '{"folder": "%s", "times": NaN}',
        '{"folder": "%s"',
        '{"folder": "%s"}{"folder": "%s"}',
        "{'folder': '%s'}",
        DEEP,
    ],
    ids=["twice", "NaN", "cut off", "two objects", "single quotes", "deep"],
)
def test_arguments_that_could_only_be_guessed(server: Server, folder: Path, arguments: str) -> None:
    """The tool is not run; the model is told why, and what it wrote stands in the transcript as it wrote it."""
    arguments = arguments.replace("%s", str(folder))
    agent = server.agent("ring_bell")
    mark = f"Guess {folder}"
    server.llm.script(match=mark, text="", calls=[{"name": "ring_bell", "arguments": arguments}])
    server.llm.script(match=mark, text="I cannot.")
    run = server.send(agent, mark)
    assert server.await_end(run)["status"] == "completed"
    transcript = server.transcript(agent)
    assert transcript[2].startswith("tool error: Invalid tool call: ")
    assert transcript[3] == "assistant: I cannot."
    assert not (folder / "begun").exists()
    assert server.sql("SELECT arguments FROM agents_toolattempt WHERE run_id = %s", run) == [(arguments,)]


def test_braces_within_a_text_are_no_end(server: Server) -> None:
    """Arguments that hold what looks like their end come to the tool exactly."""
    odd = '"}{"'
    agent = server.agent("repeat_text")
    server.await_end(server.send(agent, turn(call("repeat_text", text=odd), "!say done")))
    assert server.transcript(agent)[2:] == [f"tool: {odd}", "assistant: done"]


def test_two_hundred_calls_at_once(server: Server, folder: Path) -> None:
    """Thirty-two of them run; the others go back to the model with that, so nothing is left open."""
    mark = f"Many {folder}"
    one = {"name": "set_lamp", "arguments": json.dumps({"folder": str(folder)})}
    server.llm.script(match=mark, text="", calls=[one] * 200)
    server.llm.script(match=mark, text="done")
    agent = server.agent("set_lamp")
    assert server.await_end(server.send(agent, mark))["status"] == "completed"
    returned = server.transcript(agent)[2:-1]
    assert [line.startswith("tool error: Invalid tool call: an answer may have 32") for line in returned] == (
        [False] * 32 + [True] * 168
    )
    assert len(lines(folder / "lit")) == len(set(lines(folder / "lit"))) == 32


def test_a_model_that_never_comes_to_an_end(server: Server, folder: Path) -> None:
    """Each call differs from the one before, so that it is no loop: the limit on steps ends it."""
    agent = server.agent("repeat_text")
    text = turn(*(call("repeat_text", text=f"number {n}") for n in range(200)))
    run = server.await_end(server.send(agent, text), 90)
    assert (run["status"], run["stop_reason"], run["steps_done"]) == ("completed", "max_steps", 50)
    assert server.await_end(server.send(agent, "next"))["status"] == "completed"


def test_an_answer_that_is_too_large(server: Server) -> None:
    """50 MB are not read to their end."""
    server.llm.script(match="Too much.", raw=[_chunk("x" * 500_000)] * 100)
    agent = server.agent()
    before = _memory(server)
    run = server.await_end(server.send(agent, "Too much."))
    assert (run["status"], run["stop_reason"], run["error_code"]) == ("failed", "llm_api_error", "server_error")
    assert _memory(server) - before < 100_000_000
    assert server.await_end(server.send(agent, "next"))["status"] == "completed"


def test_a_result_that_is_too_large(server: Server) -> None:
    """It is cut, and the model is told so."""
    agent = server.agent("repeat_text")
    server.await_end(server.send(agent, turn(call("repeat_text", text="ab", times=500_000), "!say done")))
    said = server.transcript(agent)[2]
    assert len(said) < 100_000
    assert "truncated since it exceeded the character limit" in said


ODD = {
    "NUL": "a\x00b",
    "lone surrogate": "a\ud800b",
    "byte order mark": "\ufeffab",
    "right to left": "a\u202eb",
    "four bytes": "a\U0001f9f7b",
    "composed": "caf\u00e9",
    "decomposed": "cafe\u0301",
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_characters(server: Server, odd: str) -> None:
    """In what a model calls, and in what a tool returns: as they were, or the replacement character."""
    text = ODD[odd]
    kept = text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    mark = f"Odd {odd}"
    said, noted = json.dumps({"text": text}), json.dumps({"label": "human", "content": text})
    calls = [{"name": "repeat_text", "arguments": said}, {"name": "core_memory_append", "arguments": noted}]
    server.llm.script(match=mark, text="", calls=calls)
    server.llm.script(match=mark, text=text)
    agent = server.agent("repeat_text", "core_memory_append", memory_blocks=[{"label": "human", "value": kept}])
    client = server.client()
    client.agents.update(agent, metadata={kept: kept})
    answer = client.agents.messages.create(agent, input=mark)
    assert server.transcript(agent)[2::2] == [f"tool: {kept}", f"assistant: {kept}"]
    assert answer.messages[-1].content == kept
    assert client.agents.blocks.retrieve("human", agent_id=agent).value == f"{kept}\n{kept}"
    assert client.agents.retrieve(agent).metadata == {kept: kept}


def _chunk(text: str) -> dict[str, Any]:
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "fake-1", "choices": [delta]}


def _memory(server: Server) -> int:
    """Bytes of memory that the only worker holds."""
    status = Path(f"/proc/{server.workers[0].pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024
