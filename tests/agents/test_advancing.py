"""Advancing against a real Postgres."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents import advancing
from agents.advancing import backoff
from agents.errors import Cancelled, LLMError
from agents.loop.ports import Abort
from agents.models import Inbox, Message, Run
from memory.models import Block
from tests.agents import given
from tests.agents.loop.doubles import Script, calls, says
from tests.agents.test_ledger import reply

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_turn_with_tools_and_an_answer(tmp_path):
    agent = given.agent("ring_bell", "core_memory_append")
    run = given.said(agent)
    given.advance(
        agent,
        calls(
            ("ring_bell", {"folder": str(tmp_path)}),
            ("core_memory_append", {"label": "human", "content": "likes bells"}),
        ),
        says("Did you hear it?"),
    )
    assert given.ended(run) == ("completed", "end_turn", None)
    assert given.tries(run) == [("ring_bell", 1, "succeeded"), ("core_memory_append", 1, "succeeded")]
    assert Block.objects.get().value == "likes bells"
    assert (tmp_path / "rung").read_text().count("\n") == 1


def test_a_passing_failure_of_the_model_frees_the_worker_and_is_tried_again():
    agent = given.agent()
    run = given.said(agent)
    given.advance(agent, LLMError("rate_limit", "Slow down.", retryable=True, retry_after=30))
    waiting = given.fresh(run)
    assert (waiting.status, given.steps(run)) == ("queued", ["open"])
    assert waiting.not_before > timezone.now() + timedelta(seconds=29)
    assert given.place(agent).owner == ""
    assert Inbox.objects.get().ready_at == waiting.not_before
    Run.objects.update(not_before=timezone.now())
    given.advance(agent, says("hi"))
    assert given.ended(run) == ("completed", "end_turn", None)
    assert given.transcript(agent) == ["user: hello", "assistant: hi"]


@pytest.mark.parametrize(("code", "tries"), [("overloaded", 6), ("empty_response", 3)])
def test_a_model_that_keeps_failing_fails_the_run(code, tries):
    agent = given.agent()
    run = given.said(agent)
    for number in range(1, tries + 1):
        Run.objects.update(not_before=None)
        given.advance(agent, LLMError(code, "Not now.", retryable=True))
        assert given.fresh(run).is_terminal == (number == tries)
    assert given.ended(run) == ("failed", "llm_api_error", code)


@pytest.mark.parametrize(("code", "kept"), [("bad_request", "bad_request"), ("quota", "provider_quota")])
def test_a_lasting_failure_of_the_model_fails_the_run_at_once(code, kept):
    agent = given.agent()
    run = given.said(agent)
    given.advance(agent, LLMError(code, "No."))
    assert given.ended(run) == ("failed", "llm_api_error", kept)
    step = run.steps.get()
    assert (step.model, step.context_window) == (agent.model, 32_768)


def test_a_history_that_is_too_long_for_the_model_is_shortened_and_kept_for_recall():
    agent = given.agent()
    for number in range(4):
        given.said(agent, f"question {number}")
        given.advance(agent, says(f"answer {number}"))
    run = given.said(agent, "and now?")
    script = given.advance(agent, LLMError("context_overflow", "Too long."), says("They asked a lot."), says("fine"))
    summarising, last = script.asked[1:]
    assert "question 1" in summarising.messages[0].content
    assert "They asked a lot." in last.messages[0].content
    assert last.messages[-1].content == "and now?"
    assert len(last.messages) < len(script.asked[0].messages)
    assert given.ended(run) == ("completed", "end_turn", None)
    given.said(agent, "next")
    assert len(given.advance(agent, says("yes")).asked[0].messages) == len(last.messages) + 2


def test_without_a_summary_the_oldest_messages_leave_all_the_same():
    agent = given.agent()
    for number in range(4):
        given.said(agent, f"question {number}")
        given.advance(agent, says(f"answer {number}"))
    run = given.said(agent, "and now?")
    failing = (LLMError("context_overflow", "Too long."), LLMError("server_error", "Down."), says("fine"))
    last = given.advance(agent, *failing).asked[2]
    assert [message.content for message in last.messages] == ["question 3", "answer 3", "and now?"]
    assert given.ended(run) == ("completed", "end_turn", None)


def test_a_single_message_that_is_too_long_fails_the_run():
    agent = given.agent()
    run = given.said(agent)
    given.advance(agent, LLMError("context_overflow", "Too long."))
    assert given.ended(run) == ("failed", "context_window_overflow_in_system_prompt", "context_overflow")


def test_a_fault_of_our_own_fails_the_run_and_not_the_worker():
    agent = given.agent()
    run, later = given.said(agent, "one"), given.said(agent, "two")
    given.advance(agent, ZeroDivisionError("inside the adapter"))
    assert given.ended(run) == ("failed", "error", "internal_error")
    given.advance(agent, says("hi"))
    assert given.ended(later)[0] == "completed"


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("cancelled", ("cancelled", "cancelled", None)),
        ("deadline", ("failed", "error", "deadline_exceeded")),
        ("shutdown", ("running", None, None)),
        ("lost_lease", ("running", None, None)),
    ],
)
def test_why_a_call_was_stopped_decides_what_becomes_of_the_run(reason, end):
    agent = given.agent()
    run = given.said(agent)
    given.advance(agent, Cancelled(reason))
    assert given.ended(run) == end
    assert (given.place(agent).owner == "") == (reason != "lost_lease")


def test_a_step_given_back_at_a_shutdown_goes_on_elsewhere():
    agent = given.agent()
    run = given.said(agent)
    for _ in range(5):
        given.advance(agent, Cancelled("shutdown"))
    given.advance(agent, says("hi"))
    assert given.ended(run) == ("completed", "end_turn", None)
    assert given.transcript(agent) == ["user: hello", "assistant: hi"]


def test_a_worker_that_was_fenced_says_nothing_and_changes_nothing():
    agent = given.agent()
    run = given.said(agent)
    turn = given.claimed(agent, lease=0)
    given.claimed(agent, "worker-2")
    advancing.advance(turn, given.Outfit(Script(says("too late"))), Abort())
    assert given.fresh(run).status == "running"
    assert given.transcript(agent) == ["user: hello"]


def test_a_bell_that_may_have_been_rung_is_not_rung_again(tmp_path):
    agent = given.agent("ring_bell")
    run = given.said(agent)
    dead = given.claimed(agent, lease=0)
    given.ledger(dead).commit(reply(dead, "ring_bell"), [], [given.admitted(dead, "ring_bell")])
    script = Script(says("I am not sure whether it rang"))
    for _ in range(2):
        advancing.advance(given.claimed(agent), given.Outfit(script), Abort())
    assert given.tries(run) == [("ring_bell", 1, "interrupted")]
    assert "may or may not have taken effect" in given.transcript(agent)[2]
    assert given.ended(run)[0] == "completed"


# The compiled prompt


def prompt(agent):
    return Message.objects.get(agent=agent, role="system").content["text"]


def test_the_prompt_stays_the_same_bytes_while_memory_does():
    agent = given.agent(human="Ann")
    given.said(agent, "one")
    given.said(agent, "two")
    before = prompt(agent)
    script = given.advance(agent, says("1"), says("2"))
    assert {request.system for request in script.asked} == {before} == {prompt(agent)}


def test_a_changed_block_is_in_the_next_prompt_and_stored_with_its_answer():
    agent = given.agent(human="Ann")
    given.said(agent)
    before = prompt(agent)
    Block.objects.update(value="Bob", version=2)
    script = given.advance(agent, LLMError("timeout", "late", retryable=True))
    assert "Bob" in script.asked[0].system
    assert prompt(agent) == before
    Run.objects.update(not_before=None)
    script = given.advance(agent, says("hi"))
    assert prompt(agent) == script.asked[0].system != before
    given.said(agent)
    assert given.advance(agent, says("hi")).asked[0].system == prompt(agent)


def test_an_edit_by_the_agent_itself_is_in_its_next_step():
    agent = given.agent("core_memory_append")
    given.said(agent)
    edit = calls(("core_memory_append", {"label": "human", "content": "likes tea"}))
    script = given.advance(agent, edit, says("Noted"))
    assert ["likes tea" in request.system for request in script.asked] == [False, True]


# Waiting


def test_backoff_obeys_the_provider_within_bounds():
    assert 30 <= backoff(1, 30) <= 31
    assert 900 <= backoff(1, 86_400) <= 901


@pytest.mark.parametrize(("failures", "longest"), [(1, 1), (2, 2), (3, 4), (6, 32), (60, 60)])
def test_backoff_grows_and_is_spread(failures, longest):
    delays = [backoff(failures, None) for _ in range(50)]
    assert 0 <= min(delays) < max(delays) <= longest
