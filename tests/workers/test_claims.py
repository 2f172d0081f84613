"""Leases and epochs: one worker per conversation, and what a step costs in statements."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import accepting, advancing
from agents.models import Run
from memory.models import Block
from tests.agents import given
from tests.agents.loop.doubles import Script, calls, says
from workers.claims import Holds, claim

pytestmark = pytest.mark.django_db(transaction=True)

MOST_STATEMENTS = 9


def test_a_conversation_has_one_holder():
    agent = given.agent()
    given.said(agent)
    turn = given.claimed(agent)
    assert claim(given.place(agent).id, "worker-2", 30) is None
    assert given.place(agent).owner == "worker-1"
    assert given.place(agent).epoch == turn.hold.epoch


def test_of_many_workers_one_gets_it():
    conversation = given.place(given.agent())
    accepting.accept(conversation, given.offer())

    def one(number):
        try:
            return claim(conversation.id, f"worker-{number}", 30)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        turns = [turn for turn in threads.map(one, range(16)) if turn]
    assert len(turns) == 1
    assert Run.objects.get().claims == 1


def test_a_lease_that_is_over_may_be_taken_and_raises_the_epoch():
    agent = given.agent()
    given.said(agent)
    first = given.claimed(agent, lease=0)
    second = given.claimed(agent, "worker-2")
    assert second.hold.epoch == first.hold.epoch + 1
    assert given.place(agent).owner == "worker-2"


def test_a_conversation_that_does_not_exist_is_no_error():
    assert claim("conv-00000000-0000-4000-8000-000000000000", "worker-1", 30) is None


# Holds


def test_a_hold_is_in_the_book_while_it_lasts():
    agent = given.agent()
    given.said(agent)
    holds = Holds("worker-1", 30)
    seen = []
    assert holds.run(given.place(agent).id, lambda turn, abort: seen.append(len(holds)))
    assert (seen, len(holds)) == ([1], 0)


def test_a_hold_leaves_the_book_when_its_work_fails():
    agent = given.agent()
    given.said(agent)
    holds = Holds("worker-1", 30)

    def work(turn, abort):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        holds.run(given.place(agent).id, work)
    assert len(holds) == 0


def test_a_second_hint_at_the_same_conversation_finds_nothing_to_do():
    agent = given.agent()
    given.said(agent)
    place, holds = given.place(agent).id, Holds("worker-1", 30)
    seen = []
    holds.run(place, lambda turn, abort: seen.append(holds.run(place, lambda turn, abort: None)))
    assert seen == [False]


def test_an_abort_reaches_the_turn_it_is_meant_for():
    agent = given.agent()
    run, later = given.said(agent), given.said(agent)
    place, holds = given.place(agent).id, Holds("worker-1", 30)
    reasons = []

    def work(turn, abort):
        holds.abort(later.id, "cancelled")
        reasons.append(abort.reason)
        holds.abort(run.id, "cancelled")
        reasons.append(abort.reason)

    holds.run(place, work)
    assert reasons == [None, "cancelled"]


def test_a_process_that_stops_claims_nothing_and_ends_every_wait():
    agent = given.agent()
    given.said(agent)
    place, holds = given.place(agent).id, Holds("worker-1", 30)
    reasons = []

    def work(turn, abort):
        holds.stop()
        reasons.append(abort.reason)

    assert holds.run(place, work)
    assert reasons == ["shutdown"]
    assert not holds.run(place, work)


# What a step costs


def statements(agent, *answers):
    """The statements of all steps of the turn, from the claim to the close, without those that frame transactions."""
    place, holds, script = given.place(agent).id, Holds("worker-1", 30), Script(*answers)
    counts = []
    for _ in answers:
        with CaptureQueriesContext(connection) as captured:
            holds.run(place, lambda turn, abort: advancing.advance(turn, given.Outfit(script), abort))
        texts = [query["sql"].lstrip() for query in captured.captured_queries]
        counts.append([text for text in texts if text.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")])
    return counts


def listed(step):
    return "\n".join([f"{len(step)} statements", *(text[:150] for text in step)])


@pytest.mark.parametrize("earlier", [0, 3])
def test_a_plain_step_costs_at_most_9_statements(earlier):
    agent = given.agent("core_memory_append", human="Ann")
    for number in range(earlier):
        given.said(agent, f"message {number}")
        given.advance(agent, says("yes"))
    given.said(agent)
    [step] = statements(agent, says("hello"))
    assert len(step) <= MOST_STATEMENTS, listed(step)


def test_a_step_that_edits_memory_costs_at_most_3_statements_more():
    agent = given.agent("core_memory_append")
    given.said(agent)
    edit = calls(("core_memory_append", {"label": "human", "content": "likes tea"}))
    steps = statements(agent, edit, says("Noted"))
    assert Block.objects.get().value == "likes tea"
    for step in steps:
        assert len(step) <= MOST_STATEMENTS + 3, listed(step)
