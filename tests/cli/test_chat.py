"""`./perdure chat` against a WebSocket server that follows a script."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from cli.chat import Conversation, from_a_beginning
from cli.screen import Screen
from cli.server import Server

ANSWER = [
    {"message_type": "reasoning_message", "reasoning": "I ", "seq_id": 1},
    {"message_type": "reasoning_message", "reasoning": "think", "seq_id": 2},
    {"message_type": "tool_call_message", "tool_call": {"name": "look", "tool_call_id": "c1"}, "seq_id": 3},
    {"message_type": "tool_call_message", "tool_call": {"arguments": '{"a":', "tool_call_id": "c1"}, "seq_id": 4},
    {"message_type": "tool_call_message", "tool_call": {"arguments": "1}", "tool_call_id": "c1"}, "seq_id": 5},
    {"message_type": "tool_return_message", "tool_return": "found\nit", "status": "success", "seq_id": 6},
    {"message_type": "assistant_message", "content": "Hel", "seq_id": 7},
    {"message_type": "assistant_message", "content": "lo", "seq_id": 8},
    {"message_type": "stop_reason", "stop_reason": "end_turn", "seq_id": 9},
    {"message_type": "usage_statistics", "total_tokens": 3, "seq_id": 10},
]
SHOWN = 'I think\n→ look {"a":1}\n← found it\nHello\n'

Script = Callable[[ServerConnection], None]


def tell(link: ServerConnection, *messages: dict[str, Any]) -> None:
    for message in messages:
        link.send(json.dumps(message))


@contextmanager
def serving(script: Script) -> Iterator[str]:
    with serve(script, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def shown(screen: Screen) -> str:
    assert isinstance(screen.console.file, io.StringIO)
    return screen.console.file.getvalue()


def conversation(url: str, screen: Screen) -> Conversation:
    return Conversation(Server(url, "k"), "agent-1", screen, sleep=lambda _seconds: None)


def test_a_turn_is_shown_as_it_streams(screen: Screen) -> None:
    received: list[Any] = []

    def script(link: ServerConnection) -> None:
        assert link.request is not None
        received.append((link.request.path, link.request.headers["Authorization"], json.loads(link.recv())))
        tell(link, {"type": "accepted", "run_id": "run-1"}, *ANSWER, {"type": "done", "run_id": "run-1"})
        link.recv()

    with serving(script) as url:
        talk = conversation(url, screen)
        talk.turn("hello")
        talk.leave()
    path, authorization, message = received[0]
    assert (path, authorization) == ("/v1/agents/agent-1/ws", "Bearer k")
    assert message.pop("idempotency_key")
    assert message == {"type": "send", "input": "hello", "stream_tokens": True}
    assert shown(screen) == SHOWN


def test_a_broken_connection_goes_on_after_the_last_event(screen: Screen) -> None:
    received: list[Any] = []

    def script(link: ServerConnection) -> None:
        received.append(json.loads(link.recv()))
        if len(received) == 1:
            tell(link, {"type": "accepted", "run_id": "run-1"}, *ANSWER[:7])
            link.close()
        else:
            tell(link, *ANSWER[7:], {"type": "done", "run_id": "run-1"})
            link.recv()

    with serving(script) as url:
        talk = conversation(url, screen)
        talk.turn("hello")
        talk.leave()
    assert received[1] == {"type": "subscribe", "run_id": "run-1", "starting_after": 7}
    assert "Hel\n(the connection broke; trying again)\nlo\n" in shown(screen)


def test_ctrl_c_cancels_the_run_and_reads_on(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[Any] = []

    def script(link: ServerConnection) -> None:
        received.append(json.loads(link.recv()))
        tell(link, {"type": "accepted", "run_id": "run-1"}, ANSWER[0])
        received.append(json.loads(link.recv()))
        stopped = {"message_type": "stop_reason", "stop_reason": "cancelled", "seq_id": 2}
        tell(link, stopped, {"type": "done", "run_id": "run-1"})
        link.recv()

    def interrupted(self: Screen, event: dict[str, Any]) -> None:
        if event["message_type"] == "reasoning_message":
            raise KeyboardInterrupt
        Screen.__dict__["block"](self, "x")
        self.line(str(event["stop_reason"]))

    monkeypatch.setattr(Screen, "show", interrupted)
    with serving(script) as url:
        talk = conversation(url, screen)
        talk.turn("hello")
        talk.leave()
    assert received[1] == {"type": "cancel", "run_id": "run-1"}
    assert "cancelled" in shown(screen)


def test_a_message_that_may_not_have_been_taken_is_sent_again_with_the_same_key(screen: Screen) -> None:
    received: list[Any] = []

    def script(link: ServerConnection) -> None:
        received.append(json.loads(link.recv()))
        if len(received) == 1:
            link.close()
        else:
            tell(link, {"type": "accepted", "run_id": "run-1"}, *ANSWER, {"type": "done", "run_id": "run-1"})
            link.recv()

    with serving(script) as url:
        talk = conversation(url, screen)
        talk.turn("hello")
        talk.leave()
    assert received[0] == received[1]
    assert shown(screen).endswith(SHOWN)


def test_a_connection_that_keeps_breaking_is_given_up(screen: Screen) -> None:
    def script(link: ServerConnection) -> None:
        link.recv()
        link.close()

    with serving(script) as url:
        conversation(url, screen).turn("hello")
    assert "The connection keeps breaking" in shown(screen)


def test_the_rest_of_an_earlier_run_is_not_shown(screen: Screen) -> None:
    def script(link: ServerConnection) -> None:
        link.recv()
        tell(link, {**ANSWER[0], "run_id": "run-0"}, {"type": "accepted", "run_id": "run-1"})
        tell(link, {**ANSWER[6], "run_id": "run-1"}, {"type": "done", "run_id": "run-0"})
        tell(link, {**ANSWER[7], "run_id": "run-1"}, {"type": "done", "run_id": "run-1"})
        link.recv()

    with serving(script) as url:
        talk = conversation(url, screen)
        talk.turn("hello")
        talk.leave()
    assert shown(screen) == "Hello\n"


def test_a_refused_connection_is_said_so(screen: Screen) -> None:
    conversation("http://127.0.0.1:1", screen).turn("hello")
    assert "No connection to http://127.0.0.1:1" in shown(screen)


def test_an_error_of_the_server_ends_the_turn(screen: Screen) -> None:
    def script(link: ServerConnection) -> None:
        link.recv()
        tell(link, {"type": "error", "status": 409, "detail": "too much at once"})
        link.recv()

    with serving(script) as url:
        talk = conversation(url, screen)
        talk.turn("hello")
        talk.leave()
    assert shown(screen) == "The server refused (409): too much at once\n"


def test_a_step_that_starts_again_is_said_so(screen: Screen) -> None:
    for event in (ANSWER[6], {"message_type": "step_restarted"}, ANSWER[6], ANSWER[7]):
        screen.show(event)
    screen.close()
    assert shown(screen) == "Hel\n(this step starts again; what it printed so far does not count)\nHello\n"


def test_two_calls_are_two_lines(screen: Screen) -> None:
    for number in ("1", "2"):
        screen.show({"message_type": "tool_call_message", "tool_call": {"name": f"t{number}", "tool_call_id": number}})
        screen.show({"message_type": "tool_call_message", "tool_call": {"arguments": "{}", "tool_call_id": number}})
    screen.close()
    assert shown(screen) == "→ t1 {}\n→ t2 {}\n"


def test_all_calls_of_a_stored_message_are_shown(screen: Screen) -> None:
    calls = [{"name": f"t{number}", "arguments": "{}", "tool_call_id": number} for number in ("1", "2")]
    screen.show({"message_type": "tool_call_message", "tool_call": calls[0], "tool_calls": calls})
    screen.close()
    assert shown(screen) == "→ t1 {}\n→ t2 {}\n"


def test_an_unusual_end_and_an_error_are_shown(screen: Screen) -> None:
    screen.show({"message_type": "stop_reason", "stop_reason": "max_steps"})
    screen.show({"message_type": "error_message", "message": "the model is gone"})
    assert shown(screen) == "(max steps)\nthe model is gone\n"


def test_a_model_cannot_steer_the_terminal(screen: Screen) -> None:
    screen.show({"message_type": "assistant_message", "content": "\x1b[2Jbold\x9b31m [red]ü\n"})
    assert shown(screen) == "[2Jbold31m [red]ü\n"


def test_a_call_that_needs_an_answer_and_the_answer_are_shown(screen: Screen) -> None:
    calls = [{"name": "pay", "arguments": '{"euros": 5}', "tool_call_id": "1"}]
    screen.show({"message_type": "approval_request_message", "tool_call": calls[0], "tool_calls": calls})
    answers = [{"type": "approval", "tool_call_id": "1", "approve": False, "reason": "too dear"}]
    screen.show({"message_type": "approval_response_message", "approvals": answers})
    assert shown(screen) == '→ pay {"euros": 5}\n(denied: too dear)\n'


def said(text: str) -> dict[str, Any]:
    return {"message_type": "user_message", "content": text}


def test_what_is_shown_again_begins_where_a_user_began_a_turn() -> None:
    parts = [{"message_type": "reasoning_message", "reasoning": str(number)} for number in range(12)]
    heartbeat = said('{"type": "heartbeat"}')
    turns = [said("one"), *parts, said("two"), *parts[:6], heartbeat, *parts[6:], said("three"), *parts[:3]]
    assert from_a_beginning(turns)[0] == said("two")
    assert from_a_beginning(turns[1:])[0] == said("two")
    assert from_a_beginning([*parts, said("one"), *parts[:3]])[0] == said("one")
    assert from_a_beginning(parts) == parts[2:]
    assert from_a_beginning([]) == []
