"""What the sweep finds: work that nobody was told of, and nothing else."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from agents import endings
from agents.errors import LLMError
from agents.models import Inbox, Run
from tests.agents import given
from tests.agents.loop.doubles import says
from workers.sweep import BATCH, SWEEP, due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent():
    return given.agent()


def found(agent, patience=0.0):
    """Whether the sweep finds the agent's conversation."""
    return due(patience) == [given.place(agent).id]


def test_nothing_to_do_is_not_found(agent):
    assert due(0) == []


def test_a_lost_hint_is_found(agent):
    given.said(agent)
    assert not found(agent, patience=60)  # a worker may be on its way
    assert found(agent)


def test_what_was_found_is_given_out_once_at_a_time(agent):
    given.said(agent)
    Inbox.objects.update(hinted_at=None)
    assert found(agent, patience=60)
    assert due(60) == []


def test_a_conversation_under_work_is_left_alone(agent):
    given.said(agent)
    given.claimed(agent)
    assert not found(agent)


def test_a_dead_worker_s_conversation_is_found(agent):
    given.said(agent)
    given.claimed(agent, lease=0)
    assert found(agent)


def test_a_wait_is_found_when_it_is_over(agent):
    given.said(agent)
    endings.postpone(given.claimed(agent), 30, LLMError("rate_limit", "Slow down."))
    assert not found(agent)
    Inbox.objects.update(ready_at=timezone.now() - timedelta(seconds=1))
    assert found(agent)


def test_a_run_past_its_deadline_is_found_while_it_waits(agent):
    given.said(agent)
    endings.postpone(given.claimed(agent), 600, LLMError("rate_limit", "Slow down."))
    Run.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert found(agent)


def test_a_conversation_that_is_done_is_not_found(agent):
    given.said(agent)
    given.advance(agent, says("hi"))
    assert not found(agent)


def test_the_next_run_of_a_conversation_is_found(agent):
    given.said(agent, "one")
    given.said(agent, "two")
    given.advance(agent, says("hi"))
    assert found(agent)


def test_the_longest_waiting_comes_first(agent):
    late = given.agent(organization=given.organization("Globex"))
    given.said(late)
    given.said(agent)
    Inbox.objects.filter(conversation=given.place(agent)).update(ready_at=timezone.now() - timedelta(minutes=1))
    # The rows of an UPDATE come back in no promised order; what is promised is whom a full batch leaves out.
    with connection.cursor() as cursor:
        cursor.execute(SWEEP, [0, 1])
        assert cursor.fetchall() == [(given.place(agent).id,)]


def test_a_conversation_in_another_s_hands_is_skipped_not_waited_for(agent):
    given.said(agent)
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM agents_inbox FOR UPDATE")
        assert due(0) == []
    finally:
        other.rollback()
        other.close()
    assert found(agent)


IDLE = """
WITH lanes AS (
     INSERT INTO agents_conversation (id, organization_id, agent_id, is_default, created_at, updated_at, epoch, owner,
                                      next_seq, context_from)
     SELECT 'conv-' || gen_random_uuid(), %s, %s, false, now(), now(), 0, '', 2, 2 FROM generate_series(1, 20000)
     RETURNING id)
INSERT INTO agents_inbox (conversation_id, next_run_seq) SELECT id, 1 FROM lanes
"""


def test_conversations_with_nothing_to_do_cost_the_sweep_nothing():
    agent = given.agent()
    given.said(agent)
    with connection.cursor() as cursor:
        cursor.execute(IDLE, [agent.organization_id, agent.id])
        cursor.execute("ANALYZE agents_inbox, agents_conversation")
        cursor.execute(f"EXPLAIN {SWEEP}", [0, BATCH])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "inbox_ready" in plan
    assert "Seq Scan" not in plan
