"""Cancelling against a real Postgres."""

import pytest
from django.conf import settings

from agents import advancing, endings
from agents.accepting import Offer, accept
from agents.approvals import Answers
from agents.cancelling import cancel
from agents.errors import Fenced
from agents.loop.ports import Abort
from agents.models import Inbox, Run, Step
from agents.streaming import Wires
from tests.agents import given
from tests.agents.loop.doubles import Script, calls, says
from tests.agents.test_ledger import reply
from workers.claims import claim

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wires():
    return Wires(settings.REDIS_URL, 60)


def test_a_run_that_nobody_took_is_cancelled_at_once(wires):
    agent = given.agent()
    run = given.said(agent)
    assert cancel(run.id, wires).status == "cancelled"
    assert given.ended(run) == ("cancelled", "cancelled", None)
    assert given.transcript(agent) == ["user: hello"]
    assert Inbox.objects.get().ready_at is None


def test_a_run_that_waits_behind_another_leaves_no_trace_in_the_conversation(wires):
    agent = given.agent()
    first, second = given.said(agent, "one"), given.said(agent, "two")
    given.claimed(agent)
    assert cancel(second.id, wires).status == "cancelled"
    assert given.fresh(first).status == "running"
    assert given.fresh(second).final_event_seq is not None
    assert given.transcript(agent) == ["user: one"]


def test_a_run_between_its_steps_is_cancelled_at_once(wires, tmp_path):
    agent = given.agent("set_lamp")
    run = given.said(agent)
    given.advance(agent, calls(("set_lamp", {"folder": str(tmp_path)})))
    assert cancel(run.id, wires).status == "cancelled"
    assert given.steps(run) == ["committed", "aborted"]
    assert given.fresh(run).steps_done == 1


def test_a_run_under_work_is_asked_for_and_ended_by_its_worker(wires):
    agent = given.agent()
    run = given.said(agent)
    turn = given.claimed(agent)
    assert cancel(run.id, wires).status == "running"
    assert given.fresh(run).cancel_requested_at is not None
    abort = Abort()
    abort.press("cancelled")
    advancing.advance(turn, given.Outfit(Script()), abort)
    assert given.ended(run) == ("cancelled", "cancelled", None)


def test_a_run_whose_worker_died_is_cancelled_and_its_calls_are_paired(wires):
    agent = given.agent("ring_bell", "set_lamp")
    run = given.said(agent)
    dead = given.claimed(agent, lease=0)
    answer = reply(dead, "ring_bell", "set_lamp")
    given.ledger(dead).commit(answer, [], [given.admitted(dead, "ring_bell")])
    assert cancel(run.id, wires).status == "cancelled"
    why = "The user cancelled the request, so this call was not completed."
    assert given.transcript(agent)[2:] == [f"tool: {why}"] * 2
    assert given.tries(run) == [("ring_bell", 1, "cancelled"), ("set_lamp", 1, "cancelled")]
    with pytest.raises(Fenced):
        endings.release(dead)


def test_cancelling_twice_or_after_the_end_changes_nothing(wires):
    agent = given.agent()
    done = given.said(agent)
    given.advance(agent, says("hi"))
    stopped = given.said(agent)
    cancel(stopped.id, wires)
    before = list(Run.objects.order_by("seq").values())
    assert cancel(done.id, wires).status == "completed"
    assert cancel(stopped.id, wires).status == "cancelled"
    assert list(Run.objects.order_by("seq").values()) == before


def test_the_runs_behind_a_cancelled_one_go_on(wires):
    agent = given.agent()
    first, second = given.said(agent, "one"), given.said(agent, "two")
    cancel(first.id, wires)
    assert Inbox.objects.get().ready_at is not None
    given.advance(agent, says("hi"))
    assert given.ended(second)[0] == "completed"


def test_nothing_is_left_to_claim_when_all_has_ended(wires):
    agent = given.agent()
    cancel(given.said(agent).id, wires)
    assert claim(given.place(agent).id, "worker-1", 30) is None
    assert given.place(agent).lease_until is None
    assert Step.objects.get().status == "aborted"


def test_a_run_that_an_answer_has_overtaken_is_cancelled_at_once(wires):
    agent = given.agent("send_message")
    overtaken = []
    approval = given.waits_for_leave(agent, queued=lambda: overtaken.append(given.said(agent, "and then?")))
    answers = Answers(verdict=(True, None), of=approval.id)
    answer = accept(given.place(agent), Offer([], {}, "approval", answers=answers))
    assert cancel(overtaken[0].id, wires).status == "cancelled"
    assert given.ended(overtaken[0]) == ("cancelled", "cancelled", None)
    assert (given.fresh(answer).status, given.fresh(answer).claims) == ("queued", 0)
