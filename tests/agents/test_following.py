"""Readers: whatever is lost, doubled or late on the wire, a client is sent every message once and whole."""

import asyncio
import json
import random
from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from agents import endings, following, streaming
from agents.cancelling import cancel
from agents.events import CLAIM, durable_events
from agents.following import Hub, Reader, follow
from agents.loop.events import CallDelta, CallStart, Done, ReasoningDelta, ReasoningEnd, TextDelta
from agents.loop.messages import Reply
from agents.loop.reply import fold
from agents.models import Conversation, Run, Step
from agents.rows import reply_row
from agents.streaming import Publisher, channel
from agents.turns import Hold, Turn
from agents.wire import parts
from tests.agents import given
from tests.agents.loop.doubles import Script, call, calls, says

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _every_delta_by_itself(monkeypatch):
    monkeypatch.setattr(streaming, "TOKEN_SECONDS", 0)
    monkeypatch.setattr(streaming, "UNHURRIED_SECONDS", 0)


class Recorder:
    """The wires of a worker, kept."""

    def __init__(self):
        self.entries = []

    def send(self, run_id, entries, kept=True):
        self.entries += entries


def turn_of(claims=1):
    run = Run(id="run-1", claims=claims, options={})
    step = Step(id="step-00000000-0000-4000-8000-000000000000", run_id=run.id, no=1, created_at=NOON)
    return Turn(Hold("conv-1", 1), Conversation(id="conv-1"), run, step)


def published(*events, claims=1):
    """What goes over the wire for an answer: its deltas, then the message; the message's objects beside."""
    turn, wires = turn_of(claims), Recorder()
    publisher = Publisher(wires, turn)
    reply = fold([*events, Done()], publisher.emit, turn.call_id)
    publisher.flush()
    row = reply_row(turn.step, "conv-1", reply, id=turn.answer_id, seq=2)
    row.event_seq = turn.number(max(1, len(parts(row))))
    publisher.committed([row], None)
    return [entry for entry in wires.entries if entry["kind"] != "rows"], parts(row)


def read(entries, reader=None):
    reader = reader or Reader(tokens=True)
    return [data for entry in entries for data in reader.take(entry)]


def texts(events):
    """By kind, all that a client has when it joins what it was sent."""
    joined = defaultdict(str)
    for event in events:
        if event["message_type"] == "tool_call_message":
            continue
        joined[event["message_type"]] += event.get("content") or event.get("reasoning") or ""
    return dict(joined)


def numbers(events):
    return [event["seq_id"] for event in events]


def is_increasing(found):
    return all(one < later for one, later in pairwise(found))


# An answer as a model may give it: thoughts that end, then text, in pieces.
pieces = st.lists(st.text("ab \u00e9", min_size=1, max_size=4), max_size=6)
answers = st.tuples(st.lists(pieces, max_size=3), pieces).map(
    lambda made: [
        *(event for thought in made[0] for event in [*map(ReasoningDelta, thought), ReasoningEnd()]),
        *map(TextDelta, made[1]),
    ]
)


@for_all(answers, st.data())
def test_whatever_deltas_are_lost_the_texts_are_whole(events, data):
    entries, messages = published(*events)
    lost = data.draw(st.sets(st.sampled_from(range(len(entries))))) if entries else set()
    kept = [entry for index, entry in enumerate(entries) if entry["kind"] != "delta" or index not in lost]
    sent = read(kept)
    assert texts(sent) == texts(messages)
    assert is_increasing(numbers(sent))


@for_all(answers, st.data())
def test_what_comes_twice_is_sent_once(events, data):
    """As when the stream of a run is read while its channel is listened to: any stretch may come again."""
    entries, messages = published(*events)
    start = data.draw(st.integers(0, len(entries)))
    end = data.draw(st.integers(start, len(entries)))
    sent = read([*entries[:end], *entries[start:]])
    assert texts(sent) == texts(messages)
    assert is_increasing(numbers(sent))


@for_all(answers, st.data())
def test_rows_that_are_faster_than_the_wire(events, data):
    """The messages are read from Postgres while deltas are still on their way."""
    entries, messages = published(*events)
    at = data.draw(st.integers(0, len(entries)))
    rows = [{"kind": "event", "data": message} for message in messages]
    sent = read([*entries[:at], *rows, *entries[at:]])
    assert texts(sent) == texts(messages)
    assert is_increasing(numbers(sent))


