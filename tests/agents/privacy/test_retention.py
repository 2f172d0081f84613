"""Old rows are deleted where it is wanted, a few at a time, and never what is still needed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Purge, Retention
from agents.errors import LLMError
from agents.models import Approval, Callback, Conversation, Message, Run, Step
from agents.privacy import retention
from memory.models import Block, BlockVersion
from tests.agents import given
from tests.agents.loop.doubles import calls, says

pytestmark = pytest.mark.django_db(transaction=True)

YEAR = timedelta(days=365)


def rule(agent, **days):
    return Retention.objects.create(organization=agent.organization, **days)


def aged(rows=Run):
    """Everything was a year ago."""
    past = timezone.now() - YEAR
    columns = {"created_at": past} | ({"completed_at": past} if rows is Run else {})
    rows.objects.update(**columns)


def purged(batches=100):
    done = 0
    while retention.purge_some():
        done += 1
        assert done < batches, "the purge does not come to an end"


def talked(agent, turns=3):
    for number in range(turns):
        given.said(agent, f"question {number}")
        given.advance(agent, says(f"answer {number}"))


def test_without_a_rule_nothing_is_deleted():
    agent = given.agent()
    talked(agent)
    aged()
    assert retention.purge_some() is False
    rule(agent)
    purged()
    assert (Run.objects.count(), Purge.objects.count()) == (3, 0)


def test_ended_runs_leave_with_their_steps_and_what_was_said_stays():
    agent = given.agent()
    talked(agent)
    aged()
    given.said(agent, "young")
    given.advance(agent, says("yes"))
    rule(agent, runs_days=30)
    purged()
    assert (Run.objects.count(), Step.objects.count()) == (1, 1)
    assert len(given.transcript(agent)) == 8
    [purge] = Purge.objects.all()
    assert (purge.kind, purge.deleted["run"], purge.deleted["step"]) == ("runs", 3, 3)
    assert purge.ended_at
    given.said(agent, "and now?")
    assert len(given.advance(agent, says("fine")).asked[0].messages) == 9


def test_a_run_that_goes_on_or_is_waited_for_stays():
    agent = given.agent()
    talked(agent, 2)
    first, second = Run.objects.order_by("seq")
    live = given.said(agent, "still open")
    Run.objects.filter(id=second.id).update(asked_by=live, is_awaited=True)
    Callback.objects.create(run=first, organization=agent.organization, url="https://x", next_at=timezone.now())
    aged()
    rule(agent, runs_days=1)
    purged()
    assert set(Run.objects.values_list("id", flat=True)) == {first.id, second.id, live.id}
    Callback.objects.update(next_at=None)
    Retention.objects.update(due_at=timezone.now())
    purged()
    assert set(Run.objects.values_list("id", flat=True)) == {second.id, live.id}


def test_a_run_whose_calls_wait_for_an_answer_stays():
    agent = given.agent("send_message")
    approval = given.waits_for_leave(agent)
    aged()
    aged(Message)
    rule(agent, runs_days=1, messages_days=1)
    Conversation.objects.update(context_from=1000)  # whatever may have moved it
    purged()
    assert Run.objects.filter(id=approval.asked_by_id).exists()
    assert Approval.objects.filter(id=approval.id).exists()


def test_messages_leave_when_they_are_out_of_context():
    agent = given.agent()
    talked(agent, 4)
    given.said(agent, "and now?")
    given.advance(agent, LLMError("context_overflow", "Too long."), says("They asked a lot."), says("fine"))
    Conversation.objects.update(context_from=given.place(agent).next_seq - 1)  # beyond the summary, which stays
    before = given.place(agent)
    assert before.summary_seq < before.context_from
    aged(Message)
    rule(agent, messages_days=30)
    purged()
    left = list(Message.objects.order_by("seq").values_list("role", "seq"))
    assert [role for role, _ in left][:1] == ["system"]
    assert ("summary", before.summary_seq) in left
    assert all(seq >= before.context_from for role, seq in left if role not in ("system", "summary"))
    assert Purge.objects.get().deleted["message"] > 2
    given.said(agent, "still there?")
    script = given.advance(agent, says("yes"))
    assert "They asked a lot." in script.asked[0].messages[0].content


def test_the_agent_is_told_what_it_can_still_search():
    agent = given.agent(human="Ann")
    talked(agent, 4)
    Conversation.objects.update(context_from=8)
    aged(Message)
    rule(agent, messages_days=30)
    purged()
    Block.objects.update(value="Bea")
    given.said(agent, "hello")
    assert "- 0 earlier messages" in given.advance(agent, says("yes")).asked[0].system


def test_versions_leave_but_the_newest():
    agent = given.agent(human="one")
    for value in ("two", "three"):
        Block.objects.update(value=value)
    aged(BlockVersion)
    rule(agent, block_versions_days=30)
    purged()
    assert list(BlockVersion.objects.values_list("value", flat=True)) == ["three"]
    assert Purge.objects.get().deleted == {"blockversion": 2}


def test_a_worker_that_dies_in_a_batch_has_done_nothing_and_the_next_goes_on(monkeypatch):
    agent = given.agent()
    talked(agent, 5)
    aged()
    rule(agent, runs_days=30)
    monkeypatch.setattr(retention, "RUNS_AT_ONCE", 2)
    retention.purge_some()

    def killed(name):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(retention, "faultpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            retention.purge_some()
    assert (Run.objects.count(), Purge.objects.get().deleted["run"]) == (3, 2)
    purged()
    assert (Run.objects.count(), Purge.objects.get().deleted["run"]) == (0, 5)


def test_rows_of_another_organization_stay():
    agent, other = given.agent(), given.agent()
    talked(agent)
    talked(other)
    aged()
    aged(Message)
    rule(agent, runs_days=1, messages_days=1)
    purged()
    assert Run.objects.filter(agent=other).count() == 3
    assert Run.objects.filter(agent=agent).count() == 0


def test_days_that_are_taken_back_stop_what_is_under_way(monkeypatch):
    agent = given.agent()
    talked(agent, 3)
    aged()
    rule(agent, runs_days=30)
    monkeypatch.setattr(retention, "RUNS_AT_ONCE", 1)
    retention.purge_some()
    Retention.objects.update(runs_days=None)
    purged()
    assert Run.objects.count() == 2


def test_calls_leave_whole_runs():
    agent = given.agent("ring_bell")
    given.said(agent)
    given.advance(agent, calls(("nothing_known", {})), says("done"))
    aged()
    rule(agent, runs_days=1)
    purged()
    assert Purge.objects.get().deleted["toolattempt"] == 1
