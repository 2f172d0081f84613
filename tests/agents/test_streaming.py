"""The workers' end of the wire: few round trips, nothing private, and never an error."""

import json
from datetime import UTC, datetime

import pytest
import redis
from django.conf import settings

from accounts.fields import new_id
from agents import streaming
from agents.advancing import advance
from agents.loop.events import CallDelta, CallStart, ReasoningDelta, TextDelta
from agents.loop.ports import Abort
from agents.models import Conversation, Run, Step
from agents.streaming import Publisher, Wires, channel
from agents.turns import Hold, Turn
from tests.agents import given
from tests.agents.loop.doubles import Script, says
from tests.live.processes import free_port


class Recorder:
    def __init__(self):
        self.batches = []

    def send(self, run_id, entries, kept=True):
        self.batches.append(entries)

    @property
    def entries(self):
        return [entry for batch in self.batches for entry in batch]


def publisher(options=None, again=False, background=False, **step):
    run = Run(id="run-1", claims=1, options=options or {}, background=background)
    made = Step(
        id="step-00000000-0000-4000-8000-000000000000", no=1, created_at=datetime(2026, 3, 1, tzinfo=UTC), **step
    )
    wires = Recorder()
    return Publisher(wires, Turn(Hold("conv-1", 1), Conversation(id="conv-1"), run, made, is_again=again)), wires


@pytest.fixture
def slow(monkeypatch):
    """Everything between two flushes is gathered."""
    monkeypatch.setattr(streaming, "UNHURRIED_SECONDS", 3600)


@pytest.mark.parametrize(
    ("options", "background", "batches"), [({}, False, 0), ({"stream_tokens": True}, False, 1), ({}, True, 1)]
)
def test_pieces_hurry_only_to_those_who_asked_for_them(options, background, batches):
    made, wires = publisher(options, background=background)
    made.emit(TextDelta("a"))
    assert len(wires.batches) == batches


def test_pieces_of_one_text_are_gathered(slow):
    made, wires = publisher()
    made.flush()
    for word in ("a", "b", "c"):
        made.emit(TextDelta(word))
    made.emit(ReasoningDelta("hm"))
    made.flush()
    [text, thought] = wires.entries
    assert (text["data"]["content"], text["at"], thought["data"]["reasoning"]) == ("abc", 0, "hm")
    assert text["data"]["seq_id"] < thought["data"]["seq_id"]


def test_pieces_of_two_calls_are_kept_apart(slow):
    made, wires = publisher()
    made.flush()
    for event in (CallStart(0, "look"), CallDelta(0, "{"), CallDelta(0, "}"), CallStart(1, "sing"), CallDelta(1, "{}")):
        made.emit(event)
    made.flush()
    pieces = [
        (entry["data"]["tool_call"].get("name"), entry["data"]["tool_call"].get("arguments")) for entry in wires.entries
    ]
    assert pieces == [("look", None), (None, "{}"), ("sing", None), (None, "{}")]
    assert [entry["at"] for entry in wires.entries] == [0, 4, 0, 4]


def test_speech_is_not_shown_as_arguments():
    made, wires = publisher()
    made.emit(CallStart(0, "send_message"))
    made.emit(CallDelta(0, '{"thinking": "private"'))
    made.flush()
    assert wires.entries == []


def test_types_that_were_not_asked_for_are_not_shown_in_pieces_either():
    made, wires = publisher({"include_return_message_types": ["assistant_message"]})
    made.emit(ReasoningDelta("hm"))
    made.emit(TextDelta("hi"))
    made.flush()
    assert [entry["data"]["message_type"] for entry in wires.entries] == ["assistant_message"]


@pytest.mark.parametrize(
    ("again", "status", "kinds"), [(True, "open", ["restart"]), (True, "responded", []), (False, "open", [])]
)
def test_an_answer_that_begins_anew_is_announced(again, status, kinds):
    _, wires = publisher(again=again, status=status)
    assert [entry["kind"] for entry in wires.entries] == kinds


def test_what_is_sent_is_kept_for_later_readers():
    run_id = new_id("run")
    Wires(settings.REDIS_URL, 60).send(run_id, [{"kind": "event", "data": {"content": "é\ud800"}}])
    client = redis.Redis.from_url(settings.REDIS_URL)
    [(_, fields)] = client.xrange(channel(run_id))
    assert json.loads(fields[b"e"])[0]["data"]["content"] == "é?"
    assert 0 < client.ttl(channel(run_id)) <= 60


@pytest.fixture
def nobody():
    """Wires that lead nowhere."""
    return Wires(f"redis://127.0.0.1:{free_port()}/0", 60)


def test_without_redis_nothing_fails_and_nothing_is_waited_for_twice(nobody, caplog):
    for _ in range(5):
        nobody.send("run-1", [{"kind": "event", "data": {}}])
    assert len(caplog.records) == 1
    nobody.tell_cancel("conv-1")


@pytest.mark.django_db(transaction=True)
def test_a_run_completes_without_redis(nobody):
    agent = given.agent()
    run = given.said(agent)
    advance(given.claimed(agent), given.Outfit(Script(says("hi")), nobody), Abort())
    assert given.ended(run) == ("completed", "end_turn", None)