@for_all(answers, st.data())
def test_a_client_that_comes_back_goes_on_where_it_was(events, data):
    entries, messages = published(*events)
    first = read(entries[: data.draw(st.integers(0, len(entries)))])
    seen = first[-1]["seq_id"] if first else 0
    rest = read(entries, Reader(seen, tokens=True))
    assert texts([*first, *rest]) == texts(messages)
    assert is_increasing(numbers([*first, *rest]))


@for_all(answers)
def test_without_tokens_only_whole_messages(events):
    entries, messages = published(*events)
    assert read(entries, Reader()) == messages


def arguments_of(sent):
    """By call id: name and arguments, as a client joins them."""
    joined = defaultdict(str)
    for event in sent:
        if event["message_type"] == "tool_call_message":
            call = event["tool_call"]
            joined[call["tool_call_id"]] += (call.get("name") or "") + (call.get("arguments") or "")
    return list(joined.values())


def two_calls():
    return published(
        CallStart(0, "look"),
        CallDelta(0, '{"where":'),
        CallDelta(0, '"up"}'),
        CallStart(1, "sing"),
        CallDelta(1, "{}"),
    )


def test_calls_that_were_shown_in_pieces_are_not_shown_again():
    entries, _ = two_calls()
    sent = read([*entries[:2], *entries])
    assert arguments_of(sent) == ['look{"where":"up"}', "sing{}"]


@pytest.mark.parametrize("lost", [0, 1])
def test_calls_of_which_a_piece_was_lost_are_shown_whole(lost):
    entries, messages = two_calls()
    deltas = [entry for entry in entries if entry["kind"] == "delta"]
    assert len(deltas) > 1
    sent = read([entry for entry in entries if entry is not deltas[lost]])
    assert sent[-1] == messages[-1]


def test_a_restart_takes_back_what_was_shown():
    first, _ = published(TextDelta("Once upon"))
    second, messages = published(TextDelta("Once more"), claims=2)
    restart = {"kind": "restart", "data": {"message_type": "step_restarted", "seq_id": 2 * CLAIM}}
    sent = read([first[0], restart, *second])
    after = [event["message_type"] for event in sent].index("step_restarted") + 1
    assert texts(sent[after:]) == texts(messages)


def test_the_last_entry_ends_a_reader_that_has_heard_the_end():
    reader = Reader()
    end = {"kind": "event", "data": {"message_type": "stop_reason", "stop_reason": "end_turn", "seq_id": 9}}
    done = {"kind": "done", "data": {"run_id": "run-1", "seq_id": 9}, "count": 0}
    reader.take(done)
    assert not reader.done  # what is missing must be read from the rows first
    reader.take(end)
    reader.take(done)
    assert reader.done


# With a real Valkey and a real Postgres


async def collected(run_id, **options):
    return [event async for event in follow(run_id, **options)]


@pytest.mark.django_db(transaction=True)
async def test_a_run_is_followed_while_it_goes_on_and_afterwards(tmp_path):
    agent = await sync_to_async(given.agent)("set_lamp")
    run = await sync_to_async(given.said)(agent)
    live = asyncio.create_task(collected(run.id, tokens=True))
    await asyncio.sleep(0)
    await sync_to_async(given.advance)(agent, calls(("set_lamp", {"folder": str(tmp_path)})), says("It is on now"))
    heard = await asyncio.wait_for(live, 20)
    later = await asyncio.wait_for(collected(run.id), 20)
    stored = await sync_to_async(lambda: list(durable_events(given.fresh(run))))()
    assert later == stored
    assert texts(heard) == texts(stored)
    assert is_increasing(numbers(heard))
    kinds = [event["message_type"] for event in heard]
    assert kinds[-2:] == ["stop_reason", "usage_statistics"]


@pytest.mark.django_db(transaction=True)
async def test_resuming_gives_what_is_behind_the_number_and_nothing_else():
    agent = await sync_to_async(given.agent)()
    run = await sync_to_async(given.said)(agent)
    await sync_to_async(given.advance)(agent, says("hi"))
    events = await asyncio.wait_for(collected(run.id), 20)
    for index, event in enumerate(events):
        assert await asyncio.wait_for(collected(run.id, after=event["seq_id"]), 20) == events[index + 1 :]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_held", [True, False])
