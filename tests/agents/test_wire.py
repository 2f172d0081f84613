"""Stored messages as the API's objects."""

import json
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models import Message
from agents.wire import View, otid, parts, shown

NOON = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
ID = "message-1f0e3dad-9990-4d5a-8a3f-6e2b8c6d7e8f"

SENT = {"id": "call-1", "name": "send_message", "arguments": '{"thinking": "Greet.", "message": "Hello"}'}
LOOKED = {"id": "call-2", "name": "look", "arguments": '{"where": "up"}'}


def message(role="assistant", **content):
    if role == "assistant":
        content = {"text": "", "reasoning": [], "calls": []} | content
    return Message(id=ID, role=role, content=content, created_at=NOON, run_id="run-1", step_id="step-1", event_seq=100)


def kinds(items):
    return [item["message_type"] for item in items]


def test_every_object_has_its_envelope():
    [item] = parts(message(text="hi"))
    assert {name: item[name] for name in ("id", "date", "run_id", "step_id", "seq_id")} == {
        "id": ID,
        "date": "2026-03-01T12:00:00+00:00",
        "run_id": "run-1",
        "step_id": "step-1",
        "seq_id": 100,
    }
    assert item["sender_id"] is item["is_err"] is None


def test_an_answer_is_told_in_the_order_of_thought_text_speech_calls():
    thought = {"text": "Hm.", "signature": "sealed"}
    items = parts(message(text="Well,", reasoning=[thought], calls=[LOOKED, SENT]))
    assert kinds(items) == [
        "reasoning_message",
        "reasoning_message",
        "assistant_message",
        "assistant_message",
        "tool_call_message",
    ]
    assert [item.get("reasoning") or item.get("content") for item in items[:4]] == ["Hm.", "Greet.", "Well,", "Hello"]
    assert items[4]["tool_calls"] == [{"name": "look", "arguments": '{"where": "up"}', "tool_call_id": "call-2"}]
    assert [item["seq_id"] for item in items] == [100, 101, 102, 103, 104]


def test_thoughts_are_taken_out_of_arguments():
    thinking = LOOKED | {"arguments": '{"thinking": "Up there?", "where": "up"}'}
    [thought, call] = parts(message(calls=[thinking]))
    assert thought["reasoning"] == "Up there?"
    assert json.loads(call["tool_call"]["arguments"]) == {"where": "up"}


def test_a_redacted_thought_is_shown_as_hidden():
    [item] = parts(message(reasoning=[{"text": "", "redacted": "xyz"}]))
    assert (item["message_type"], item["state"], item["hidden_reasoning"]) == (
        "hidden_reasoning_message",
        "redacted",
        "xyz",
    )


def test_speech_can_be_shown_as_the_tool_call_that_it_is():
    view = View.of({"use_assistant_message": False})
    assert kinds(parts(message(calls=[SENT]), view)) == ["reasoning_message", "tool_call_message"]


def test_a_client_may_speak_through_a_tool_of_its_own():
    view = View.of({"assistant_message_tool_name": "look", "assistant_message_tool_kwarg": "where"})
    assert parts(message(calls=[LOOKED]), view)[0]["content"] == "up"


@pytest.mark.parametrize(
    ("status", "view", "expected"),
    [
        ("success", {}, []),
        ("error", {}, ["tool_return_message"]),
        ("success", {"use_assistant_message": False}, ["tool_return_message"]),
    ],
)
def test_the_return_of_speech_is_shown_only_when_it_says_something(status, view, expected):
    row = message("tool", call_id="call-1", name="send_message", status=status, text="Sent.")
    assert kinds(parts(row, View.of(view))) == expected


def test_a_tool_s_return():
    [item] = parts(message("tool", call_id="call-2", name="look", status="error", text="Dark.", stdout=["x"]))
    told = {"tool_return": "Dark.", "status": "error", "tool_call_id": "call-2", "stdout": ["x"], "stderr": None}
    assert {name: item[name] for name in told} == told
    assert item["tool_returns"] == [{"type": "tool"} | told]


def test_an_empty_answer_shows_nothing():
    assert parts(message()) == []


def test_types_that_were_not_asked_for_are_left_out():
    view = View.of({"include_return_message_types": ["assistant_message"]})
    assert kinds(shown([message(text="Well,", calls=[LOOKED])], view)) == ["assistant_message"]


@given(st.text(), st.text())
def test_whatever_a_model_wrote_as_arguments_can_be_shown(name, arguments):
    call = {"id": "call-1", "name": name, "arguments": arguments}
    items = parts(message(calls=[call, call | {"name": "send_message"}]))
    json.dumps(items)
    assert items


@given(st.uuids(version=4), st.integers(0, 127), st.integers(0, 127))
def test_otids_of_one_message_differ_by_place(made, one, other):
    first, second = otid(f"message-{made}", one), otid(f"message-{made}", other)
    assert (first == second) == (one == other)
    assert str(uuid.UUID(first)) == first
