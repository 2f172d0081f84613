"""Agents that begin anew: what a run has in context, and what of it stays."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.accepting import Offer, accept
from agents.advancing import advance
from agents.api.agents import state
from agents.approvals import Answers
from agents.creation import create_conversation
from agents.loading import context_messages
from agents.loop.ports import Abort
from agents.models import Agent, Conversation, Message
from memory.recall import search
from tests.agents import given
from tests.agents.loop.doubles import Script, calls, says
from workers.claims import claim

pytestmark = pytest.mark.django_db(transaction=True)


def forgetful(*tools, **fields):
    return given.agent(*tools, **{"message_buffer_autoclear": True} | fields)


def told(script, index=-1):
    """What the model was sent with one of its calls."""
    return [message.content for message in script.asked[index].messages]


def in_context(place):
    return [row.text for row in Message.objects.filter(context_messages(place)).exclude(seq=1).order_by("seq")]


@pytest.mark.parametrize("fields", [{}, {"message_buffer_autoclear": False, "agent_type": "workflow_agent"}])
def test_a_run_does_not_know_what_was_said_before(fields):
    agent = forgetful(human="Ann", **fields)
    given.said(agent, "one")
    given.advance(agent, says("1"))
    given.said(agent, "two")
    script = given.advance(agent, says("2"))
    assert told(script) == ["two"]
    assert "Ann" in script.asked[-1].system
    assert in_context(given.place(agent)) == ["two", "2"]
    own = Message.objects.filter(agent=agent)
    assert [found.text for found in search(own, "one", ("user",), 5)] == ["one"]
    shown = state(agent, frozenset())
    assert shown["message_buffer_autoclear"] is True
    assert shown["message_ids"] == list(own.exclude(seq__in=[2, 3]).order_by("seq").values_list("id", flat=True))


def test_other_agents_know_it():
    agent = given.agent()
    given.said(agent, "one")
    given.advance(agent, says("1"))
    given.said(agent, "two")
    assert told(given.advance(agent, says("2"))) == ["one", "1", "two"]


def test_every_step_of_a_run_sees_all_of_it_whoever_takes_it():
    agent = forgetful("ring_bell")
    given.said(agent, "one")
    given.advance(agent, says("1"))
    given.said(agent, "two")
    given.claimed(agent, lease=0)  # a worker that dies before it has asked
    given.advance(agent, calls(("ring_bell", {})))
    given.claimed(agent, lease=0)  # and one between the steps
    script = given.advance(agent, says("2"))
    assert told(script)[0] == "two"
    assert [message.role for message in script.asked[-1].messages] == ["user", "assistant", "tool"]


def test_a_summary_is_left_behind_too():
    agent = forgetful()
    given.said(agent, "one")
    given.advance(agent, says("1"))
    place = given.place(agent)
    Message.objects.create(
        organization_id=agent.organization_id,
        agent=agent,
        conversation=place,
        seq=place.next_seq,
        role="summary",
        content={"summary": "They counted.", "stats": {}},
    )
    Conversation.objects.update(summary_seq=place.next_seq, context_from=place.next_seq, next_seq=place.next_seq + 1)
    given.said(agent, "two")
    assert told(given.advance(agent, says("2"))) == ["two"]
    assert given.place(agent).summary_seq is None


def test_an_answer_goes_on_with_what_the_asking_run_had():
    agent = forgetful("send_message")
    given.said(agent, "one")
    given.advance(agent, says("1"))
    given.waits_for_leave(agent)
    before = given.place(agent).context_from
    accept(given.place(agent), Offer(messages=[], options={}, kind="approval", answers=Answers(verdict=(True, None))))
    script = given.advance(agent, says("Rung."))
    assert told(script)[0] == "hello"
    assert [message.role for message in script.asked[-1].messages] == ["user", "assistant", "tool"]
    assert given.place(agent).context_from == before


def test_conversations_forget_each_for_itself():
    agent = forgetful()
    other = create_conversation(agent)
    for text in ("one", "two"):
        given.said(agent, text)
        given.advance(agent, says(f"to {text}"))
    accept(other, given.offer("three"))
    script = Script(says("3"))
    turn = claim(other.id, "worker-2", 30)
    advance(turn, given.Outfit(script), Abort())
    assert told(script) == ["three"]
    assert in_context(given.place(agent)) == ["two", "to two"]


def test_a_claim_costs_no_statement_more():
    def claimed(agent):
        given.said(agent)
        with CaptureQueriesContext(connection) as queries:
            given.claimed(agent)
        return len(queries)

    assert claimed(forgetful()) == claimed(given.agent(organization=given.organization("Globex")))


def test_the_setting_counts_from_the_next_run_on():
    agent = given.agent()
    given.said(agent, "one")
    given.advance(agent, says("1"))
    Agent.objects.update(message_buffer_autoclear=True)
    given.said(agent, "two")
    assert told(given.advance(agent, says("2"))) == ["two"]
