"""The loop's values as rows and back."""

import pytest

from agents.loop.messages import Message, Reasoning, Reply
from agents.models import Step
from agents.rows import SEARCHABLE_CHARS, flat_text, input_row, reply_row, return_row, said
from tools.spec import ToolCall, ToolReturn

STEP = Step(id="step-1", run_id="run-1", organization_id="org-1", agent_id="agent-1")
CALL = ToolCall("call_x00", "look", '{"where": "up"}')


def again(row):
    return said(row.role, row.content, row.name)


def test_an_answer_comes_back_as_it_was():
    thoughts = (Reasoning("Hm.", "sealed"), Reasoning("", redacted="xyz"))
    row = reply_row(STEP, "conv-1", Reply("Well,", thoughts, (CALL,)), id="message-1", seq=2)
    assert again(row) == Message("assistant", "Well,", thoughts, (CALL,))
    assert (row.run_id, row.step_id, row.organization_id, row.conversation_id) == ("run-1", "step-1", "org-1", "conv-1")


def test_a_return_comes_back_as_it_was():
    returned = ToolReturn("call_x07", "look", "error", "Dark.", ["out"], None)
    row = return_row(STEP, "conv-1", returned, id="message-1", seq=2)
    assert again(row) == Message("tool", "Dark.", returned=returned)
    assert row.call_index == 7


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("user", Message("user", "hi", name="Ann")),
        ("assistant", Message("assistant", "hi", name="Ann")),
        ("system", Message("user", '{"type": "system_message", "message": "hi"}')),
    ],
)
def test_input_of_each_role(role, expected):
    accepted = {"id": "message-1", "role": role, "content": "hi", "name": "Ann", "otid": None}
    assert again(input_row(STEP, "conv-1", accepted, seq=2, index=0)) == expected


def test_images_stay_in_what_the_user_said_and_out_of_what_is_searched():
    content = [
        {"type": "text", "text": "Look:"},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "text", "text": "Nice?"},
    ]
    row = input_row(STEP, "conv-1", {"id": "message-1", "role": "user", "content": content}, seq=2, index=0)
    assert again(row).content == content
    assert row.text == flat_text(content) == "Look:\nNice?"


def test_speech_is_searchable():
    spoken = ToolCall("call_x00", "send_message", '{"message": "Good morning"}')
    assert reply_row(STEP, "conv-1", Reply("", calls=(spoken,)), id="message-1", seq=2).text == "Good morning"


@pytest.mark.parametrize("arguments", ["", "{", "[]", "{}", '"text"', "[" * 100_000])
def test_speech_that_cannot_be_read_is_not_searched(arguments):
    spoken = ToolCall("call_x00", "send_message", arguments)
    assert reply_row(STEP, "conv-1", Reply("", calls=(spoken,)), id="message-1", seq=2).text == ""


def test_what_is_searched_has_a_longest_length():
    row = reply_row(STEP, "conv-1", Reply("x" * 300_000), id="message-1", seq=2)
    assert (len(row.text), len(row.content["text"])) == (SEARCHABLE_CHARS, 300_000)