async def test_the_returns_that_a_cancel_gives_open_calls_are_told(is_held):
    def until_the_bell():
        agent = given.agent("ring_bell")
        run = given.said(agent)
        turn = given.claimed(agent, lease=given.LONG if is_held else 0)
        outfit = given.Outfit(Script())
        turn.committed = Publisher(outfit.wires, turn).committed
        answer = Reply(calls=(call("ring_bell", id=turn.call_id(0)),))
        given.ledger(turn).commit(answer, [], [given.admitted(turn, "ring_bell")])
        return run, turn, outfit.wires

    def stop(run, turn, wires):
        cancel(run.id, wires)
        if is_held:
            endings.cancel(turn)

    run, turn, wires = await sync_to_async(until_the_bell)()
    live = asyncio.create_task(collected(run.id, tokens=True))
    await asyncio.sleep(0.2)
    await sync_to_async(stop)(run, turn, wires)
    heard = await asyncio.wait_for(live, 20)
    assert [event["message_type"] for event in heard] == ["tool_call_message", "tool_return_message", "stop_reason"]


@pytest.fixture
async def unpolled_hub(monkeypatch):
    """A hub whose listeners hear of Redis' messages alone, and whose subscriptions take their time."""

    def slowed(command):
        async def run(*channels):
            await asyncio.sleep(0.001)
            await command(*channels)

        return run

    monkeypatch.setattr(following, "POLL_SECONDS", 1e6)
    hub = Hub()
    for name in ("subscribe", "unsubscribe"):
        monkeypatch.setattr(hub._pubsub, name, slowed(getattr(hub._pubsub, name)))
    yield hub
    for task in hub._tasks:
        task.cancel()


async def test_a_listener_hears_although_others_come_leave_and_are_cancelled(unpolled_hub):
    dice = random.Random(1)

    async def visit():
        async with asyncio.timeout(dice.random() * 0.004), unpolled_hub.listen("run-1"):
            await asyncio.sleep(dice.random() * 0.004)

    publisher = redis.Redis.from_url(settings.REDIS_URL)
    for number in range(200):
        visitors = [asyncio.create_task(visit()) for _ in range(3)]
        await asyncio.sleep(dice.random() * 0.004)
        async with unpolled_hub.listen("run-1") as queue:
            await asyncio.gather(*visitors, return_exceptions=True)
            publisher.publish(channel("run-1"), json.dumps([{"number": number}]))
            assert await asyncio.wait_for(queue.get(), 5) == [{"number": number}]


@pytest.mark.django_db(transaction=True)
async def test_a_reader_whom_redis_tells_nothing_is_told_of_the_rows(monkeypatch):
    monkeypatch.setattr(following, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(Hub, "_read", lambda hub: asyncio.sleep(3600))
    agent = await sync_to_async(given.agent)()
    run = await sync_to_async(given.said)(agent)
    live = asyncio.create_task(collected(run.id))
    await asyncio.sleep(0.2)
    await sync_to_async(given.advance)(agent, says("hi"))
    heard = await asyncio.wait_for(live, 20)
    assert [event["message_type"] for event in heard] == ["assistant_message", "stop_reason", "usage_statistics"]


@pytest.mark.django_db(transaction=True)
async def test_the_tasks_that_readers_need_outlive_any_error(monkeypatch):
    failures = iter([RuntimeError("odd"), ValueError("odder")])

    def progress_of(run_ids):
        for error in failures:
            raise error
        return actual(run_ids)

    actual = following.progress_of
    monkeypatch.setattr(following, "progress_of", progress_of)
    monkeypatch.setattr(following, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(Hub, "_read", lambda hub: asyncio.sleep(3600))
    agent = await sync_to_async(given.agent)()
    run = await sync_to_async(given.said)(agent)
    live = asyncio.create_task(collected(run.id))
    await asyncio.sleep(0.2)
    await sync_to_async(given.advance)(agent, says("hi"))
    assert await asyncio.wait_for(live, 20)
